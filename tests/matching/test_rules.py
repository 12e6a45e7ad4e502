"""What each rule reads: a table of cases a rule."""

import pytest

from openbook_eval.matching import match_choice
from openbook_eval.matching.response import ends_thinking
from openbook_eval.matching.rules import RULES
from openbook_eval.types import Choice

OPTIONS = {"A": "胰岛素", "B": "胰高血糖素", "C": "生长激素", "D": "肾上腺素", "E": "胰岛素样生长因子"}
LISTED = "A. 胰岛素\nB. 胰高血糖素\nC. 生长激素\nD. 肾上腺素\nE. 胰岛素样生长因子"

EXPLAINED = "\n".join(f"{line}：与题意的关系需要讨论。" for line in LISTED.split("\n"))

OTHERS = "B. 胰高血糖素升糖。\nC. 生长激素无关。\nD. 肾上腺素无关。\nE. 胰岛素样生长因子无关。"

# (response, letters), by rule; single choice unless the rule says otherwise.
STATED = {
    "letters_only": [
        ("B", "B"),
        ("Ｂ", "B"),
        ("Ⓒ", "C"),
        (" B\n", "B"),
        ("AC", "AC"),
        ("CA", "AC"),
        ("A、C", "AC"),
        ("A C", "AC"),
    ],
    "dressed_letters": [
        ("答案：AC。", "AC"),
        ("A，C。", "AC"),
        ("A和C", "AC"),
        ("答案是B选项", "B"),
        ("(D)", "D"),
        ("【B】", "B"),
        ("答案選B", "B"),
        ("[正确答案]C<eoa>", "C"),
        ("B B", "B"),
        ("<think>先看A，再看B。</think>\n\n答案：C", "C"),
    ],
    "one_option_line": [("B. 胰高血糖素", "B"), ("(B). 胰高血糖素", "B"), ("D：肾上腺素\n", "D")],
    "option_lines": [
        ("(B) 胰高血糖素", "B"),
        ("C. 生长激素\n因为材料说它促进生长。", "C"),
        (f"A. 胰岛素\n\n它降低血糖。\n\n{OTHERS}", "A"),
        (f"A: 胰岛素 (insulin)\n\n它降低血糖。另见教材。\n\n其余：\n{OTHERS}", "A"),
        (f"A. 胰岛素\n因为它降低血糖。\n{OTHERS.replace('. ', '：')}", "A"),
    ],
    "answer_field": [
        ('{"answer": "B"}', "B"),
        ("{'7': ['C']}", "C"),
        ("急性胰岛素反应可排除。<answer>D</answer>", "D"),
        ("So we get \\boxed{\\text{D}} here.", "D"),
        ("\\boxed{肾上腺素}", "D"),
        ("答案：\nD. 肾上腺素\n理由见上。", "D"),
        ("### Answer\n(C)\n\n### Reasons\nA grows, B does not.", "C"),
        ("{'7': ['C']}\n\n因此，正确的选项是B。", "B"),
    ],
    "last_line": [
        ("患者血糖不高，不像胰岛素的作用。\n\nD", "D"),
        ("It is not insulin.\n**C**", "C"),
        ("首先排除A和B。\n其次排除C。\n【D】", "D"),
    ],
    "all_but": [
        ("除C外都正确。", "C"),
        ("除了选项B以外，其余均符合题意。", "B"),
        ("除E之外，全都是对的。", "E"),
        ("除了D，其他都是对的。", "D"),
    ],
    "bare_options": [("] C. 生长激素", "C"), ("]D. 肾上腺素。", "D"), ("\n] A．胰岛素；", "A")],
    "answer_first": [
        ("[正确答案]D\n选项A正确，选项B错误，选项C错误。因此，本题答案为D。", "D"),
        ("[正确答案]D\n中国的教科书都这样写。", "D"),
        ("答案：C\n\n因此，A区的医院应当收治。", "C"),
        ("[正确答案]B<eoa>\n\n选项A和选项D都不准确。", "B"),
        ("【正确答案】C\n（参考教科书）下列哪一项正确?A:甲;B:乙;C:丙。【正确答案】B", "C"),
        ("[正确答案]C\n下列哪一说法是正确的是。A:甲;B:乙;C:丙。[正确答案]A", "C"),
        ("答案：A\n\n2. 最常见的病因是\nA. 高血压\nB. 动脉瘤\n答案：B", "A"),
    ],
    "concluded": [
        ("**答案：D**", "D"),
        ("根据材料，胰岛素能降低血糖，故选A。", "A"),
        ("正确答案是：A、C。因为……", "AC"),
        ("我认为应选B。更正：应选D，理由如上。", "D"),
        ("不选A，选C。", "C"),
        ("答案不是A，而是B。", "B"),
        ("错误的是C，其余都对。", "C"),
        ("The answer is C because of growth.", "C"),
        ("注意不要误选A；本题选B。", "B"),
        ("正确的表述是选项C：生长激素。", "C"),
        ("答案: 上述激素中，B项升高血糖。", "B"),
        ("升高血糖的激素是B，降低血糖的另有其他。", "B"),
        (f"{EXPLAINED}\n综上，诊断考虑D。", "D"),
        (f"{EXPLAINED}\nSo the best hormone is D: 肾上腺素.", "D"),
        (f"{EXPLAINED}\n因此，选项B：胰高血糖素，不是降糖激素。", "B"),
        ("A、B、C、E都可排除，所以是D。", "D"),
        ("B和C已排除，因此选择A。", "A"),
        ("A正确，B正确，C正确，E正确，所以错误的叙述是D。", "D"),
        ("选A？不，D。", "D"),
        ("最初考虑选A，但结合病史应为D。", "D"),
        ("先看A，也像；不过答案应该是C。", "C"),
        ("根据现有信息无法直接判断，只有选项D是可能正确的。", "D"),
        ("综上，正确答案为 \\(B\\)。", "B"),
        ("Therefore, the correct answer is $\\mathbf{C}$.", "C"),
        ("正确答案是**E**，理由从略。", "E"),
        ("The correct answer is d.", "D"),
        ("I would say that the answer is (b)", "B"),
        ("Answer: c", "C"),
        ("最可能的激素是B：胰高血糖素。\n\n因此，A和E不太可能是正确的答案。", "B"),
        ("所以，首选胰岛素（A选项）。", "A"),
        ("虽然B也有可能，但D的可能性更大。", "D"),
        ("D比B更合适", "D"),
        ("Initially I thought A, but D is better.", "D"),
        ("A的可能性最大。", "A"),
    ],
    "leading_letters": [
        ("A、C、D均具有这一作用。", "ACD"),
        ("AC 解析：略", "AC"),
        ("Option D is what the text says.", "D"),
    ],
    "judged": [
        ("材料表明，因此选项B“胰高血糖素”是正确的。选项A是错误的。", "B"),
        ("A：错误。B：正确。C：错误。D：错误。E：错误。", "B"),
        ("A. 胰岛素 ✗\nB. 胰高血糖素 ✗\nC. 生长激素 ✓\nD. 肾上腺素 ✗", "C"),
        ("A正确，B正确，C错误，D正确，E正确。", "C"),
        ("C项符合材料的说法。", "C"),
        ("Option A is incorrect. Option D is correct.", "D"),
        ("胰岛素降低血糖。因此，选项E是错误的。", "E"),
        ("血糖下降，因此“生长激素”的说法是错误的。", "C"),
        ("A不对。B错误。C错误。E也错误。", "D"),
        ("A: 胰岛素降糖。\nB: 胰高血糖素升糖。\nC: 生长激素是最佳的选择。\nD: 肾上腺素升压。", "C"),
    ],
    "other_alphabet": [("②", "B"), ("答案是乙", "B"), ("b", "B"), ("(b)", "B"), ("b)", "B")],
}
IMPLIED = {
    "exact_option": [("胰高血糖素", "B"), ("答案：胰高血糖素。", "B")],
    "quoted_options": [
        ("材料说的是胰岛素样生长因子。", "E"),
        ("应为胰高血糖速", "B"),
        ("生长激素。\n\n解析：胰岛素降糖。", "C"),
    ],
    "concluded": [
        (f"{EXPLAINED}\n综上所述，患者最可能缺乏的是胰高血糖素。", "B"),
        ("血糖正常，不支持胰岛素。答案是肾上腺素。", "D"),
        ("因此，诊断首先考虑为生长激素过多。\n然而，最终诊断需要进一步检查。", "C"),
        ("选择第三项", "C"),
        ("肾上腺素是首选药物，其次是生长激素。", "D"),
        ("The answer is the second option.", "B"),
        ("Insulin was tried, which leaves 肾上腺素.", "D"),
    ],
    "lone_letters": [
        ("下列说法正确的是?B:胰高血糖素升高血糖。", "B"),
        ("看来B比较合适", "B"),
        ("C seems most suitable", "C"),
    ],
}
NOTHING = {
    "abstention_only": [
        "材料未提及",
        "材料未提及。",
        "“材料未提及”",
        "答案：材料未提及",
        "材料未提及\n\n【材料】\n下一段。\n\n【题目】\n略",
    ],
    "abstention": [
        "材料中没有提到这一点，因此无法判断。",
        "根据材料无法确定正确选项",
        "无法从上面的材料中得出答案",
        "所给材料没有足够的信息来回答这个问题。",
        "文中未提及",
        "未提及",
        "上述资料并未明确说明其机制。",
        "【题目】\n第2题\nA. 甲\nB. 乙\n\n答案：材料未提及",
        "The passage does not mention insulin.",
        "The material doesn't say.",
        "There is no information in the material to answer this.",
        "The answer is not in the material.",
        "材料没提",
        "材料里没写",
        "资料中未见相关描述",
        "在材料中找不到答案",
        "没有提及",
        "胰岛素在材料中没有提到",
        "关于胰岛素，材料没有提到",
    ],
    "empty": ["", " \n", "。", "</s>"],
    "cut_off": [
        "<think>先看A",
        "<think>先看A</think>还有<think>再看B",
        "## Thinking\n\n先看A，再看B。",
        "<|channel|>analysis<|message|>Maybe B.",
        "analysisWe need the hormone. Maybe B.",
        "<|channel>thought\n答案是B",
        "<unused94>thought\n答案是B",
    ],
    "echo": [
        "下列说法正确的是？\nA: 胰岛素；B: 胰高血糖素",
        f"能升高血糖的激素是？\n{LISTED}",
        "请直接给出正确答案的选项字母，例如[正确答案]A。\nA. 甲\nB. 乙",
        "下列做法正确的是:A:甲;B:乙;C:丙;D:丁。\n" * 4,
        "规定的是:A:甲;B:甲;C:甲;D:甲。",
        "下列说法中正确的有A:甲是乙;B:乙是丙;C:丙是丁;D:丁是甲。",
        "A: 1\nB: 2\nC: 3\nD: 4",
        "问题：下列哪项正确？\nA. 甲\nB. 乙\nC:",
    ],
    "refusal": [
        f"{EXPLAINED}\n综上所述，没有证据支持任何一个选项。",
        "抱歉，我无法回答这个问题。",
        "材料中没有正确的选项。",
        "I'm sorry, I cannot answer this.",
    ],
    "all_options": [
        LISTED,
        "【答案】：【A】：它降糖。【B】：它升糖。【C】：它促生长。【D】：它升压。【E】：它也是。",
        "D：肾上腺素，E：胰岛素样生长因子，A：胰岛素，B：胰高血糖素，C：生长激素。",
        "胰岛素、胰高血糖素、生长激素、肾上腺素、胰岛素样生长因子",
    ],
    "contradiction": [
        "1. B 2. A 3. C 4. D",
        "1.B, 2.B, 3.D",
        "答案是A。答案是B。答案是C。",
        "A\n\nB\n\nC",
        "答案：B\n答案：D",
        "A、B、C、AB、BC、ABC",
    ],
    "undecided": [
        "I have a fever, see a doctor.",
        "维生素B12缺乏",
        "首选B超检查。",
        "F",
        "AF",
        "可能是A，也可能是B。",
        "选A或者选B都有一定道理。",
        "不应选B。",
        "CAD患者应控制LDL-C。",
        "A patient with fever came.",
        "从A、B、C、D中选出一个。",
        "C反应蛋白升高，请提供更多检查结果。",
        "维生素A缺乏，请提供更多检查结果。",
        "D-二聚体升高，请提供更多检查结果。",
        "这是A型题，请提供更多信息。",
        "患者有乙型肝炎，请提供更多检查结果。",
        "发生的概率为(1 - B)。",
        "可以补充钙尔奇D，多晒太阳。",
        "不是胰高血糖素。",
        "可给予维生素B、D和钙剂。",
        "RGB的计算：B = RgbMod(x);",
        "胰岛素是最常见的激素之一。胰高血糖素也很常见。生长激素是什么？",
        "A. 胰岛素：不符合。\nB. 胰高血糖素：符合。\nC. 生长激素：符合。\nD. 肾上腺素：错。\nE. 胰岛素样生长因子：错。",
        "A. 胰岛素：不符合。\nB. 胰高血糖素：不符合，因为",
        "温度是38 C，用C语言编写。",
        "A 35-year-old woman presents with fear of dogs.",
        "A 55-year-old man has pain in the right eye.",
        "我会回答您的第二个问题。",
        "ECG AND CBC ARE BOTH NORMAL.",
        "也许是A，也许是B，我不太确定。",
    ],
}


