"""`detect` on text of many kinds."""

import pytest

from lmctl.text.detection import Detection, detect, share_without_words
from lmctl.text.segmentation import make_segmenter

RAW = """\
今天早上天气很好，我们一起去公园散步，路上遇见了很多老朋友。
语言模型根据前面的词语来预测下一个词出现的概率。
这座城市的地铁已经开通了十二条线路，每天运送乘客超过三百万人次！
王小波写过许多杂文，其中「一只特立独行的猪」流传最广。
"""
PROGRAMMING = """\
我们使用 TensorFlow 和 Keras 训练一个 LSTM language model，然后把它部署到 Kubernetes cluster。
如果 callback function 抛出 exception，外层的 Promise 就会变成 rejected 状态。
"""


def cut(text, name="jieba"):
    return "\n".join(" ".join(make_segmenter(name).segment(line)) for line in text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        RAW,
        PROGRAMMING,
        "語言模型預測下一個詞",
        "语言模型 predicts",
        # Identifiers of a program are one word each, also if they are long.
        "现在运行一次 training_log.txt-reader，don't stop model.fit_generator",
        "今年 5 月 20 日，王小明 和 Li Lei 去了 Apple 公司。\n我们在 Google 工作。",
        "今天 天气很好，我们去公园散步。 明天可能会下雨，记得带伞。",
        "他买了iPhone手机\n我看Criminal Minds\n",
        # Spaces around all Latin words.
        "使用 pip 安装 lmctl 后 make demo 再看 logs 里 的 training.log 吧\n把 a 加 b 给 c",
        # Poems, headlines and subtitles have spaces instead of punctuation.
        "床前明月光 疑是地上霜 举头望明月 低头思故乡",
        "关关雎鸠 在河之洲 窈窕淑女 君子好逑",
        "人之初 性本善 性相近 习相远",
        "国足1比0胜 李明破门 全队欢呼\n国务院总理 出席会议 开幕式",
        "好 我知道了\n你看 我早就说了 他不会来的\n走吧\n没关系",
        # Short lines without a space do not show whether spaces cut words.
        "好\n走吧\n我们\n不\n没关系",
        "我<unk>你",
        "| 北京市 | 海淀区 | 大学生 | 12 |\n| 上海市 | 浦东区 | 中学生 | 34 |",
        "<s> 我们 </s>\n<s> 语言模型预测词语 </s>\n<s> <unk>很多 </s>",
        # Names of Japanese works.
        RAW + "他喜欢《となりのトトロ》。",
        # Names written with characters that only Japanese has.
        RAW + "他读过桜井和沢田的书。",
        # 說, 內, 產 and other traditional characters are not in JIS X 0208.
        "臺北市長選舉結果出爐，現任市長說內閣不再改組，產業界歡迎。",
        # All of these characters are in JIS X 0208, GB 2312 and Big5, so the language is unknown.
        "東京大學文學部",
    ],
)
def test_raw_chinese_is_for_jieba(text):
    assert detect(text) == Detection("jieba", "chinese")


