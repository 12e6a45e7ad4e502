"""What is taken out of a passage: letters that tell the answer, with what belongs to them, and nothing else."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.books.leaks import remove_leaks
from openbook_eval.exams import load_exam
from openbook_eval.types import Question

OPTIONS = {"A": "胃炎", "B": "胃溃疡", "C": "阿托品", "D": "胃癌", "E": "以上均正确"}

# (passage, what is left, what was taken out)
VERDICTS = [
    ("胃炎多见（A对），胃癌少（D错，为本题正确答案）。", "胃炎多见，胃癌少。", ["（A对）", "（D错，为本题正确答案）"]),
    ("胃炎多见(A对)。", "胃炎多见。", ["(A对)"]),
    ("胃炎常见（A对BCDE错）。", "胃炎常见。", ["（A对BCDE错）"]),
    ("胃炎常见（ABCE对）", "胃炎常见", ["（ABCE对）"]),
    ("胃癌少见（D错。为本题正确答案）。", "胃癌少见。", ["（D错。为本题正确答案）"]),
    ("以上各项都有（ABCD均对，故E为本题的正确答案）。", "以上各项都有。", ["（ABCD均对，故E为本题的正确答案）"]),
    ("胃炎常见（临床表现典型，A对）。", "胃炎常见（临床表现典型）。", ["，A对"]),
    ("可解除痉挛的是阿托品C对）。", "可解除痉挛的是阿托品。", ["C对）"]),
    ("胃癌可以排除（D错）。", "胃癌可以排除。", ["（D错）"]),
    ("胃癌转移较早（D），应当切除。", "胃癌转移较早，应当切除。", ["（D）"]),
    ("胃炎可自愈。故选A。", "胃炎可自愈。", ["故选A。"]),
    ("胃炎可自愈，故本题选A", "胃炎可自愈", ["，故本题选A"]),
    ("本题答案为D。胃癌应当切除。", "胃癌应当切除。", ["本题答案为D。"]),
    ("胃癌应当切除，正确答案是D，不宜等待。", "胃癌应当切除，不宜等待。", ["，正确答案是D"]),
    ("因此选A。", "", ["因此选A。"]),
    ("所以答案选E", "", ["所以答案选E"]),
    ("胃炎可自愈，因此，可排除BCD。", "胃炎可自愈。", ["，因此，可排除BCD"]),
    ("胃炎可自愈，故选A而不选D。", "胃炎可自愈。", ["，故选A而不选D"]),
    ("【答案】C【解析】阿托品可解痉。", "【解析】阿托品可解痉。", ["【答案】C"]),
    ("**答案：C**\n阿托品可解痉。", "阿托品可解痉。", ["**答案：C**\n"]),
    ("B。解析：溃疡常在饭后痛。", "解析：溃疡常在饭后痛。", ["B。"]),
    ("A错，B对。溃疡常在饭后痛。", "溃疡常在饭后痛。", ["A错，B对。"]),
    ("B项正确，因为溃疡常在饭后痛。", "因为溃疡常在饭后痛。", ["B项正确，"]),
    ("选项A、B、D均正确，应当检查。", "应当检查。", ["选项A、B、D均正确，"]),
    ("应当检查；A、C错误。", "应当检查。", ["；A、C错误"]),
    ("正确的是B，错误的是C。", "", ["正确的是B，错误的是C。"]),
    ("A（×）：胃炎可自愈。B（√）：溃疡较深。", "胃炎可自愈。溃疡较深。", ["A（×）：", "B（√）："]),
    ("Ａ错，Ｂ项正确。溃疡较深。", "溃疡较深。", ["Ａ错，Ｂ项正确。"]),
    ("A. 胃炎可自愈。B. 溃疡较深。", "胃炎可自愈。溃疡较深。", ["A. ", "B. "]),
    ("A选项：多见。", "多见。", ["A选项："]),
    ("A项为胃黏膜炎症的表现。", "为胃黏膜炎症的表现。", ["A项"]),
    ("选项C阿托品可解痉。", "阿托品可解痉。", ["选项C"]),
    ("本题除了D项，其他各项均为良性。", "本题其他各项均为良性。", ["除了D项，"]),
    ("据D答案的描述来看，病变为恶性。", "病变为恶性。", ["据D答案的描述来看，"]),
    ("病变可恢复，这里C阿托品有用。", "病变可恢复，这里阿托品有用。", ["C"]),
    ("A是浅表的。B是较深的。D是恶性的。", "是浅表的。是较深的。是恶性的。", ["A", "B", "D"]),
    ("阿托品为本题正确答案。", "阿托品。", ["为本题正确答案"]),
    ("本题应选阿托品。", "阿托品。", ["本题应选"]),
    ("阿托品可解痉，为正确选项。", "阿托品可解痉。", ["，为正确选项"]),
    ("阿托品可解痉，故为答案。", "阿托品可解痉。", ["，故为答案"]),
    ("A×，B√。", "", ["A×，B√。"]),
    ("胃炎可自愈，故选A而不选D（A对）（D错）。", "胃炎可自愈。", ["，故选A而不选D（A对）（D错）"]),
    ("正确答案是“C”，阿托品可解痉。", "阿托品可解痉。", ["正确答案是“C”，"]),
    ("不属于的是（D错）胃癌。", "不属于的是胃癌。", ["（D错）"]),
    ("可见D为错误选项，胃癌应当切除。", "胃癌应当切除。", ["可见D为错误选项，"]),
    ("胃癌只有D符合恶性的表现。", "胃癌符合恶性的表现。", ["只有D"]),
    ("与选项A相比，溃疡更深。", "溃疡更深。", ["与选项A相比，"]),
    ("The answer is C. It relaxes muscle.", "It relaxes muscle.", ["The answer is C. "]),
    ("It relaxes muscle, so option B is wrong.", "It relaxes muscle.", [", so option B is wrong"]),
]  # fmt: skip

WORDS = [
    "维生素A、D缺乏，维生素B12、维生素C和维生素E均可口服。", "维生素（C）",
    "口服维生素C正确。", "检查方法中正确的是B超。", "首选B超。", "B超示胆囊增大。",
    "选B超检查。", "A型血与AB型血，A型行为，B族维生素。",
    "HbA1c升高，CD4下降，Ca2+内流，CA125阳性，CEA升高。", "T细胞与B细胞，B淋巴细胞。", "C反应蛋白升高。",
    "Rh（D）阴性，Rh(D)阳性。", "D-二聚体增高。", "DNA与RNA。", "E. coli is common; C. difficile is not.",
    "IgA与IgE增高。", "A/B ratio 下降，甾体母核A/B环为反式。", "排H+保Na+，Cl-下降，pH偏低，β受体。",
    "S1减弱，S2分裂，A2亢进，A₂＞P₂。", "E选择素增多。", "每次5～10mg/d（P222）。", "A对B的影响。",
    "维生素C对铁的吸收有利。", "乙酰辅酶A、细胞色素C、胰岛B细胞。", "体温38°C，LDL-C升高。",
    "血管紧张素转换酶（ACE）抑制剂。", "腺嘌呤（A）配对。", "噪声90dB（A）以上。",
    "A区域较浅，B区域较深。", "抗A、B抗体阳性。", "远中面写为D。", "此项检查的项目见后。",
    "应选用阿托品，最佳的选择是休息。",
]  # fmt: skip


@pytest.mark.parametrize(("passage", "left", "out"), VERDICTS)
def test_a_verdict_is_taken_out_with_the_signs_it_leaves_hanging(passage: str, left: str, out: list[str]) -> None:
    assert remove_leaks(passage, OPTIONS) == (left, tuple(out))


@pytest.mark.parametrize("passage", WORDS)
def test_letters_of_words_stay(passage: str) -> None:
    assert remove_leaks(passage, OPTIONS) == (passage, ())


@pytest.mark.parametrize(
    ("passage", "options", "left", "out"),
    [
        # only letters that name an option count
        (
            "胃炎常见（A对），胆囊炎少见（E错）。",
            {"A": "胃炎", "B": "胃癌"},
            "胃炎常见，胆囊炎少见（E错）。",
            ["（A对）"],
        ),
        ("故选A。", {}, "故选A。", []),
        # a run that begins with one leaves whole
        ("胃癌少见（B对ACDE错）。", dict.fromkeys("ABCD", "略"), "胃癌少见。", ["（B对ACDE错）"]),
        # letters in an option's own text are text, unless that is a verdict itself
        ("两性霉素B正确，选B项目。", {"A": "选B项目", "B": "CT", "C": "两性霉素B"}, "两性霉素B正确，选B项目。", []),
        ("应首选B超（A对）。", {"A": "B超", "B": "CT"}, "应首选B超。", ["（A对）"]),
        ("两者都有，A、B均正确。", {"A": "胃炎", "B": "胃癌", "C": "A、B均正确"}, "两者都有。", ["，A、B均正确"]),
        # a verdict that appears when another leaves is taken out as one piece
        ("胃炎多见，故选（B错）A。", OPTIONS, "胃炎多见。", ["，故选（B错）A"]),
        # of nested ones without end nothing is kept
        ("（A" * 50 + "对）" * 50, OPTIONS, "", ["（A" * 50 + "对）" * 50]),
    ],
)
def test_what_counts_hangs_on_the_options(passage: str, options: dict[str, str], left: str, out: list[str]) -> None:
    assert remove_leaks(passage, options) == (left, tuple(out))


PIECES = st.sampled_from(
    [*"ABCDEＡ对错项选故题是为（）()，。；、 \n胃超均", "选项", "答案", "正确", "本题", "维生素", "因此", "answer is "]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60)


@given(TEXTS)
def test_what_is_left_holds_no_further_verdict_and_is_the_text_with_what_was_taken_out(text: str) -> None:
    left, out = remove_leaks(text, OPTIONS)
    assert remove_leaks(left, OPTIONS) == (left, ())
    assert Counter(left + "".join(out)) == Counter(text)
    place = 0
    for piece in out:
        place = text.index(piece, place) + len(piece)


@pytest.mark.parametrize(("unit", "size"), [
    ("A", 1_000_000), ("故", 1_000_000), ("答案", 1_000_000), ("（", 1_000_000), (" ", 1_000_000), ("A对", 100_000),
    ("（A", 100_000), ("；A是", 100_000), ("A、", 30_000), ("答案：（A", 100_000), ("本题选A、B，", 100_000),
])  # fmt: skip
def test_hostile_text_is_read_to_its_end(unit: str, size: int) -> None:
    text = unit * (size // len(unit))
    left, out = remove_leaks(text, OPTIONS)
    assert len(left) + sum(map(len, out)) == len(text)


def test_the_passages_of_the_bundled_exam_stay_as_they_are() -> None:
    questions = load_exam("mini").questions
    assert len(questions) == 258
    assert [q.id for q in questions if remove_leaks(q.knowledge or "", q.options) != (q.knowledge, ())] == []


def letters_judged_in_brackets(question: Question, text: str) -> list[str]:
    return re.findall(rf"[（(][{''.join(question.options)}]+[对错]", text)


def test_published_explanations_lose_their_verdicts_and_keep_their_words(real_exams: Path) -> None:
    questions = [q for q in load_exam(str(real_exams / "cmexam_val.xlsx")).questions if q.explanation]
    texts = {q.id: q.explanation or "" for q in questions}
    left = {q.id: remove_leaks(texts[q.id], q.options) for q in questions}
    assert len(questions) == 5756
    assert sum(bool(out) for _, out in left.values()) == 5057
    assert [q.id for q in questions if letters_judged_in_brackets(q, left[q.id][0])] == []
    assert sum(len(letters_judged_in_brackets(q, texts[q.id])) for q in questions) > 18000
    for word in ("维生素[A-E]", "B超", "[A-Z]型", "[BT]细胞", "C反应蛋白", "CEA", "（P[0-9]+）"):
        before, after = (
            len(re.findall(word, "\n".join(part))) for part in (texts.values(), (t for t, _ in left.values()))
        )
        assert after == before > 0, word
