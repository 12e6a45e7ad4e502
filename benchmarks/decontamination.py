"""How many disguised exam items a build finds in rows, and how many genuine rows it drops, beside other methods.

    .venv/bin/python -m benchmarks.decontamination EXAM --data FOLDER [--spec samples] [--peers FOLDER] [--show]

Rows are made of EXAM (any file that `openbook-eval` takes), 120 in each disguise; those of the exam's own text go to
the index. Genuine rows are those of the spec's sources, but for `--without`, sources of exam questions. Each row
goes through the repair and the check that `data-prep build` does. Tables and code of the disguises are this file's own;
for traditional script and datatrove install zhconv, datatrove and spacy into a folder (`pip install --target`).
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from random import Random

import polars as pl
from rensa import RMinHash, RMinHashLSH

from data_prep.clean import repair
from data_prep.decontaminate import ExamIndex
from data_prep.dedup import plain
from data_prep.read import parts, read
from data_prep.spec import find_spec, read_spec
from openbook_eval.exams import load_exam
from openbook_eval.types import Question

Row = tuple[str, str]
SEED, PLANTED, GENUINE = 20240726, 120, 5_000

# Pairs of one meaning, by hand; the first is replaced wherever it stands.
SYNONYMS: Mapping[str, str] = dict(
    re.findall(
        r"(\S+):(\S+)",
        """
    患者:病人 最可能:可能性最大 诊断:判断 治疗:医治 首选:优先选用 下列:以下 哪项:哪一条 哪种:何种 不正确:有误 错误:不对
    正确:对 属于:归为 不属于:不归为 引起:导致 导致:造成 主要:首要 常见:多见 表现:征象 特点:特征 原因:缘由 包括:涵盖
    疼痛:作痛 发热:发烧 腹泻:拉肚子 小儿:儿童 妊娠:怀孕 女性:女子 男性:男子 出现:发生 应该:须 应当:须 禁忌:忌用
    适用于:可用于 适宜:合适 功效:效用 作用:效应 药物:药品 疾病:病症 检查:检验 入院:住院 增高:升高 降低:下降 减少:变少
    增加:增多 部位:位置 机制:机理 病人:患者 关于:有关 说法:讲法 叙述:陈述 描述:记述 最常:最多 可见:能见到 多见于:常见于
    方剂:方子 选用:采用 宜用:当用 组成:构成 急性:急发 慢性:缓发 手术:开刀 并发症:合并症 呼吸困难:气促 头痛:头疼
    恶心:反胃 咳嗽:咳 乏力:无力 何时:什么时候 何处:哪里 不宜:不该 目的:用意 方法:办法 措施:手段 依据:根据 根据:按照
    由于:因为 时间:时长 范围:区间 含量:数量 重要:要紧 处理:处置 考虑:想到 提示:说明 判断:断定 具有:带有 称为:叫做
    是指:指的是 除外:不算 不包括:不涵盖 无关:不相干 有关:相关 规定:要求 要求:规定 标准:准则 年龄:岁数 家庭:家里
        """,
    )
)
_SYNONYM = re.compile("|".join(sorted(map(re.escape, SYNONYMS), key=len, reverse=True)))
SIGNS = str.maketrans("，。？：；（）,.?:;()", ",.?:;()，．？：；（）")
WIDE = {point: point + 0xFEE0 for point in range(ord("!"), ord("~") + 1)}
ENDS = re.compile(r"[（(\s　]*[）)]?\s*[。？?：:]?\s*$")
CASE = (
    "我家老人今年七十多了，退休前在纺织厂上班，平时爱吃咸菜。前天傍晚散步回来说身上不舒坦，夜里翻来覆去没睡好，"
    "早上量过两回血压都偏高，家里备的药也按时吃了。我们商量着要不要去县城看看，又怕路上颠簸。顺便想请教一道题。"
)


def synonyms(text: str) -> str:
    """Say a text in other words, each by itself."""
    return _SYNONYM.sub(lambda found: SYNONYMS[found[0]], text)


def options(question: Question, mark: Callable[[int], str] = lambda place: f"{chr(65 + place)}. ") -> list[str]:
    """Return the options with marks in front."""
    return [f"{mark(place)}{text}" for place, text in enumerate(question.options.values())]


def right(question: Question) -> str:
    """Return the texts of the right options."""
    return "、".join(question.right_texts)


def whole(question: Question) -> str:
    """Return a question as exams print it."""
    return "\n".join([question.stem, *options(question)])


def shuffled(question: Question) -> Row:
    """Options in another order, the letters in theirs."""
    texts = list(question.options.values())
    Random(question.id).shuffle(texts)
    lines = [f"{chr(65 + place)}. {text}" for place, text in enumerate(texts)]
    return "\n".join([question.stem, *lines]), right(question)


def paraphrase(question: Question) -> Row:
    """Clauses in another order, in other words, and asked in another way."""
    first, *others = re.split(r"[，,。；;]", ENDS.sub("", synonyms(question.stem)))
    return f"想问一下，{'，'.join([*reversed(others), first])}，该怎么回答？", synonyms(right(question))


def traditional(question: Question) -> Row:
    """Traditional script, by MediaWiki's table."""
    from zhconv import convert

    return convert(whole(question), "zh-hant"), convert(right(question), "zh-hant")


