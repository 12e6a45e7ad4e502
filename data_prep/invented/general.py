"""General facts: sums, units, provinces, solar terms and chemical elements."""

from itertools import product

from data_prep.invented.tables import Asking, Table

_PROVINCES = """
河北省 石家庄市
山西省 太原市
辽宁省 沈阳市
吉林省 长春市
黑龙江省 哈尔滨市
江苏省 南京市
浙江省 杭州市
安徽省 合肥市
福建省 福州市
江西省 南昌市
山东省 济南市
河南省 郑州市
湖北省 武汉市
湖南省 长沙市
广东省 广州市
海南省 海口市
四川省 成都市
贵州省 贵阳市
云南省 昆明市
陕西省 西安市
甘肃省 兰州市
青海省 西宁市
内蒙古自治区 呼和浩特市
广西壮族自治区 南宁市
西藏自治区 拉萨市
宁夏回族自治区 银川市
新疆维吾尔自治区 乌鲁木齐市
"""

# A term, its season, its month of the solar calendar, and the term that follows.
_SOLAR_TERMS = """
立春 春季 2月 雨水
雨水 春季 2月 惊蛰
惊蛰 春季 3月 春分
春分 春季 3月 清明
清明 春季 4月 谷雨
谷雨 春季 4月 立夏
立夏 夏季 5月 小满
小满 夏季 5月 芒种
芒种 夏季 6月 夏至
夏至 夏季 6月 小暑
小暑 夏季 7月 大暑
大暑 夏季 7月 立秋
立秋 秋季 8月 处暑
处暑 秋季 8月 白露
白露 秋季 9月 秋分
秋分 秋季 9月 寒露
寒露 秋季 10月 霜降
霜降 秋季 10月 立冬
立冬 冬季 11月 小雪
小雪 冬季 11月 大雪
大雪 冬季 12月 冬至
冬至 冬季 12月 小寒
小寒 冬季 1月 大寒
大寒 冬季 1月 立春
"""

_UNITS = """
千米 1000 米
米 100 厘米
厘米 10 毫米
吨 1000 千克
千克 1000 克
升 1000 毫升
平方米 10000 平方厘米
公顷 10000 平方米
小时 60 分钟
分钟 60 秒
星期 7 天
"""

_ELEMENTS = """
氢 H 1
氦 He 2
碳 C 6
氮 N 7
氧 O 8
氟 F 9
钠 Na 11
镁 Mg 12
铝 Al 13
硅 Si 14
磷 P 15
硫 S 16
氯 Cl 17
钾 K 19
钙 Ca 20
铁 Fe 26
铜 Cu 29
锌 Zn 30
银 Ag 47
金 Au 79
"""


def _sums() -> str:
    pairs = product(range(13, 100, 17), range(4, 50, 9))
    return "\n".join(f"{one} {other} {one + other} {one * other}" for one, other in pairs)


def _lengths() -> str:
    facts = (line.split() for line in _UNITS.strip().splitlines())
    return "\n".join(f"{n} {unit} {n * int(size)} {part}" for unit, size, part in facts for n in (2, 3, 5, 8))


TABLES = (
    Table.of(
        "one other sum product",
        _sums(),
        (
            Asking(
                ("{one}加{other}等于多少？", "计算下面的加法。\n{one} + {other}", "{one}与{other}的和是几？"),
                ("{one}加{other}等于{sum}。", "{one} + {other} = {sum}"),
            ),
            Asking(
                ("{one}乘以{other}等于多少？", "计算下面的乘法。\n{one} × {other}", "{one}与{other}的积是几？"),
                ("{one}乘以{other}等于{product}。", "{one} × {other} = {product}"),
            ),
        ),
    ),
    Table.of(
        "amount unit parts part",
        _lengths(),
        (
            Asking(
                (
                    "{amount}{unit}等于多少{part}？",
                    "请把{amount}{unit}换算成{part}。",
                    "换算单位。\n{amount}{unit} = ? {part}",
                ),
                ("{amount}{unit}等于{parts}{part}。", "换算的结果是：{amount}{unit}合{parts}{part}。"),
            ),
        ),
    ),
    Table.of(
        "province capital",
        _PROVINCES,
        (
            Asking(
                (
                    "{province}的首府或省会在哪里？",
                    "哪座城市是{province}人民政府的驻地？",
                    "写出下面这个省或自治区的行政中心。\n{province}",
                ),
                ("{province}的行政中心是{capital}。", "{capital}是{province}人民政府的所在地。"),
            ),
            Asking(
                ("{capital}在哪个省或自治区？", "我要去{capital}出差，它属于中国的哪个省级行政区？"),
                ("{capital}在{province}。", "{capital}属于{province}，并且是它的行政中心。"),
            ),
        ),
    ),
    Table.of(
        "term season month next",
        _SOLAR_TERMS,
        (
            Asking(
                ("{term}是哪个季节的节气？", "二十四节气中的{term}属于春夏秋冬的哪一季？"),
                ("{term}是{season}的节气。", "二十四节气里，{term}属于{season}。"),
            ),
            Asking(
                ("{term}通常在公历几月？", "每年的{term}大约落在公历的哪个月？"),
                ("{term}通常在公历{month}。", "按公历，{term}一般落在{month}，属于{season}。"),
            ),
            Asking(
                ("{term}之后的节气是什么？", "过了{term}，下一个节气叫什么？", "按顺序接着写一个节气。\n{term}"),
                ("{term}之后是{next}。", "排在{term}后面的节气是{next}。"),
            ),
        ),
    ),
    Table.of(
        "element symbol number",
        _ELEMENTS,
        (
            Asking(
                ("{element}的元素符号是什么？", "化学课上，{element}元素用哪个符号表示？"),
                ("{element}的元素符号是{symbol}。", "{element}元素用符号{symbol}表示，原子序数为{number}。"),
            ),
            Asking(
                ("{element}的原子序数是多少？", "元素周期表里，{element}排在第几号？"),
                ("{element}的原子序数是{number}。", "{element}在元素周期表里是第{number}号元素。"),
            ),
        ),
    ),
)
