"""`lmctl eval --dynamic`: what it refuses before it loads anything."""

import pytest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--dynamic",), "--dynamic needs --state carry; with --state reset, lines do not depend on each other"),
        (("--dynamic-rate", "0.1"), "--dynamic-rate needs --dynamic"),
        (
            ("--dynamic", "--state", "carry", "--accuracy-at", "1"),
            "--dynamic computes the probabilities of the text alone; leave out --accuracy-at",
        ),
        (
            ("--dynamic", "--state", "carry", "--dynamic-rate", "0"),
            "--dynamic-rate: expected a number above 0, got 0",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(lmctl, bundle, text, options, message):
    finished = lmctl("eval", "-m", bundle, *options, text)

    assert (finished.code, finished.out) == (2, "")
    assert message in finished.err


def test_a_model_without_a_kept_text_is_refused(lmctl, bundle, text):
    finished = lmctl("eval", "-m", bundle, "--dynamic", "--state", "carry", text)

    assert (finished.code, finished.out) == (2, "")
    assert (
        finished.err == f"lmctl: --dynamic: {bundle} keeps no validation text, on which gradients are measured\n"
    )
