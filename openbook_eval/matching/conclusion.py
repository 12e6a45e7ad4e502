"""Where an answer ends: a field made for it, the last line, the sentence that concludes, else judgements one by one.

What a sentence denies ("可排除B", "not D", "B错误") it does not choose.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from openbook_eval.matching.mentions import Mention, Sentence, plain_form, unwrapped
from openbook_eval.matching.patterns import NOT_CHOSEN, leaping
from openbook_eval.matching.response import Reading, Response, read_option_list
from openbook_eval.matching.wordings import abstention, similar_option

# Where prompts demand the answer, with the signs that one may be there: later kinds only where earlier ones hold none.
# The last of a kind counts. A line break stands before the text, so that every line begins with one.
_FIELDS = tuple(
    (signs, re.compile(pattern, re.DOTALL))
    for signs, pattern in (
        (("<answer>",), r"<answer>(.{0,400}?)</answer>"),
        (
            ("{",),
            r"[{,]\s*['\"](?:\w{0,20}(?:answer|option|choice|答案)\w{0,8}|\d{1,3})['\"]\s*:"
            r"\s*(\[[^\[\]]{0,80}\]|['\"][^'\"\n]{0,200}['\"])",
        ),
        (("\\boxed",), r"\\boxed\{((?:[^{}]|\{[^{}]{0,100}\}){1,200})\}"),
        (
            ("nswer", "答案", "esponse"),
            r"\n[#*【\[\s]{0,8}(?:[Ff]inal (?:[Aa]nswer|[Rr]esponse)|[Aa]nswer|(?:最终|正确)?答案)"
            r"[】\]*:：\s]{0,8}\n+([^\n]{1,60})",
        ),
    )
)
_BETWEEN_LETTERS = re.compile(r"[\s、,，;；/&|+\"'*_()（）\[\]【】{}.．。:：]|\band\b|和")
_LAST_LINE, _BRIEFEST, _BRIEF = 40, 3, 200
# So many different answers, none of which takes another back, are none.
_SEVERAL = 3

# Words behind which the answer stands: that sum up, that announce it, and that call something the most likely.
_SUMMARY = leaping(
    "综上/综合(?:以上|上述|考虑|分析|来看)/总之/总而言之/由此/因此/因而/所以/故(?=[选本答正此应,])/最终/得出/结论/只有/剩下/只剩"
    r"/不(?<=\A不)[,对]/therefore/thus\b/hence\b/in (?:conclusion|summary)/to sum up/overall/so\b/consequently/leaves\b"
)
_ANSWER = leaping(
    r"答案/正确的?(?:选项|说法)/故选/应(?:该|当)?[是为选]/answers?\b/choose\b/select(?:ed)?\b"
    r"/correct (?:option|choice|statement)s?\b"
    r"/选(?<![不非勿未误首能]选)择?(?=[是为:]|(?:选项)?[\s(【]*[a-h](?![a-z])|第[一二三四五六])"
)
_ASSERTION = leaping(
    (
        "最/首选/首先/首要/正确/错误/不(?:正确|恰当|符合|属于|包括|宜)/诊断/考虑/更/主要/应",
        "[^,。]{0,40}?(?:是|为|考虑|可能|选|:)",
    ),
    ("是/为/属于", "[^,。]{0,6}(?:最|首选|正确|更)"),
    (
        "most/best/correct/right/first/next/primary/initial/likely/appropriate/incorrect/false",
        r"\b[^.]{0,120}?(?:\b(?:is|are|was|would be|should be|with|be)\b|:)",
    ),
    (
        "is/are/would be/should be",
        r" (?:the |a )?(?:most|best|better|correct|right|first|next|primary|preferred|recommended|indicated"
        r"|\w+ of choice)",
    ),
    ("最/更", "为?(?:大|高|合适|符合|恰当|适合|好|佳|可能|准确)"),
)
_POINTS_TO = leaping(
    r"consistent with/suggest(?:s|ive of)?\b/indicat(?:es|ive of)\b/supports?\b/diagnosis (?:of|is)\b/this is an?\b"
)
_ONE_OF_MANY = leaping(r"之一/one of the\b")
_NEGATION = leaping(r"不/非/错/'t\b/not\b/less\b/no\b")
# Between options and the word that announces them: "A和C都是正确的" answer.
_IS = re.compile(
    r"[\s)\"”」]*(?:[两三四五]?个?选?项)?(?:[均都皆也才就]|应该?)*(?:[是为]|\bis|\bare|\bwould be)\s*"
    r"(?:the |most |only |最|正确|唯一|合适|的|本题)*"
)
_COPULA = re.compile(r"(?:[是为选]|\bis|\bare)[\s:(]*(?:选项|option )?$")
_HEDGES = re.compile(r"或|可能|也许|\bor\b|either|maybe")
# Between two answers: the later one takes the earlier one back.
_CORRECTS = leaping(
    "但/然而/不[,对]/而是/其实/实际/更正/纠正/修正/改/有误/遗漏/抱歉/重新/综上/因此/所以/最终/总之/即"
    r"/but\b/however/actually/wait/sorry/correct(?:ion|ing)/therefore"
)
_CHOOSES_NONE = leaping(
    ("无法/不能/没有/难以/并无/无", "[^,。]{0,16}(?:选项|答案|选择)"),
    ("cannot/can't/unable to/not possible to", " (?:choose|select|answer|determine|decide)"),
    "none of the (?:options|above|choices)",
)
# "not", "would not cause", "isn't due to", but "not D but".
_NOT = r"(?:\bnot|n't)(?: (?!but\b)[a-z]{2,}){0,2}"
_DENIED_BEFORE = re.compile(
    r"(?:不是|并非|而非|误选|不(?:能|可|宜|会|该|要|建议)?选|排除|除外?|除了|不像|不支持|不考虑|不属于|不包括|不应|不符合"
    rf"|不倾向于?|不同于|区别于|鉴别|{_NOT}|\brather than|\binstead of|比|\brul(?:e|es|ed|ing) out"
    r"|\bexclud(?:e|es|ed|ing)|\bunlike|\bother than|\bthan|不(?:会|能)[^,。]{0,3})"
    r"(?:[\s\"“「'(是为选:]|选项|只有|该|应|可|能|择|\bthe|\ban?|\boption|\bbe|\bhave)*$"
)
_ABOUT = r"[\s)\"”」]*(?:[两三四五]?个?选?项|的?说法|的?描述)?(?:[都均也皆则]|可能|肯定|,这)*"
_DENIED_AFTER = re.compile(
    rf"[\s)]*(?:选项|项)?也[是为有]?一?[个种]?可能|{_ABOUT}(?:(?:是|为|可以?|被|应该?|予以|完全|明显)*"
    r"(?:不正确|错误|不对|[都均皆]不是|排除|错|除外|不合适|不可能|不太可能|不考虑|不(?:能|应|该)?选|不符合)"
    r"|\s*(?:is|are|was|were|can be|may be|would be) (?:therefore |also |thus )*"
    r"(?:one (?:possib|of)|not|incorrect|wrong|unlikely|less|ruled|excluded|false))"
)
_AFFIRMED_AFTER = re.compile(
    rf"{_ABOUT}(?:(?:是|为|应该?)*(?:正确(?!的?(?:答案|选项|选择))|对的|对$)"
    r"|\s*(?:is|are) (?:therefore |also |thus )*(?:correct|true)$)"
)
# Judgements of single options: behind it at once, or at the end of its line.
_JUDGEMENT = (
    r"(不?)(正确|对(?![象于比应照侧症称立抗])|符合|合理|成立|错误|错(?![觉位构])"
    r"|\b(?:incorrect|correct|right|wrong|true|false)\b|[✓✔√✗✘×❌✅])"
)
_JUDGED = re.compile(
    rf"[\s:.、)(—\-–\"”」]*(?:[两三四五]?个?选?项)?(?:的?(?:说法|表述|描述|内容))?"
    rf"[\s(]*(?:[均都皆才就也]|应该?|应当)*(?:是|为|属于|(?:is|are) (?:the |all |both |also )*)?\s*{_JUDGEMENT}"
)
_JUDGED_IN_LINE = re.compile(rf"[—\-–:,\s]\s*(?:[是为])?{_JUDGEMENT}")
_BEST_IN_LINE = leaping(
    ("is/are/would be/是/为", r"(?: the)?\s*(?:best|most (?:likely|appropriate)|最(?:佳|合适|可能|符合))")
)
_ALL_RIGHT = leaping(
    ("以上/上述/所有/全部/三个/四个/五个/六个", "的?(?:选项|说法|答案)?(?:都|均|皆|全部)[是为]?(?:正确|对|符合)"),
    "全选/all (?:of the )?(?:above|options)",
)
_WRONG = {"错误", "错", "incorrect", "wrong", "false", "✗", "✘", "×", "❌"}
_IN_LINE = 120


def answer_field(response: Response) -> Reading | None:
    r"""Read `<answer>D</answer>`, `{"answer": ["B"]}`, `\boxed{C}`, `### Answer` and the line below it."""
    text = f"\n{response.text}"
    for signs, pattern in _FIELDS:
        for found in reversed([*pattern.finditer(text)]) if any(sign in text for sign in signs) else ():
            listed = read_option_list(response, found.start(1) - 1) if response.multi else ""
            if len(listed) > 1:
                return Reading(listed)
            if letters := _whole(found.group(1), response):
                # Whoever goes on and names another answer, or none, means that one.
                rest = reversed(response.sentences_of(text[found.end() :]))
                later = (_summed_up(each, response) for each in rest if _ANSWER.search(each.besides))
                return next(filter(None, later), None) or Reading(letters)
    return None


def last_line(response: Response) -> Reading | None:
    """Read a last line of nothing but letters, below other text that is not such a line."""
    head, _, line = response.text.rstrip().rpartition("\n")
    if not head.strip() or len(line) > _LAST_LINE or line.endswith((":", "：")):
        return None
    letters = _bare_letters(line, response.options)
    before = head.rstrip().rpartition("\n")[2].lstrip()
    # "B. text" above "C.": a list that was cut off.
    if not letters or before[:1] == chr(ord(letters[0]) - 1) or _bare_letters(before, response.options):
        return None
    if not response.multi and len(letters) > 1:
        return None
    return Reading(letters)


def _bare_letters(line: str, options: Mapping[str, str]) -> str:
    core = _BETWEEN_LETTERS.sub("", unwrapped(line))
    return core if core and set(core) <= options.keys() and len(set(core)) == len(core) else ""


def _whole(text: str, response: Response) -> str:
    """Return the letters of a field that holds nothing but letters, one option line, or an option's text."""
    text = unwrapped(text).strip()
    if letters := _bare_letters(text, response.options):
        return letters
    if not response.multi and (found := response.patterns.option_line.fullmatch(text)):
        return found.group(1)
    same = [letter for letter, option in response.options.items() if plain_form(option) == plain_form(text)]
    return same[0] if len(same) == 1 else ""


