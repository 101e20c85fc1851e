"""`lmctl rank`."""

import json

import pytest
from arpa_texts import ARPA

# log10 under the n-grams of ARPA: b a: -0.5 - 0.5, -0.2, and for </s> the back-offs of "b a" and of a, and </s>;
# a: -0.1, the back-offs of "<s> a" and of a, and </s>.
B_A, A = 1.0 + 0.2 + 0.4 + 0.25 + 0.7, 0.1 + 0.3 + 0.25 + 0.7
BITS = 3.321928094887362


@pytest.fixture
def imported(call, write, tmp_path):
    assert call("import", write("model.arpa", ARPA.encode()), "-o", tmp_path / "model").code == 0
    return tmp_path / "model"


def test_sentences_are_ordered_with_bits_and_margin(call, imported):
    finished = call("rank", "-m", imported, "--format", "tsv", "b a", "a")

    assert (finished.code, finished.err) == (0, "")
    assert finished.rows == [
        ["group", "rank", "line", "bits", "margin", "oov", "sentence"],
        ["1", "1", "2", f"{A * BITS:.6f}", f"{(B_A - A) * BITS:.6f}", "0", "a"],
        ["1", "2", "1", f"{B_A * BITS:.6f}", "", "0", "b a"],
    ]


def test_groups_are_separated_by_blank_lines(lmctl, imported):
    finished = lmctl("rank", "-m", imported, stdin=b"b a\na\n\n \nz\nb\n")
    assert finished.lines == ["a", "b a", "", "b", "z"]

    best = lmctl("rank", "-m", imported, "--best", stdin=b"b a\na\n\n \nz\nb\n")
    assert best.lines == ["a", "b"]


def test_a_group_of_one_sentence_is_separated_like_every_other(lmctl, imported):
    finished = lmctl("rank", "-m", imported, stdin=b"b a\na\n\nz\n\nb\n\nb a\na\n")
    assert finished.lines == ["a", "b a", "", "z", "", "b", "", "a", "b a"]


def test_jsonl(call, imported):
    (best,) = map(json.loads, call("rank", "-m", imported, "--best", "--json", "b a", "a").lines)
    assert best == {
        "group": 1,
        "rank": 1,
        "line": 2,
        "bits": pytest.approx(A * BITS, abs=1e-5),
        "margin": pytest.approx((B_A - A) * BITS, abs=1e-5),
        "oov": 0,
        "sentence": "a",
    }


def test_a_terminal_gets_a_table(on_terminal, imported):
    code, screen = on_terminal("rank", "-m", imported, "b a", "a")
    assert code == 0
    assert [line.split() for line in screen.split("\n") if line.strip()][1:] == [
        ["a", f"{A * BITS:.2f}", f"{(B_A - A) * BITS:.2f}"],
        ["b", "a", f"{B_A * BITS:.2f}"],
    ]


def test_no_sentence_prints_the_header_alone(lmctl, imported):
    finished = lmctl("rank", "-m", imported, "--format", "tsv", stdin=b"\n")
    assert (finished.code, finished.out) == (0, "group\trank\tline\tbits\tmargin\toov\tsentence\n")
