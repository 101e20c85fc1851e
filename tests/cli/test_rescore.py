"""`lmctl rescore`."""

import json
import math

import pytest
from arpa_texts import ARPA
from refusals import assert_refused

# Natural log probabilities under the n-grams of ARPA; see test_rank.py for their log10.
B_A, A = -2.55 * math.log(10), -1.35 * math.log(10)
MOSES = b"0 ||| b a ||| D= 1 ||| -1.0\n0 ||| a ||| D= 2 ||| -2.0\n1 ||| a ||| D= 0 ||| -1.0\n"


@pytest.fixture
def imported(call, write, tmp_path):
    assert call("import", write("model.arpa", ARPA.encode()), "-o", tmp_path / "model").code == 0
    return tmp_path / "model"


def test_a_feature_is_added_to_each_line(call, imported, write):
    finished = call("rescore", "-m", imported, write("nbest.txt", MOSES))
    assert (finished.code, finished.err) == (0, "")
    assert finished.lines == [
        f"0 ||| b a ||| D= 1 lmctl= {B_A:.6f} ||| -1.0",
        f"0 ||| a ||| D= 2 lmctl= {A:.6f} ||| -2.0",
        f"1 ||| a ||| D= 0 lmctl= {A:.6f} ||| -1.0",
    ]


def test_scores_are_combined_and_the_best_printed(call, imported, write):
    path = write("nbest.txt", MOSES)
    combined = call("rescore", "-m", imported, "--weight", "0.1", "--word-penalty", "0.5", path)
    scores = [-1 + 0.1 * B_A + 1.0, -2 + 0.1 * A + 0.5, -1 + 0.1 * A + 0.5]
    assert [line.split(" ||| ")[3] for line in combined.lines] == [f"{score:.6f}" for score in scores]

    best = call("rescore", "-m", imported, "--best", path)
    assert [line.split(" ||| ")[:2] for line in best.lines] == [["0", "a"], ["1", "a"]]
    by_score = call("rescore", "-m", imported, "--best", "--weight", "0.1", path)
    assert [line.split(" ||| ")[:2] for line in by_score.lines] == [["0", "b a"], ["1", "a"]]


def test_kaldi(lmctl, imported, write):
    text = b"u1-1 b a\nu1-2 a\n"
    finished = lmctl("rescore", "-m", imported, stdin=text)
    assert finished.lines == [f"u1-1 {-B_A:.6f}", f"u1-2 {-A:.6f}"]

    costs = write("costs", b"u1-1 1\nu1-2 9\n")
    combined = lmctl("rescore", "-m", imported, "--costs", costs, "--weight", "1", stdin=text)
    assert combined.lines == [f"u1-1 {1 - B_A:.6f}", f"u1-2 {9 - A:.6f}"]
    best = lmctl("rescore", "-m", imported, "--costs", costs, "--weight", "1", "--best", stdin=text)
    assert best.lines == ["u1 b a"]


def test_an_id_of_kaldi_ends_at_any_white_space(call, imported, write):
    text, costs = write("text", b"u1-1\tb a\nu1-2\ta\n"), write("costs", b"u1-1\t1\nu1-2\t1\n")
    references = write("references", b"u1\ta\n")

    plain = call("rescore", "-m", imported, text)
    tuned = call("rescore", "-m", imported, "--costs", costs, "--references", references, "--best", text)

    assert plain.lines == [f"u1-1 {-B_A:.6f}", f"u1-2 {-A:.6f}"]
    assert (tuned.lines, tuned.err) == (["u1 a"], "")


def test_an_id_with_two_references_is_refused(call, imported, write):
    references = write("references", b"x a\n\nx b\n")
    lists = write("lists.jsonl", b'{"id":"x","text":"a","score":1}\n')

    assert_refused(
        call("rescore", "-m", imported, "--references", references, lists),
        65,
        f"{references}: line 3: id 'x' occurs twice",
    )


def test_json_lines(lmctl, imported):
    finished = lmctl("rescore", "-m", imported, stdin=b'{"id":"x","text":"a","n":1}\n')
    assert list(map(json.loads, finished.lines)) == [
        {"id": "x", "text": "a", "n": 1, "lmctl": pytest.approx(A, rel=1e-6)}
    ]


def test_weights_are_tuned_on_references(call, imported, write):
    references = write("dev.txt", b"a\na\n")
    finished = call(
        "rescore", "-m", imported, "-v", "--references", references, "--best", write("nbest.txt", MOSES)
    )
    # a is better than b a from a weight of 1 / (B_A - A) = 0.362 on.
    assert finished.err == "lmctl: --weight 0.4 --word-penalty 0: wer 0.00 %\n"
    assert [line.split(" ||| ")[1] for line in finished.lines] == ["a", "a"]


@pytest.mark.parametrize(
    ("options", "text", "code", "message"),
    [
        (("--word-penalty", "1"), MOSES, 2, "--word-penalty needs --weight"),
        (("--metric", "cer"), MOSES, 2, "--metric needs --references"),
        (("--id-key", "utt"), MOSES, 2, "--id-key, --text-key and --score-key are for jsonl; the lines are moses"),
        (("--costs", "/dev/null"), MOSES, 2, "--costs is for kaldi; lines of moses have their scores"),
        (("--weight", "1"), b"0 ||| a\n", 65, "line 1: no score to combine; give a score in each line"),
        (
            ("--references", "/dev/null"),
            b"u-1 a\n",
            65,
            "no score to combine; give a score in each line (for kaldi,",
        ),
        (("--costs", "/dev/null"), b"u-1 a\n", 2, "--costs needs --weight or --references"),
        (("--input", "moses"), b"0 a\n", 65, "line 1: one field; expected id ||| text ||| features ||| score"),
        (("--text-key", "t"), b'{"id":1,"text":"a"}\n', 65, "line 1: no key 't'; it has 'id', 'text'"),
    ],
)
def test_bad_input_is_one_line(lmctl, imported, options, text, code, message):
    finished = lmctl("rescore", "-m", imported, *options, stdin=text)
    assert (finished.code, finished.err.count("\n")) == (code, 1)
    assert message in finished.err


def test_what_stands_before_a_bad_line_is_printed(lmctl, imported):
    finished = lmctl("rescore", "-m", imported, stdin=b"0 ||| a\n1 ||| a\n2 a\n")
    assert finished.code == 65
    assert finished.lines == [f"0 ||| a ||| lmctl= {A:.6f}"]


def test_references_and_weight_contradict(call, imported, write):
    path = write("nbest.txt", MOSES)
    finished = call("rescore", "-m", imported, "--references", path, "--weight", "1", path)
    assert (finished.code, finished.err.count("\n")) == (2, 1)


def test_an_empty_list_gives_nothing(lmctl, imported):
    finished = lmctl("rescore", "-m", imported, stdin=b"\n")
    assert (finished.code, finished.out, finished.err) == (0, "", "")