def all_but(response: Response) -> Reading | None:
    """Read `除C外都正确。`: of a multiple-choice question all others, of a single-choice question the one left out."""
    found = response.patterns.all_but.search(response.text) if "除" in response.text else None
    if not found:
        return None
    left_out = set(re.findall("[A-Z]", found.group(1)))
    return Reading("".join(response.options.keys() - left_out if response.multi else left_out))


def concluded(response: Response) -> Reading | None:
    """Read `综上所述，患者最可能是组胺中毒。`, `Therefore, Fluoxetine (D) is ...`: the sentence that concludes."""
    if len(response.text) < _BRIEFEST:
        return None
    sentences = _without_lists(response.sentences, response.multi)
    summed_up = [(number, found) for number, each in enumerate(sentences) if (found := _summed_up(each, response))]
    if summed_up:
        return _last_word(sentences, summed_up)
    first = response.sentences[0] if response.sentences else None
    if first and len(response.sentences) > 1 and first.heading and first.mentions[0].is_listed:
        return None
    asserted = [found for sentence in sentences if (found := _asserted(sentence, response))]
    asserted = [found for found in asserted if not found.by_text] or asserted
    if not asserted:
        return None
    # Whoever begins with the answer says why afterwards; whoever begins with the reasons ends with the answer.
    if asserted[0] == _asserted(sentences[0], response):
        return asserted[0]
    return asserted[-1] if len({found.letters for found in asserted}) < _SEVERAL else None


