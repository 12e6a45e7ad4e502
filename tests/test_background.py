"""Which stems point at what is no longer there."""

import pytest

from openbook_eval.exams.texts import missing_background


@pytest.mark.parametrize(
    ("stem", "points_at"),
    [
        ("（1～3题共用题干）该病人首先应", ["shared stem", "patient"]),
        ("(4-6题首先应", ["shared stem"]),
        ("共用题干 首选检查是", ["shared stem"]),
        ("（1～2题共用备选答案）治疗首选", ["shared options"]),
        ("该患者进一步检查", ["patient"]),
        ("为明确诊断，上述病人首选", ["patient"]),
        ("60%。该患者气短的最可能原因是", ["patient", "beginning"]),
        ("120/80mmHg，双肺呼吸音清。诊断是", ["beginning"]),
        ("，血压138/80mmHg。诊断是", ["beginning"]),
        ("15～20/HP，WBC升高。诊断是", ["beginning"]),
        ("胸部平片如图所示，诊断是", ["figure"]),
        ("化学结构如下图的药物属于", ["figure"]),
        ("某药的死亡率如下表：死因是", ["table"]),
        # Nothing is lacking.
        ("（122～123题共用题干）女，55岁，右乳房肿块。该患者首选检查是", []),
        ("(1-2题)左臀切口渗液。细菌培养阴性。诊断是", []),
        ("患者男，发热3天。该病人的诊断是", []),
        ("孕妇，停经60天，该产妇应", []),
        # The options are meant, and they are there.
        ("上述哪项指标反映右心室的后负荷", []),
        ("（2017-2025年）规划中，30～70岁人群的", []),
        ("心电图示左室肥厚，提示", []),
        ("脑电图中度异常见于", []),
        ("心电图中P波消失，提示", []),
        ("神经性厌食症的常见表现不包括", []),
        ("叶上表面绿色、下表面灰绿色的药材是", []),
        ("吸毒共用污染注射器传播的病毒是", []),
        ("1，2-苯并噻嗪类非甾体抗炎药", []),
        ("250ml注射液含有葡萄糖12.5g，其浓度是", []),
        ("死亡率如下表：\n甲 | 3\n乙 | 4\n死因是", []),
    ],
)
def test_what_a_stem_points_at_and_does_not_hold_is_named(stem: str, points_at: list[str]) -> None:
    assert list(missing_background(stem)) == points_at
