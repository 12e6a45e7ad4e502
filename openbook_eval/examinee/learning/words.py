"""Random words, phrases and books of them: texts that no one wrote, and that share characters with each other."""

from collections.abc import Sequence
from random import Random

from openbook_eval.examinee.learning.characters import COMMON, LETTERS, RARE

TIES = ("的", "是", "为", "在", "和", "与", "可", "由", "以", "于", "及", "有")
# Things and what is said of them: what is said is random, so that no fact is learnt.
_NAMES = """
患者 心脏 肝脏 肾脏 肺泡 血液 神经 骨折 高血压 糖尿病 肺炎 贫血 发热 休克 抗体 细菌 病毒 激素 胰岛素 维生素
抗生素 注射液 片剂 胶囊 黄芪 当归 人参 甘草 麦冬 针灸 经络 脾胃 气虚 血瘀 手术 护理 化验 处方 疫苗 剂量
老师 学生 城市 河流 火车 商店 水果 天气 足球 电影 图书馆 公司 农民 工人 孩子 邻居 手机 衣服 桌子 花园 面包 茶叶 故事
节日 价格 颜色
"""
_SAID = """
主要功能 常见病因 首选药物 临床表现 诊断依据 正常值 主治 功效 归经 用法 不良反应 禁忌 治疗原则 好发部位 颜色 产地 名称
数量 时间 地点 原因 特点 用途 主人 价格 朋友 结果 开始日期
"""
_THINGS, _RELATIONS = _NAMES.split(), _SAID.split()
_PAUSES = ("，", "，", "，", "、", "；", "。")


class Text:
    """What one lesson is made of: words from a small pool of characters, so that unlike texts share some."""

    def __init__(self, random: Random, words: int) -> None:
        """For a book of so many words at most."""
        self.random = random
        self.words = random.randint(max(3, words // 3), words)
        characters = random.choices(COMMON, k=20 + self.words)
        self._pool = [c if random.random() < 0.85 else random.choice(RARE) for c in characters]

    def word(self) -> str:
        """One to four characters; now and then the name of a thing, a number or Latin letters."""
        if self.random.random() < 0.06:
            return self._figure()
        if self.random.random() < 0.1:
            return self.random.choice(_THINGS)
        return "".join(self.random.choices(self._pool, k=self.random.choice((1, 2, 2, 2, 3, 4))))

    def _figure(self) -> str:
        if self.random.random() < 0.6:
            unit = self.random.choice(("", "%", "mg", "ml", "cm", "g", "岁", "天", "次", "℃"))
            return str(self.random.randint(1, 10 ** self.random.randint(1, 3))) + unit
        return "".join(self.random.choices(LETTERS, k=self.random.randint(2, 4)))

    def phrase(self, words: int) -> str:
        """So many words, ties between some of them; of two characters at least."""
        made = ""
        while len(made) < 2 or words > 0:
            made += self.word() + (self.random.choice(TIES) if self.random.random() < 0.15 and words > 1 else "")
            words -= 1
        return made

    def subject(self) -> str:
        """What a question asks of: some words, or a thing and something about it."""
        if self.random.random() < 0.3:
            return self.random.choice(_THINGS) + self.random.choice(("", "的")) + self.random.choice(_RELATIONS)
        return self.phrase(self.random.randint(1, 3)) + self.random.choice(("", *TIES))

    def clauses(self) -> list[str]:
        """The clauses of a book, without the signs between them."""
        made, left = [], self.words
        while left > 0:
            words = min(left, self.random.randint(2, 8))
            made.append(self.phrase(words))
            left -= words
        return made

    def book(self, clauses: Sequence[str]) -> str:
        """The clauses as a text."""
        return "".join(clause + self.random.choice(_PAUSES) for clause in clauses[:-1]) + clauses[-1] + "。"