def _without_lists(sentences: Sequence[Sentence], multi: bool) -> list[Sentence]:
    """Return the sentences but for options in a row, each at the start of its line: given back, or gone through."""
    kept: list[Sentence] = []
    expected = ""
    for number, sentence in enumerate(sentences):
        if expected and sentence.heading == expected:
            expected = _next(expected)
        elif sentence.mentions and (letter := sentence.opens) and _goes_on(sentences[number:], _next(letter), multi):
            expected = _next(letter)
        else:
            kept.append(sentence)
    return kept


def _goes_on(sentences: Sequence[Sentence], expected: str, multi: bool) -> bool:
    """Return whether the list that the first sentence opens goes on: at once where it is announced, else after remarks.

    What is denied below the announced answer to a single-choice question is no list with it, but the others.
    """
    announced = _ANSWER.search(sentences[0].besides)
    heading = next((each for each in sentences[1 : 2 if announced else None] if each.heading), None)
    denied = announced and not multi and heading and _NEGATION.search(heading.besides)
    return bool(heading and heading.heading == expected and not denied)


def _next(letter: str) -> str:
    return chr(ord(letter[-1]) + 1) if letter else ""


def _last_word(sentences: Sequence[Sentence], summed_up: Sequence[tuple[int, Reading]]) -> Reading:
    """Return the last of several conclusions, unless another stands right before it and nothing takes that back.

    A letter outdoes a text.
    """
    said = {other.letters for _, other in summed_up if not other.by_text}
    number, last = next((each for each in reversed(summed_up) if not each[1].by_text), summed_up[-1])
    for before, other in summed_up[-2:-1]:
        if last.by_text or other.by_text or not (last.letters and other.letters):
            break
        if (before == number - 1 or len(said) >= _SEVERAL) and set(last.letters) != set(other.letters):
            earlier = sentences[before]
            if not _CORRECTS.search(earlier.text[earlier.mentions[-1].end :] + sentences[number].text):
                return Reading(reason="contradiction")
    return last


