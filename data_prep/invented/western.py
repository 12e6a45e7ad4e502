"""Facts of Western medicine: nutrients, normal values, hormones, germs, cranial nerves and organs.

As Chinese textbooks of medicine tell them; the normal values are those for adults.
"""

from data_prep.invented.tables import Asking, Table

_NUTRIENTS = """
维生素A 夜盲症 动物肝脏、蛋黄和胡萝卜
维生素B₁ 脚气病 粗粮、豆类和瘦肉
维生素B₂ 口角炎 奶类、蛋类和动物内脏
烟酸 糙皮病 瘦肉、鱼和花生
叶酸 巨幼细胞贫血 绿叶蔬菜和动物肝脏
维生素B₁₂ 巨幼细胞贫血 肉类、动物内脏和蛋类
维生素C 坏血病 新鲜的蔬菜和水果
维生素D 佝偻病 海鱼、蛋黄和鱼肝油
维生素K 凝血障碍 绿叶蔬菜和大豆油
铁 缺铁性贫血 动物血、动物肝脏和瘦肉
碘 地方性甲状腺肿 海带、紫菜和加碘盐
钙 骨质疏松症 奶类、豆制品和虾皮
"""

_VALUES = """
腋下体温 36.0～37.0℃ 发热
静息时的脉率 每分钟60～100次 心动过速
收缩压 90～139mmHg 高血压
空腹血糖 3.9～6.1mmol/L 高血糖
血清钾 3.5～5.5mmol/L 高钾血症
血清钠 135～145mmol/L 高钠血症
动脉血pH 7.35～7.45 碱血症
动脉血二氧化碳分压 35～45mmHg 高碳酸血症
血小板计数 (125～350)×10⁹/L 血小板增多
白细胞计数 (3.5～9.5)×10⁹/L 白细胞增多
体重指数 18.5～23.9kg/m² 超重
眼压 10～21mmHg 高眼压
"""

_HORMONES = """
胰岛素 胰岛B细胞 降低血糖
胰高血糖素 胰岛A细胞 升高血糖
甲状腺激素 甲状腺滤泡 提高基础代谢，促进生长和神经系统的发育
降钙素 甲状腺滤泡旁细胞 降低血钙
甲状旁腺激素 甲状旁腺 升高血钙，降低血磷
醛固酮 肾上腺皮质球状带 保钠、保水、排钾
皮质醇 肾上腺皮质束状带 升高血糖，提高机体对应激的耐受
肾上腺素 肾上腺髓质 使心跳加快加强，升高血糖
生长激素 腺垂体 促进骨和软组织的生长
催乳素 腺垂体 促进乳腺发育和泌乳
褪黑素 松果体 调节昼夜节律
孕酮 卵巢的黄体 使子宫内膜转入分泌期，维持妊娠
睾酮 睾丸间质细胞 维持男性第二性征，促进精子生成
促红细胞生成素 肾 促进红细胞的生成
"""

_GERMS = """
肺结核 结核分枝杆菌 空气
霍乱 霍乱弧菌 受污染的水和食物
伤寒 伤寒沙门菌 受污染的水和食物
百日咳 百日咳鲍特菌 飞沫
猩红热 A组溶血性链球菌 飞沫
水痘 水痘-带状疱疹病毒 飞沫和接触
流行性腮腺炎 腮腺炎病毒 飞沫
流行性乙型脑炎 乙型脑炎病毒 蚊虫叮咬
疟疾 疟原虫 按蚊叮咬
鼠疫 鼠疫耶尔森菌 鼠蚤叮咬
狂犬病 狂犬病病毒 病犬等动物咬伤
梅毒 梅毒螺旋体 性接触
莱姆病 伯氏疏螺旋体 硬蜱叮咬
血吸虫病 血吸虫 接触疫水
手足口病 肠道病毒 密切接触和消化道
"""

_NERVES = """
嗅神经 Ⅰ 传导嗅觉
视神经 Ⅱ 传导视觉
动眼神经 Ⅲ 支配上睑提肌和大部分眼外肌，并使瞳孔缩小
滑车神经 Ⅳ 支配上斜肌
三叉神经 Ⅴ 传导面部的感觉，支配咀嚼肌
展神经 Ⅵ 支配外直肌
面神经 Ⅶ 支配表情肌，传导舌前三分之二的味觉
前庭蜗神经 Ⅷ 传导听觉和平衡觉
舌咽神经 Ⅸ 传导舌后三分之一的味觉和咽部的感觉
迷走神经 Ⅹ 支配胸腹腔多数内脏的活动
副神经 Ⅺ 支配胸锁乳突肌和斜方肌
舌下神经 Ⅻ 支配舌肌的运动
"""