def statement(question: Question) -> Row:
    """The question and its answer as one sentence."""
    stem = question.stem
    told = re.sub(r"[（(][\s　]*[）)]", right(question), stem, count=1)
    return "请讲一条医学知识。", told if told != stem else f"{ENDS.sub('', stem)}{right(question)}。"


DISGUISES: Mapping[str, Callable[[Question], Row]] = {
    "verbatim": lambda question: (whole(question), question.answer),
    "traditional script": traditional,
    "full width": lambda question: (whole(question).translate(WIDE), question.answer),
    "other punctuation": lambda question: (whole(question).translate(SIGNS), question.answer),
    "spaces between characters": lambda question: (" ".join(whole(question)), question.answer),
    "line breaks, HTML": lambda question: (
        "<br>".join(["&nbsp;".join(re.split("(?<=，)", question.stem)), *options(question)]),
        question.answer,
    ),
    "number in front": lambda question: (f"第137题：{whole(question)}", question.answer),
    "options shuffled": shuffled,
    "other letters": lambda question: (
        "\n".join([question.stem, *options(question, lambda place: "①②③④⑤⑥⑦⑧⑨⑩"[place])]),
        right(question),
    ),
    "no options": lambda question: (question.stem, "需要结合教材来看。"),
    "short stem, right answer": lambda question: (question.stem, right(question)),
    "stem after a long case": lambda question: (CASE + question.stem, "建议查阅教材。"),
    "statement": statement,
    "stem and options in the answer": lambda question: ("出一道考题。", f"好的。{whole(question)}"),
    "synonyms": lambda question: (synonyms(whole(question)), question.answer),
    "synonyms, right answer only": lambda question: (synonyms(question.stem), synonyms(right(question))),
    "paraphrase": paraphrase,
}


def suits(name: str, question: Question) -> bool:
    """Return whether a question can be so disguised: synonyms for two words at least, and a stem that is short."""
    if name.startswith(("synonyms", "paraphrase")):
        return len(_SYNONYM.findall(question.stem)) >= 2
    return len(re.sub(r"\W", "", question.stem)) <= 12 if name.startswith("short") else True


def planted(questions: Sequence[Question]) -> Iterator[tuple[str, list[Row]]]:
    """Yield each disguise with its rows."""
    for name, disguise in DISGUISES.items():
        suitable = [question for question in questions if question.answer and suits(name, question)]
        drawn = Random(f"{SEED} {name}").sample(suitable, min(PLANTED, len(suitable)))
        try:
            yield name, [disguise(question) for question in drawn]
        except ImportError as error:
            print(f"{name}: left out ({error})", file=sys.stderr)


def genuine(spec: str, data: Path, without: str, count: int) -> list[Row]:
    """Return so many of the rows of a spec's sources, drawn by seed; all of them where it has fewer."""
    sources = [each for each in read_spec(find_spec(spec)).sources if not re.search(without, each.name)]
    frames = [chunk.frame for part in parts(sources, data) for chunk in read(part)]
    rows = pl.concat([frame.select("question", "answer") for frame in frames]).unique(maintain_order=True).rows()
    return Random(SEED).sample(rows, min(count, len(rows)))


# The methods: each is made of the exam's questions, and tells of rows which hold one.

Method = Callable[[Sequence[Row]], list[bool]]


def ours(name: str, shown: bool) -> Method:
    """Check as a build does."""
    index = ExamIndex.of([load_exam(name)])

    def holds(rows: Sequence[Row]) -> list[bool]:
        frame = pl.DataFrame(rows, schema={"question": pl.String, "answer": pl.String}, orient="row")
        frame = repair(frame.with_columns(turns=pl.lit(None, pl.String)))
        plain_texts = {f"plain_{each}": plain(pl.col(each)) for each in ("question", "answer")}
        found = index.check(frame.with_columns(**plain_texts))
        for place, match in found.items() if shown else ():
            print(f"{match.kind} {match.share:.2f} | {match.text} | {' | '.join(rows[place])}"[:400].replace("\n", " "))
        return [place in found for place in range(len(rows))]

    return holds