def _summed_up(sentence: Sentence, response: Response) -> Reading | None:
    """Read a sentence with a word that sums up or announces an answer: what it names behind the last such word."""
    if not sentence.mentions and not _CHOOSES_NONE.search(sentence.text):
        return None
    answers = [*_ANSWER.finditer(sentence.besides)]
    cues = [*_SUMMARY.finditer(sentence.besides), *answers]
    if not cues:
        return None
    if not sentence.mentions:
        return abstention(response.part(sentence.text)) or Reading(reason="refusal")
    for run in sentence.runs if answers else ():
        # "A and B are the answer"
        if any(_IS.fullmatch(sentence.text, run[-1].end, answer.start()) for answer in answers):
            return _chosen(sentence, run, response)
    before = [cue.end() for cue in cues if cue.start() <= sentence.mentions[-1].start]
    return _first_chosen(sentence, max(before), response, announced=bool(answers)) if before else None


def _asserted(sentence: Sentence, response: Response) -> Reading | None:
    """Read a sentence that says of an option that it is the most likely, the best, the first ..., in either order."""
    if not sentence.mentions or sentence.is_option or _ONE_OF_MANY.search(sentence.besides):
        return None
    text = sentence.text
    made = [
        (run, reading)
        for run in sentence.runs
        if run[0].by_letter and _COPULA.search(text[max(0, run[0].start - 8) : run[0].start])
        and (reading := _chosen(sentence, run, response))
    ]  # fmt: skip
    if made:
        between = text[made[0][0][-1].end : made[-1][0][0].start]
        differ = len({reading.letters for _, reading in made}) > 1
        if differ and not _CORRECTS.search(between) and (not response.multi or _HEDGES.search(text)):
            return Reading(reason="undecided")
        return made[-1][1] if differ else made[0][1]
    for pattern in (_ASSERTION, _POINTS_TO):
        found = pattern.search(sentence.besides)
        subject = _subject(sentence, found, response) if found else None
        if found and (reading := subject or _first_chosen(sentence, found.end(), response)):
            return reading
        # "A. text" is a line of a list, not the subject of what it says.
        is_line = sentence.heading and text[sentence.mentions[0].end :][:1] in ".、:("
        if found and pattern is _ASSERTION and not is_line and not _NEGATION.search(sentence.besides):
            before = [_chosen(sentence, run, response) for run in sentence.runs if run[-1].end <= found.start()]
            return next(filter(None, reversed(before)), None) or _first_chosen(sentence, 0, response)
    return None


def _subject(sentence: Sentence, found: re.Match[str], response: Response) -> Reading | None:
    """Read "X是首选，其次Y": the option right before the words that say so."""
    runs = [run for run in sentence.runs if run[-1].end == found.start() and found.group()[0] in "是为"]
    return _chosen(sentence, runs[0], response) if runs else None


def _first_chosen(sentence: Sentence, start: int, response: Response, *, announced: bool = False) -> Reading | None:
    """Return the first option, or list of options, that a sentence names from `start` on and does not deny."""
    found = (_chosen(sentence, run, response, announced=announced) for run in sentence.runs if run[-1].start >= start)
    return next(filter(None, found), None)


def _chosen(
    sentence: Sentence, run: Sequence[Mention], response: Response, *, announced: bool = False
) -> Reading | None:
    """Return the letters of options that are named together, unless they are denied or merely gone through."""
    text, end = sentence.text, run[-1].end
    if is_denied(sentence, run) or NOT_CHOSEN.match(text, end):
        return None
    # Called right on the way through the options: the rule of judgements sees them all.
    if len(run) == 1 and _AFFIRMED_AFTER.match(text, end):
        return None
    if any(sentence.is_alternative(one, other) for one, other in pairwise(run)):
        return Reading(reason="undecided")
    letters = "".join(dict.fromkeys("".join(mention.letters for mention in run)))
    # All options of a single-choice question are its list, unless they are bare letters called the answer.
    if len(letters) == len(response.options) and not response.multi:
        return None if any(mention.is_listed for mention in run) or not announced else Reading(letters)
    return Reading(letters, by_text=not any(mention.by_letter for mention in run))


