import hashlib
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.errors import UsageError
from lmctl.text.engines import load_engine
from lmctl.text.segmentation import (
    SegmenterIdentity,
    make_segmenter,
)

ENGINES = ["rjieba", "jieba"]

HAN_TEXT = """\
今天早上天气很好，我们一起去公园散步，路上遇见了很多老朋友。
小明硕士毕业于中国科学院计算所，后来到日本京都大学继续深造。
语言模型根据前面的词语来预测下一个词出现的概率。
这座城市的地铁已经开通了十二条线路，每天运送乘客超过三百万人次！
他说的确实在理，但是大家一时之间都没有听明白；会议因此推迟到下个星期三。
長江是亞洲最長的河流，發源於青藏高原，注入東海。
乒乓球拍卖完了，请问什么时候可以补货？
王小波写过许多杂文，其中「一只特立独行的猪」流传最广。
结婚的和尚未结婚的都应该到登记处办理手续。
研究生命的起源是生物学家们长期以来的愿望……"""


@pytest.mark.parametrize("name", ["space", "words", "char", "jieba"])
@settings(max_examples=50, deadline=None)
@given(
    line=st.text(st.characters(exclude_categories=["Cs"]))
    | st.text(alphabet="中国aか1 \t\u3000\x1c\x85\u2028\u0301-_#@.:/<unk>")
)
def test_tokens_are_the_line_without_its_whitespace(name, line):
    tokens = make_segmenter(name).segment(line)
    assert "".join(tokens) == "".join(line.split())
    assert all(token.split() == [token] for token in tokens)


def test_space_cuts_at_whitespace_alone():
    assert make_segmenter("space").segment(" the  <unk> cat,\t然后 sat\u3000on ") == [
        "the",
        "<unk>",
        "cat,",
        "然后",
        "sat",
        "on",
    ]


def test_char_makes_every_code_point_a_token():
    assert make_segmenter("char").segment("我 a𠀀e\u0301") == ["我", "a", "𠀀", "e", "\u0301"]


@pytest.mark.parametrize("engine", ENGINES)
def test_jieba_uses_its_dictionary_and_its_hmm(engine):
    # 杭研 is in no dictionary.
    assert make_segmenter("jieba", engine).segment("他来到了 网易杭研大厦") == [
        "他",
        "来到",
        "了",
        "网易",
        "杭研",
        "大厦",
    ]


@pytest.mark.parametrize("line", HAN_TEXT.splitlines())
def test_both_engines_agree_on_han_text(line):
    assert make_segmenter("jieba", "rjieba").segment(line) == make_segmenter("jieba", "jieba").segment(line)


@pytest.mark.parametrize(
    ("line", "rjieba", "jieba"),
    [
        ("formula_1", "formula_1", "formula _ 1"),
        ("7-9条", "7-9 条", "7 - 9 条"),
        ("1.2.3版", "1.2.3 版", "1.2 . 3 版"),
        ("𠀀𠀁", "𠀀𠀁", "𠀀 𠀁"),
        ("常在较", "常在 较", "常 在 较"),
    ],
)
def test_known_differences_of_the_engines(line, rjieba, jieba):
    assert make_segmenter("jieba", "rjieba").segment(line) == rjieba.split()
    assert make_segmenter("jieba", "jieba").segment(line) == jieba.split()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("entry", ["台中\t\t\n", "台中\t\tn\n", "台中\t5000\t\n", "台中\t5000\tns\n"])
def test_a_user_word_wins_in_its_own_segmenter_alone(engine, entry):
    line = "「台中」正确应该不会被切开"
    assert make_segmenter("jieba", engine).segment(line)[:3] == ["「", "台", "中"]
    assert make_segmenter("jieba", engine, entry.encode()).segment(line)[:3] == ["「", "台中", "」"]
    assert make_segmenter("jieba", engine).segment(line)[:3] == ["「", "台", "中"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_user_word_without_a_frequency_may_lose_against_words_that_overlap_it(engine):
    segmenter = make_segmenter("jieba", engine, "究生\t\t\n".encode())
    assert segmenter.segment("究生") == ["究生"]
    assert segmenter.segment("研究生命") == ["研究", "生命"]


@pytest.mark.parametrize("name", ["char", "words", *ENGINES])
def test_a_special_is_one_token(name):
    segmenter = make_segmenter("jieba", name) if name in ENGINES else make_segmenter(name)
    assert segmenter.segment("我 <unk>了") == ["我", "<unk>", "了"]
    assert segmenter.segment("<s> 我</s>") == ["<s>", "我", "</s>"]


def test_identities():
    dictionary = "台中\t\t\n".encode()
    assert make_segmenter("space").identity == SegmenterIdentity("space", "", "", "", "")
    assert make_segmenter("char").identity == SegmenterIdentity("char", "", "", "", "")
    words = make_segmenter("words").identity
    assert words == SegmenterIdentity("words", "rjieba", "0.2.2", "", words.tables_sha256)
    for engine, version in (("rjieba", "0.2.2"), ("jieba", "0.42.1")):
        tables = load_engine(engine, []).tables_sha256
        digest = hashlib.sha256(dictionary).hexdigest()
        assert make_segmenter("jieba", engine).identity == SegmenterIdentity("jieba", engine, version, "", tables)
        assert make_segmenter("jieba", engine, dictionary).identity == SegmenterIdentity(
            "jieba", engine, version, digest, tables
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("auto",), "auto: unknown segmenter; expected space, words, jieba, char or sentencepiece"),
        (("jieba", "cjieba"), "cjieba: unknown segmenter engine; expected rjieba or jieba"),
        (("space", "rjieba", b"a"), "the space segmenter has no dictionary; choose words or jieba"),
    ],
)
def test_settings_without_meaning_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        make_segmenter(*arguments)


@pytest.mark.parametrize("name", ["space", "char", *ENGINES])
def test_a_segmenter_survives_pickling(name):
    original = make_segmenter("jieba", name, "台中\t\t\n".encode()) if name in ENGINES else make_segmenter(name)
    copy = pickle.loads(pickle.dumps(original))  # noqa: S301
    assert copy.identity == original.identity
    assert copy.user_dictionary == original.user_dictionary
    assert copy.segment("「台中」 a") == original.segment("「台中」 a")


def test_python_jieba_is_silent_and_leaves_the_temporary_folder_alone(tmp_path):
    # With -X pycache_prefix, the import compiles jieba again. Python warns only when it compiles.
    program = (
        "from lmctl.text.segmentation import make_segmenter; make_segmenter('jieba', 'jieba').segment('中国')"
    )
    folder, bytecode = tmp_path / "temporary", tmp_path / "bytecode"
    folder.mkdir()
    (folder / "jieba.cache").write_bytes(b"a trap")

    done = subprocess.run(
        [sys.executable, "-W", "always", "-X", f"pycache_prefix={bytecode}", "-c", program],
        env={"TMPDIR": str(folder), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == (b"", b"")
    assert [path.name for path in folder.iterdir()] == ["jieba.cache"]
    assert (folder / "jieba.cache").read_bytes() == b"a trap"


def test_importing_the_module_imports_no_engine():
    program = "import sys, lmctl.text.segmentation; sys.exit(any('jieba' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