def cases(table: dict[str, list[tuple[str, str]]]) -> list[tuple[str, str, str]]:
    return [(rule, response, letters) for rule, rows in table.items() for response, letters in rows]


@pytest.mark.parametrize(("rule", "response", "letters"), cases(STATED))
def test_a_stated_answer_is_read_by_its_rule(rule: str, response: str, letters: str) -> None:
    assert match_choice(response, OPTIONS) == Choice(letters, "stated", rule)


@pytest.mark.parametrize(("rule", "response", "letters"), cases(IMPLIED))
def test_an_implied_answer_is_read_by_its_rule(rule: str, response: str, letters: str) -> None:
    assert match_choice(response, OPTIONS) == Choice(letters, "implied", rule)


@pytest.mark.parametrize(
    ("reason", "response"), [(reason, text) for reason, texts in NOTHING.items() for text in texts]
)
def test_nothing_is_read_with_its_reason(reason: str, response: str) -> None:
    assert match_choice(response, OPTIONS) == Choice("", "cut_off" if reason == "cut_off" else "none", reason)


def test_every_rule_that_reads_letters_has_a_table() -> None:
    assert {name for name, state, _ in RULES if state != "none"} == {*STATED, *IMPLIED}


@pytest.mark.parametrize(
    ("response", "letters"),
    [
        (LISTED, "ABCDE"),
        ("A.C.D", "ACD"),
        ("A. 胰岛素的惯例\nB. 乙\nD. 丁", "ABD"),
        ("答案: A.甲的作用\nB.乙的作用\nC.丙的作用\nD.丁的作用\nE.戊的作用", "ABCDE"),
        (
            "A: 胰岛素降糖。符合。B: 胰高血糖素 不符合。\nC: 生长激素 不符合。\nD: 肾上腺素 不符合。\nE: 其他 不符合。",
            "A",
        ),
        ("答案: A.甲不符合规定\nB.乙不符合规定\nC.丙不符合规定", "ABC"),
        ("正确选项是A.甲的作用\nB.乙的作用\nC.丙的作用\nD.丁的作用\nE.戊的作用", "ABCDE"),
        ("So D is true. Wait, B, C, D are all true", "BCD"),
        ("以上选项都正确。", "ABCDE"),
        ("五个选项都是正确的。", "ABCDE"),
        ("All of the above.", "ABCDE"),
        ("A. 胰岛素\nC. 生长激素", "AC"),
        ("答案：\nA. 胰岛素\nC. 生长激素", "AC"),
        ("A. 胰岛素；C. 生长激素", "AC"),
        ("胰岛素、生长激素", "AC"),
        ("A对，B错，C对，D错，E错", "AC"),
        ("选项A、C均正确", "AC"),
        ("综上，正确答案为A和C。\n【答案】CA", "AC"),
        ("综上，正确答案为 \\(B\\) 和 \\(D\\)。", "BD"),
        ("答案：B（胰高血糖素）、D（肾上腺素）", "BD"),
        ("答案为A. 胰岛素、C. 生长激素", "AC"),
        ("除C外都正确。", "ABDE"),
        ("不能选C、D、E，应选A和B。", "AB"),
        ("A和C两个选项都是正确答案。", "AC"),
        ("Therefore, options A, B, and C are correct, while D is incorrect.", "ABC"),
        ("A（正确）：略。\nB（正确）：略。\nC（错误）：略。\nD（错误）：略。\nE（正确）：略。", "ABE"),
    ],
)
def test_multiple_choice_takes_all_that_is_listed(response: str, letters: str) -> None:
    assert match_choice(response, OPTIONS, "multi").letters == letters


