"""Exams that the tests of decontamination check rows against."""

from collections.abc import Sequence

import polars as pl

from openbook_eval.exams import ExamFile
from openbook_eval.types import Question
from tests.conftest import question

SOUND = question(
    id="sound",
    stem="叩诊时肺部出现过清音，提示的病理改变是( )。",
    options={"A": "肺组织含气量增加", "B": "胸腔内积聚液体", "C": "肺叶大片实变", "D": "胸膜增厚粘连"},
    answer="A",
)
SHORT = question(
    id="short",
    stem="二陈汤的组成有",
    options={"A": "半夏", "B": "黄芩", "C": "橘红", "D": "茯苓"},
    answer="ACD",
    qtype="multi",
)
EXPLAINED = question(
    id="explained",
    stem="输血后数分钟出现腰背剧痛和酱油色尿，应立即",
    options={"A": "停止输血", "B": "减慢滴速"},
    answer="A",
    explanation=(
        "输入血型不合的红细胞后，受血者血浆中的凝集素使其成团并破裂，游离的血红蛋白经肾小管滤出而呈酱油样。"
        "护士发现后须先关闭输液器，更换管道维持静脉通路，同时留取血袋与标本送检，碱化尿液以防结晶堵塞。"
    ),
)


def exam(*questions: Question, name: str = "tests") -> ExamFile:
    return ExamFile(name=name, version="1", sha256="", questions=questions)


def rows(*pairs: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame([tuple(pair) for pair in pairs], schema=["question", "answer"], orient="row").cast(pl.String)