def is_denied(sentence: Sentence, run: Sequence[Mention]) -> bool:
    """Return whether the words before options or behind them deny these."""
    before = sentence.text[max(0, run[0].start - 20) : run[0].start]
    return bool(_DENIED_BEFORE.search(before) or _DENIED_AFTER.match(sentence.text, run[-1].end))


def quoted_options(response: Response) -> Reading | None:
    """Read `胰高血糖素`, `应为胰高血糖素。`: an option's text without its letter, where nothing calls it the answer."""
    named = [
        (number, mention.letters)
        for number, sentence in enumerate(response.sentences)
        for run in sentence.runs
        for mention in run
        if not mention.by_letter and not is_denied(sentence, run)
        if len(run) > 1 or _is_telling(mention, sentence, response.text)
    ]
    letters = "".join(sorted({letters for _, letters in named}))
    if not letters:
        quoted = any(not mention.by_letter for sentence in response.sentences for mention in sentence.mentions)
        return None if quoted else similar_option(response)
    # "胰岛素。" and then reasons.
    alone = [sentence.is_quote for sentence in response.sentences]
    if alone[0] and sum(alone) == 1:
        return Reading(response.sentences[0].mentions[0].letters)
    if len(response.text) > _BRIEF:
        # A long text quotes options on its way: the only one counts, where the text begins or ends with it.
        at_end = any(number in (0, len(response.sentences) - 1) for number, _ in named)
        return Reading(letters) if len(letters) == 1 and at_end else None
    if len(letters) > 1 and not response.multi:
        return Reading(reason="undecided" if len(letters) < len(response.options) else "all_options")
    return Reading(letters)


def _is_telling(mention: Mention, sentence: Sentence, text: str) -> bool:
    """Return whether a text means the option: two or three characters alone may be any word."""
    length = mention.end - mention.start
    return length > 3 or len(text) <= 12 + length or mention.end == len(sentence.text)


def judged(response: Response) -> Reading | None:
    """Read `A：正确。B：错误。`, `A. 畸形 ✓`, `选项B正确，A、C错误`: options called right or wrong one by one."""
    judgements: dict[str, bool] = {}
    for sentence in response.sentences:
        for run in sentence.runs:
            found = _JUDGED.match(sentence.text, run[-1].end)
            if not found and sentence.heading and len(sentence.runs) == 1:
                found = _JUDGED_IN_LINE.search(sentence.text, run[-1].end, run[-1].end + _IN_LINE)
                if not found and _BEST_IN_LINE.search(sentence.text, run[-1].end, run[-1].end + _IN_LINE):
                    judgements[run[0].letters] = True
            if not found:
                continue
            for letter in "".join(mention.letters for mention in run):
                # The last word on an option counts, and stands last.
                judgements.pop(letter, None)
                judgements[letter] = not found.group(1) and found.group(2) not in _WRONG
    if judgements:
        return _of_judgements(response, judgements)
    return Reading("".join(response.options)) if response.multi and _ALL_RIGHT.search(response.text.lower()) else None


def _of_judgements(response: Response, judgements: Mapping[str, bool]) -> Reading | None:
    """Return the right ones; of a single-choice question with several the odd one out, which was asked for."""
    right = [letter for letter, positive in judgements.items() if positive]
    wrong = [letter for letter, positive in judgements.items() if not positive]
    if not right:
        left = response.options.keys() - set(wrong)
        if len(left) == 1 and len(wrong) > 1:
            return Reading("".join(left))
        mentions = [each for sentence in response.sentences for each in sentence.mentions]
        named = {each.letters for each in mentions if each.by_letter} or {each.letters for each in mentions}
        if named != set(wrong):
            return None
        # "So E is wrong", and no word of others: the question asked for what is wrong.
        return Reading(reason="undecided") if response.multi or len(wrong) > 1 else Reading(wrong[0])
    if response.multi or len(right) in (1, len(response.options)):
        return Reading("".join(right))
    if len(wrong) == 1 and len(judgements) == len(response.options):
        return Reading(wrong[0])
    return Reading(right[-1]) if len(right) + len(wrong) < len(response.options) else Reading(reason="undecided")