@pytest.mark.parametrize(
    "thinking",
    [
        "<think>先看A。</think>\n\n",
        "先看A，答案似乎是A。</think>\n\n",  # begun by the prompt
        "## Thinking\n\n先看A，答案似乎是A。\n\n## Final Response\n\n",
        "<|channel|>analysis<|message|>Maybe A.<|end|><|start|>assistant<|channel|>final<|message|>",
        "analysisWe need the hormone. Answer A?assistantfinal",
        "<|channel>thought\n答案是A<channel|>",
        "<unused94>thought\n答案是A<unused95>",
        "<seed:think>先看A。</seed:think>",
        "[THINK]先看A。[/THINK]",
        "◁think▷先看A。◁/think▷",
    ],
)
def test_the_answer_stands_behind_the_thinking_of_every_family(thinking: str) -> None:
    assert match_choice(f"{thinking}B", OPTIONS) == Choice("B", "stated", "letters_only")


@pytest.mark.parametrize(
    ("prompt", "text", "ends"),
    [
        # As chat templates end a prompt: DeepSeek-R1, Qwen3 that thinks and that does not, HuatuoGPT-o1, gpt-oss.
        ("题<｜Assistant｜><think>\n", "先看A", False),
        ("题<｜Assistant｜><think>\n", "先看A</think>B", True),
        ("题<|im_start|>assistant\n<think>\n\n</think>\n\n", "B", True),
        ("题<|im_start|>assistant\n", "B", True),
        ("题<|im_start|>assistant\n", "<think>先看A", False),
        ("题\n## Thinking\n\n", "先看A", False),
        ("题\n## Thinking\n\n", "先看A\n\n## Final Response\n\nB", True),
        ("题<|start|>assistant<|channel|>analysis<|message|>", "Maybe A", False),
        ("题<start_of_turn>model\n<unused94>thought\n", "Maybe A<unused95>B", True),
        ("题<start_of_turn>model\n<unused94>thought\n", "Maybe A", False),
    ],
)
def test_a_prompt_may_have_begun_the_thinking(prompt: str, text: str, ends: bool) -> None:
    assert ends_thinking(prompt, text) is ends


