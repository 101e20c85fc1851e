import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import make_segmenter
from lmctl.text.tokenization import Tokenizer


def tokenizer(name="space", *, form="nfkc", lowercase=True, stop_words=()):
    return Tokenizer(Normalization(form, lowercase), make_segmenter(name), frozenset(stop_words))


def test_text_is_normalized_then_cut_then_freed_of_stop_words():
    assert tokenizer(stop_words=["The"]).tokens("THE Ｃａｔ sat on the\u3000mat") == ["cat", "sat", "on", "mat"]


def test_stop_words_are_normalized_like_the_text():
    made = tokenizer(stop_words=["Cafe\u0301", "ＯＮ"])
    assert made.stop_words == {"café", "on"}
    assert made.tokens("CAFÉ on Ｏn x") == ["x"]


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
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert executor.submit(made.tokens, "我们 的 模型").result(timeout=60) == ["我们", "模型"]