_ORGANS = """
心脏 循环系统 推动血液在血管里流动
肺 呼吸系统 吸入氧，排出二氧化碳
肾 泌尿系统 生成尿液，排出代谢废物，维持水和电解质平衡
肝 消化系统 分泌胆汁，参与物质代谢和解毒
胃 消化系统 暂时贮存食物并初步消化蛋白质
小肠 消化系统 完成大部分消化，吸收营养物质
膀胱 泌尿系统 贮存尿液
卵巢 生殖系统 产生卵子，分泌雌激素和孕激素
气管 呼吸系统 作为空气出入的通道
小脑 神经系统 维持平衡，协调随意运动
脊髓 神经系统 传导冲动，完成基本的反射
垂体 内分泌系统 分泌多种激素，调节其他内分泌腺
"""

TABLES = (
    Table.of(
        "nutrient illness food",
        _NUTRIENTS,
        (
            Asking(
                ("人体缺乏{nutrient}会得什么病？", "长期{nutrient}不足，常见的后果是什么？"),
                ("缺乏{nutrient}可以引起{illness}。", "{nutrient}长期不足，典型的后果是{illness}。"),
            ),
            Asking(
                (
                    "哪些食物富含{nutrient}？",
                    "想补充{nutrient}，平时可以多吃什么？",
                    "列出这种营养素的食物来源。\n{nutrient}",
                ),
                ("{food}富含{nutrient}。", "{nutrient}的良好来源有{food}。"),
            ),
        ),
    ),
    Table.of(
        "value range above",
        _VALUES,
        (
            Asking(
                (
                    "成人{value}的正常范围是多少？",
                    "健康成年人的{value}一般是多少？",
                    "写出这一项的成人正常值。\n{value}",
                ),
                ("成人{value}的正常范围是{range}。", "正常成人的{value}为{range}，高于此值称为{above}。"),
            ),
            Asking(
                ("成人{value}高于正常，叫作什么？", "检查发现{value}偏高，医学上怎样称呼？"),
                ("{value}高于正常称为{above}。", "正常值是{range}，超过时称为{above}。"),
            ),
        ),
    ),
    Table.of(
        "hormone source effect",
        _HORMONES,
        (
            Asking(
                ("{hormone}由哪里分泌？", "{hormone}来自人体的什么部位？", "说出这种激素的来源。\n{hormone}"),
                ("{hormone}由{source}分泌。", "分泌{hormone}的是{source}。"),
            ),
            Asking(
                ("{hormone}的主要作用是什么？", "{hormone}在体内起什么作用？"),
                ("{hormone}的主要作用是{effect}。", "它由{source}分泌，作用是{effect}。"),
            ),
        ),
    ),
    Table.of(
        "disease germ way",
        _GERMS,
        (
            Asking(
                ("{disease}的病原体是什么？", "{disease}是由什么引起的？", "写出这种传染病的病原体。\n{disease}"),
                ("{disease}的病原体是{germ}。", "引起{disease}的是{germ}，它主要经{way}传播。"),
            ),
            Asking(
                ("{disease}怎样传播？", "预防{disease}时，要防的是哪条传播途径？"),
                ("{disease}主要经{way}传播。", "{germ}主要经{way}传播，使人得{disease}。"),
            ),
        ),
    ),
    Table.of(
        "nerve number task",
        _NERVES,
        (
            Asking(
                ("{nerve}是第几对脑神经？", "十二对脑神经里，{nerve}排第几？"),
                ("{nerve}是第{number}对脑神经。", "{nerve}为第{number}对脑神经，它{task}。"),
            ),
            Asking(
                ("{nerve}有什么功能？", "第{number}对脑神经管什么？"),
                ("第{number}对脑神经是{nerve}，{task}。", "{nerve}的功能是{task}。"),
            ),
        ),
    ),
    Table.of(
        "organ system task",
        _ORGANS,
        (
            Asking(
                ("{organ}属于人体的哪个系统？", "解剖学把{organ}归入哪个系统？"),
                ("{organ}属于{system}。", "{organ}是{system}的器官，它的功能是{task}。"),
            ),
            Asking(
                ("{organ}的主要功能是什么？", "{organ}在人体里做什么工作？", "用一句话说明这个器官的功能。\n{organ}"),
                ("{organ}的主要功能是{task}。", "{task}，这是{organ}的工作。"),
            ),
        ),
    ),
)