@pytest.mark.parametrize("response", ["analysis: the hormone is B", "Analysis of A, C and D: not so. The answer is B."])
def test_the_word_analysis_is_no_thinking(response: str) -> None:
    assert match_choice(response, OPTIONS).letters == "B"


def test_a_base_model_running_on_into_the_next_prompt_is_read_before_it() -> None:
    assert match_choice("B\n\n【材料】\n胰岛素。\n\n【题目】\n略\n\n答案：C", OPTIONS).letters == "B"


def test_a_response_that_repeats_the_question_first_is_read_after_it() -> None:
    assert match_choice("好的。\n【题目】\n略\n答案：C", OPTIONS).letters == "C"


@pytest.mark.parametrize(
    ("response", "letters"),
    [
        ("材料未提及，但根据常识应选B", "B"),
        ("材料没有提及A、B、D、E，故选C", "C"),
        ("答案是B。材料未提及其他选项。", "B"),
        ("B\n材料未提及", "B"),
        ("胰高血糖素。材料没有提到其他激素。", "B"),
        ("答案是胰高血糖素，材料未提及其他", "B"),
    ],
)
def test_who_names_an_answer_all_the_same_commits_to_it(response: str, letters: str) -> None:
    assert match_choice(response, OPTIONS).letters == letters


