import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.jobs.workers import workers
from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import make_segmenter
from lmctl.text.tokenization import Tokenizer, is_tagged, tags_matter


def tokenizer(name="space", *, form="nfkc", lowercase=True, stop_words=()):
    return Tokenizer(Normalization(form, lowercase), make_segmenter(name), frozenset(stop_words))


def test_text_is_normalized_then_cut_then_freed_of_stop_words():
    assert tokenizer(stop_words=["The"]).tokens("THE Ｃａｔ sat on the\u3000mat") == ["cat", "sat", "on", "mat"]


def test_stop_words_are_normalized_like_the_text():
    made = tokenizer(stop_words=["Cafe\u0301", "ＯＮ"])
    assert made.stop_words == {"café", "on"}
    assert made.tokens("CAFÉ on Ｏn x") == ["x"]
    # UnicodeData.txt: NFKC of U+FFE3 is U+0020 U+0304; U+FDFA becomes four words.
    made = tokenizer(stop_words=["\uffe3", "\ufdfa"])
    assert made.stop_words == {"\u0304"}
    assert made.tokens("x \uffe3 y") == ["x", "y"]


@pytest.mark.parametrize("stop_words", [(), ("a",)])
@given(lines=st.lists(st.text(alphabet="aB É\u0301\r\u2028\x85Σ")))
def test_a_text_normalized_whole_gives_what_each_line_gives(stop_words, lines):
    made = tokenizer(stop_words=stop_words)
    normalized = made.normalized("\n".join(lines)).split("\n") if lines else []
    assert [made.segment(line) for line in normalized] == [made.tokens(line) for line in lines]


def test_a_blank_line_has_no_tokens():
    assert [tokenizer("jieba").tokens(line) for line in ("我们", "", " \t")] == [["我们"], [], []]


@pytest.mark.parametrize("name", ["space", "jieba"])
def test_a_spawned_worker_tokenizes_alike(name):
    made = tokenizer(name, stop_words=["的"])
    with workers(2) as ordered_map:
        assert list(ordered_map(made.tokens, ["我们 的 模型"])) == [["我们", "模型"]]


@pytest.mark.parametrize(
    ("line", "stripped"),
    [
        ("<s> the cat </s>", "the cat"),
        ("<s>我们</s>", "我们"),
        (" <s>\tthe cat", "the cat"),
        ("the cat </s> ", "the cat"),
        ("<s> </s>", ""),
        ("</s>", ""),
        # One tag at each end, and none elsewhere.
        ("<s> <s> a </s> b </s> </s>", "<s> a </s> b </s>"),
        ("a <s> b", "a <s> b"),
        (" the cat ", " the cat "),
    ],
)
def test_tags_are_stripped_from_the_ends_of_lines(line, stripped):
    tokenizer = Tokenizer(Normalization("nfc", False), make_segmenter("space"), frozenset(), strip_tags=True)
    text = f"first line\n{line}\nlast line"
    assert tokenizer.normalized(text) == text.replace(line, stripped)
    assert tokenizer.normalized(line) == stripped
    kept = Tokenizer(Normalization("nfc", False), make_segmenter("space"), frozenset())
    assert kept.normalized(text) == text
    assert is_tagged(line) == (line.strip() != stripped.strip())


def test_tags_matter_if_they_are_how_a_text_is_written():
    assert tags_matter(3, 3)
    assert tags_matter(2, 100)
    assert not tags_matter(1, 1_000)
    assert not tags_matter(0, 0)


@pytest.mark.parametrize(
    ("lowercase", "tokens"), [(True, ["我", "<unk>", "了"]), (False, ["我", "<", "UNK", ">", "了"])]
)
def test_an_unknown_word_in_capitals_is_one_if_the_text_is_lower_cased(lowercase, tokens):
    tokenizer = Tokenizer(Normalization("nfc", lowercase), make_segmenter("jieba"), frozenset())
    assert tokenizer.tokens("我<UNK>了") == tokens
