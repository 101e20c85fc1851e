"""`lmctl train` and `lmctl predict` with n-grams, as a user runs them."""

from __future__ import annotations

import json
import math

import pytest


@pytest.fixture
def four(lmctl, corpora, tmp_path):
    """A bigram model of the four sentences, by maximum likelihood."""
    done = lmctl(
        *("train", corpora / "four-sentences.txt", "-o", tmp_path / "model", "--set", "model.family=ngram"),
        *("--set", "model.order=2", "--set", "model.smoothing=mle", "--valid-fraction", "0"),
    )
    assert (done.code, done.err, done.out) == (0, "", f"{tmp_path}/model/generations/000001\n")
    return tmp_path / "model"


def test_half_of_the_time_shi_follows_biancheng(lmctl, four):
    # By hand: 编程 occurs twice, once before 。 and once before 是; 爱 occurs once, before 编程.
    plain = lmctl("predict", "-m", four, "编程", "我爱", "不知道")

    assert (plain.code, plain.err) == (0, "")
    assert sorted(zip(*[iter(plain.lines[0].split(" "))] * 2, strict=True)) == [("。", "0.5"), ("是", "0.5")]
    assert plain.lines[1] == "编程 1"


def test_a_certain_word_has_0_bits_and_an_impossible_one_infinitely_many(call, four, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("我爱 我\n", encoding="utf-8")
    rows = call("surprisal", "-m", four, "--entropy", "--no-eos", "--no-header", text).rows
    objects = call("surprisal", "-m", four, "--entropy", "--no-eos", "--json", text).lines

    # The four sentences begin with four words. 爱 follows 我 always, and 我 never follows 爱.
    assert [row[3:] for row in rows] == [
        ["我", "0", "1", "2.000000", "2.000000", "0"],
        ["爱", "1", "2", "0.000000", "0.000000", "0"],
        ["我", "3", "4", "inf", "0.000000", "0"],
    ]
    assert [json.loads(line)["bits"] for line in objects] == [pytest.approx(2), 0, None]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--format", "words"), "编程"),
        (("--format", "tsv", "--no-header"), "1\t1\t编程\t0.000000"),
        (("-k", "3"), "编程 1"),
        (("--format", "table"), None),
    ],
)
def test_no_word_of_probability_0_is_answered(call, four, arguments, expected):
    finished = call("predict", "-m", four, *arguments, "我爱")

    assert finished.code == 0
    if expected is None:
        assert [line.split()[0] for line in finished.lines if line.strip()] == ["我爱", "word", "编程"]
    else:
        assert finished.lines == [expected]


def test_json_has_the_same_probabilities(call, four):
    (record,) = [json.loads(line) for line in call("predict", "-m", four, "--json", "编程").lines]

    assert sorted(each["word"] for each in record["predictions"]) == ["。", "是"]
    for each in record["predictions"]:
        assert each["prob"] == pytest.approx(0.5)
        assert each["logprob"] == pytest.approx(math.log(0.5))


def test_the_run_again_is_unchanged_and_json_says_so(call, four, corpora):
    arguments = (
        *("train", corpora / "four-sentences.txt", "-o", four, "--set", "model.family=ngram", "--set"),
        *("model.order=2", "--set", "model.smoothing=mle", "--valid-fraction", "0", "--json"),
    )
    found = json.loads(call(*arguments).out)

    assert (found["outcome"], found["family"], found["preset"]) == ("unchanged", "ngram", None)
    assert found["published"] == f"{four}/generations/000001"