@pytest.mark.parametrize(
    "response",
    [
        "如果材料没有给出答案，不要选择任何选项，只输出“材料未提及”。",
        "【要求】\n如果材料没有给出答案，不要选择任何选项，只输出“材料未提及”。",
        "若材料未提及，则不选。",
        "题目信息不完整，无法判断正确答案。",
        "抱歉，我无法回答。",
    ],
)
def test_the_instruction_given_back_or_a_refusal_is_no_abstention(response: str) -> None:
    choice = match_choice(response, OPTIONS)
    assert (choice.letters, choice.abstained) == ("", False)


def test_letters_of_a_word_are_an_option_where_the_option_is_that_word() -> None:
    assert match_choice("CT", {"A": "MRI", "B": "CT", "C": "B超"}).letters == "B"
    assert match_choice("答案：B超", {"A": "MRI", "B": "CT", "C": "B超"}).letters == "C"


ENGLISH = {"A": "Aspirin", "B": "Warfarin", "C": "Morphine", "D": "Ibuprofen", "E": "Codeine"}


@pytest.mark.parametrize(
    ("response", "letters"),
    [
        ("The best drug here is ibuprofen.", "D"),
        ("The most appropriate choice is D: Ibuprofen.\n\nThe others (A: Aspirin, B: Warfarin) thin the blood.", "D"),
        ("Aspirin (A) and warfarin (B) are ruled out. Therefore, Codeine (E) is the most appropriate choice.", "E"),
        ("Morphine should be the first drug given. Aspirin and warfarin are not necessary.", "C"),
        ("This picture is most consistent with an overdose of codeine.", "E"),
        ("I cannot select any of the options.", ""),
        ("D: Ibuprofen\n\nIt is safe.\n\nE: Codeine - less likely. Therefore, she would not take codeine.", "D"),
        ("The answer is not A but C.", "C"),
    ],
)
def test_options_are_found_by_their_text_in_any_case(response: str, letters: str) -> None:
    assert match_choice(response, ENGLISH).letters == letters


def test_without_options_letters_from_a_to_e_are_possible() -> None:
    assert match_choice("【答案】BD <eoa>", {}, "multi").letters == "BD"


def test_letters_that_are_texts_of_options_are_letters() -> None:
    assert (
        match_choice("This is a migraine, so it is option E.", dict(zip("ABCDE", "ABCDE", strict=True))).letters == "E"
    )


def test_a_list_that_goes_round_in_circles_ends_in_no_answer() -> None:
    assert match_choice(f"{LISTED}\n" * 9 + "A", OPTIONS).letters == ""


def test_only_bare_letters_follow_the_format() -> None:
    assert [match_choice(text, OPTIONS).format_followed for text in ("B", "A、C", "B。", "答案：B")] == [
        True, True, False, False,
    ]  # fmt: skip