def one_text(row: Row) -> str:
    """Return a row without white space."""
    return re.sub(r"\s+", "", "".join(row))


def grams(text: str, size: int) -> set[str]:
    """Return the character n-grams of a text."""
    return {text[place : place + size] for place in range(len(text) - size + 1)}


def character_grams(questions: Sequence[Question], size: int = 13) -> Method:
    """One n-gram of any question is enough, as in the report on GPT-3, there of words."""
    known = set(chain.from_iterable(grams(one_text((whole(question), "")), size) for question in questions))
    return lambda rows: [not known.isdisjoint(grams(one_text(row), size)) for row in rows]


def minhash(questions: Sequence[Question], threshold: float = 0.5) -> Method:
    """Jaccard of 5-grams with a question and its options, or its stem alone, by 128 permutations in 32 bands."""

    def signature(text: str) -> RMinHash:
        made = RMinHash(128, SEED)
        made.update(sorted(grams(text, 5)))
        return made

    index = RMinHashLSH(threshold, 128, 32)
    texts = [text for question in questions for text in (whole(question), question.stem)]
    known = [signature(one_text((text, ""))) for text in texts]
    for place, made in enumerate(known):
        index.insert(place, made)

    def holds(row: Row) -> bool:
        asked = signature(one_text(row))
        return any(asked.jaccard(known[place]) >= threshold for place in index.query(asked))

    return lambda rows: [holds(row) for row in rows]


def datatrove(questions: Sequence[Question], folder: Path) -> Method:
    """datatrove's own filter with its defaults, but that n-grams within a question count as well."""
    import numpy as np
    from datatrove.data import Document
    from datatrove.pipeline import decont
    from datatrove.utils.hashing import HashConfig

    # It wants lighteval, which only loads questions.
    decont.NGramsDecontIndexer._requires_dependencies = []
    # Its other hash is that of an older xxhash.
    config = decont.NGramsDecontConfig(find_query_ngrams=True, hash_config=HashConfig(hash_fc="sha1"))
    indexer = decont.NGramsDecontIndexer(str(folder), config=config, language="cmn_Hani")
    hashes = {hash_ for each in questions for hash_ in indexer.compute_hashes(right(each), whole(each))}
    np.array(list(hashes), dtype=config.hash_config.np_descr).tofile(folder / "exam.index.hashes")
    filter_ = decont.NGramsDecontFilter(str(folder), config=config, language="cmn_Hani")
    return lambda rows: [filter_.filter(Document(text="\n".join(row), id="")) is not True for row in rows]


def main() -> None:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exam")
    parser.add_argument("--data", type=Path, required=True, help="folder of the raw files that the spec names")
    parser.add_argument("--spec", default="samples")
    parser.add_argument("--without", default="^mtcmb_", help="pattern of names of sources that hold exam questions")
    parser.add_argument("--rows", type=int, default=GENUINE, help="genuine rows")
    parser.add_argument("--peers", type=Path, help="folder with zhconv, datatrove and spacy")
    parser.add_argument("--show", action="store_true", help="print the genuine rows that we take for an item")
    given = parser.parse_args()
    if given.peers:
        sys.path.append(str(given.peers))
    questions = load_exam(given.exam).questions
    rows = {**dict(planted(questions)), "genuine rows": genuine(given.spec, given.data, given.without, given.rows)}
    with tempfile.TemporaryDirectory() as folder:
        makers: dict[str, Callable[[], Method]] = {
            "ours": lambda: ours(given.exam, shown=False),
            "13-grams": lambda: character_grams(questions),
            "MinHash 0.5": lambda: minhash(questions),
            "datatrove": lambda: datatrove(questions, Path(folder)),
        }
        columns: dict[str, list[str]] = {}
        for name, make in makers.items():
            try:
                method = make()
            except ImportError as error:
                print(f"{name}: left out ({error})", file=sys.stderr)
                continue
            started = time.process_time()
            counts = [f"{sum(method(some))} of {len(some):,}" for some in rows.values()]
            seconds = time.process_time() - started
            columns[name] = [*counts, f"{sum(map(len, rows.values())) / seconds:,.0f}"]
    if given.show:
        ours(given.exam, shown=True)(rows["genuine rows"])
    heads = ["disguise", *rows, "rows a second"]
    for line in zip(heads, *([name, *cells] for name, cells in columns.items()), strict=True):
        print("| " + " | ".join(line) + " |")
        if line[0] == "disguise":
            print("|---" * len(line) + "|")


if __name__ == "__main__":
    main()