@pytest.mark.parametrize(
    "text",
    [
        cut(RAW),
        cut(RAW, "char"),
        cut(PROGRAMMING),
        # The output of prepare, with one raw line.
        cut(RAW * 10) + "\n今天天气很好。",
        # pkuseg and LTP keep longer words, sentencepiece and subword-nmt mark pieces of words.
        "北京大学生 的 活动 很 多 。",
        "▁我们 ▁喜欢 ▁机器学习模型",
        "▁ 这座城市 的 地铁 已经 开通 了 十二条 线路",
        "这座@@ 城市 的 地@@ 铁@@ 已经 开通 了",
        # Words with their part of speech.
        "我们/r 喜欢/v 机器学习/n 模型/n 。/w\n他/r 来/v 了/u",
        "我们_PN 喜欢_VV 机器学习_NN 模型_NN 。_PU",
        "我们#PN 喜欢#VV 机器学习#NN 模型#NN 。#PU",
        "我们|PN 喜欢|VV 机器学习|NN 模型|NN 。|PU",
        # A tag of a character, as in data for training segmenters, is no English word.
        "我/B 们/E 喜/B 欢/E 机/B 器/M 学/M 习/E",
        # The form in which jieba's examples print words.
        cut(RAW).replace(" ", "/ "),
        cut(RAW).replace(" ", " / "),
        cut(RAW).replace(" ", " ▁ "),
    ],
)
def test_chinese_that_is_cut_into_words_is_cut_at_white_space(text):
    assert detect(text) == Detection("space", "cut_chinese")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("the cat sat on the mat", "plain"),
        ("The U.S. economy grew , said Mr. Smith . It did not last , others said .", "separate_punctuation"),
        ("12 345 ... ！", "separate_punctuation"),
        ("", "plain"),
        ("나는 학교에 갑니다 그리고 오늘은 날씨가 좋습니다", "plain"),
        # The constitution of South Korea, with hanja.
        ("大韓民國은 民主共和國이다. 大韓民國의 主權은 國民에게 있고 모든 權力은 國民으로부터 나온다", "plain"),
        # Cut by MeCab.
        ("私 は 毎日 コーヒー を 飲み ます 。", "separate_punctuation"),
        ("Donaudampfschifffahrtsgesellschaft ist ein langes Wort und das Wetter ist gut", "plain"),
        # More English words than Chinese ones, cut already.
        ("the word 语言 模型 means language model , and the word 词语 means word .", "separate_punctuation"),
        # A name in Chinese.
        ("the city of " + "a b c d e f g h i j " * 10 + "is 北京 , they say", "separate_punctuation"),
        # Fewer than three words end in a punctuation mark, or more marks stand alone.
        ("the mat. the cat sat on it.", "plain"),
        ("a , b . " * 50 + "the cat, the dog. the end.", "separate_punctuation"),
    ],
)
def test_words_between_spaces_are_left_as_they_are(text, reason):
    assert detect(text) == Detection("space", reason)


@pytest.mark.parametrize(
    "text",
    [
        "the word 语言模型 means language model and the word 词语 means word",
        "我 think 这个 idea is 很好 but we need more time to 讨论一下, ok?",
    ],
)
def test_a_mixture_of_languages_with_chinese_is_cut_into_words(text):
    assert detect(text) == Detection("words", "mixed")


@pytest.mark.parametrize(
    "text",
    [
        "私は毎日コーヒーを飲みます。\n今日はとても暑いですね。",
        "東京都知事選挙の開票が始まりました。",
        # Headlines without kana. 挙, 実, 県, 鉄, 駅, 歓, 対, 発, 経, 済 and 円 are in JIS X 0208 alone.
        "東京都知事選挙、現職再選確実\n県営鉄道新駅開業、地元歓迎\n政府経済対策発表、総額十兆円規模",
        "ฉันรักภาษาไทยมากเพราะสวย",
        "ខ្ញុំ​ស្រលាញ់​ភាសា​ខ្មែរ",
        # A tenth of the text.
        "the cat sat on the mat , and it was happy . " * 4 + "私は毎日コーヒーを飲みます。",
    ],
)
def test_sentences_without_spaces_are_cut_into_words(text):
    assert detect(text) == Detection("words", "unspaced")


def test_long_words_of_a_script_with_spaces_are_reported():
    assert detect("ACGTACGTACGTACGTACGTACGTACGTACGTACGT" * 3) == Detection("space", "long_words")


@pytest.mark.parametrize(
    ("text", "example"),
    [
        # Four words end in punctuation; `a.` may be an initial.
        ("The cat sat on the mat. So did, too, a. dog mat.\n", "mat."),
        ("यह एक किताब है। वह घर है। यह क्या है। वहाँ क्या है\n", "है।"),
        ("Это кот, это пёс. Кто это?\n", "это?"),
    ],
)
def test_raw_text_is_cut_into_words(text, example):
    assert detect(text) == Detection("words", "joined_punctuation", example)


@pytest.mark.parametrize(
    ("sample", "share", "example"),
    [("a \u304b\u306a", 2 / 3, "\u306a"), ("\u304b\u304bab", 0.5, "\u304b"), ("北京 a", 0.0, ""), ("", 0.0, "")],
)
def test_share_without_words(sample, share, example):
    assert share_without_words(sample) == (share, example)
