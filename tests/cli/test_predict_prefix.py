"""`lmctl predict --prefix`."""

import json

import pytest


def test_answers_begin_with_the_last_word(call, bundle):
    finished = call("predict", "-m", bundle, "--prefix", "--json", "the ca", "the ")

    unfinished, finished_word = map(json.loads, finished.lines)
    assert (unfinished["context"], unfinished["prefix"]) == ("the ca", "ca")
    assert [found["word"] for found in unfinished["predictions"]] == ["cat"]
    assert finished_word["prefix"] == ""
    assert len(finished_word["predictions"]) == 5


def test_a_keyboard_asks_after_each_key(converse, bundle):
    options = ("--prefix", "--state", "carry", "--peek", "--format", "words")
    typed = [(keys, 1) for keys in ("c", "ca", "cat ", "s", "sat ")]

    answers = [answer.split() for (answer,) in converse("predict", "-m", bundle, *options, lines=typed)]

    assert [answers[place] for place in (0, 1, 3)] == [["cat"], ["cat"], ["sat"]]
    assert len(answers[2]) == len(answers[4]) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--given-prefix",), "--given-prefix needs --prefix"),
        (("--ignore-case",), "--ignore-case needs --prefix"),
        (("--pinyin",), "--pinyin needs --prefix"),
        (("--peek",), "--peek needs --state carry; with --state reset, no context continues another"),
        (
            ("--prefix", "--state", "carry"),
            "--prefix with --state carry needs --peek, or unfinished words would be read",
        ),
    ],
)
def test_options_that_have_no_effect_are_refused(call, bundle, options, message):
    finished = call("predict", "-m", bundle, *options, "the")
    assert (finished.code, finished.out) == (2, "")
    assert message in finished.err
