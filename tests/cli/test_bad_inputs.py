"""Input files and arguments that cannot be used: one line and an exit code; existing files stay."""

import pytest
from refusals import assert_refused

GB18030 = "好的\n我爱编程\n".encode("gb18030")
# Bad inputs: the content of the file (None: there is no file; for "folder" a folder is made), the exit code, and a
# part of the message.
BAD_INPUTS = {
    "missing": (None, 66, "no such file"),
    "folder": (None, 66, "is a folder; expected a text file"),
    "empty": (b"", 65, "expected text"),
    "blank": (b"\n  \n\t\n", 65, "no words"),
    "binary": (b"ELF\n\x01\0\x02", 65, "line 2, byte 5: a NUL byte"),
    "latin": (b"good\nna\xefve\n", 65, "line 2, byte 7: not valid utf-8 (0xef)"),
    "gb18030": (GB18030, 65, "line 1, byte 0: not valid utf-8 (0xba)"),
}
# Every way to read a text; {} is its name.
READERS = {
    "prepare": ("prepare", "{}", "-o", "prepared"),
    "prepare --stdout": ("prepare", "--stdout", "{}"),
    "train": ("train", "{}", "-o", "model"),
    "train --dry-run": ("train", "{}", "-o", "model", "--dry-run"),
    "predict": ("predict", "-m", "bundle", "-f", "{}"),
    "eval": ("eval", "-m", "bundle", "{}"),
    "compare": ("compare", "-m", "bundle", "-m", "./bundle", "{}"),
    "validation": ("prepare", "good.txt", "-o", "prepared", "--valid", "{}"),
}
NOTHING_TO_SAY_OF = {
    ("prepare --stdout", "empty"),
    ("prepare --stdout", "blank"),
    ("predict", "empty"),
    ("predict", "blank"),
}


@pytest.mark.parametrize(
    ("reader", "problem"),
    [
        (reader, problem)
        for reader in READERS
        for problem in BAD_INPUTS
        if (reader, problem) not in NOTHING_TO_SAY_OF
    ],
)
def test_an_input_that_cannot_be_used_is_named_in_one_line(call, workplace, reader, problem):
    content, code, reason = BAD_INPUTS[problem]
    if problem == "folder":
        (workplace / problem).mkdir()
    elif content is not None:
        (workplace / problem).write_bytes(content)

    finished = call(*(part.format(problem) for part in READERS[reader]))

    assert_refused(finished, code)
    assert finished.out == "" or reader == "prepare --stdout"
    if problem in ("empty", "blank"):
        # The message depends on what the command needs: text, words, or text for scoring or validation.
        assert "expected text" in finished.err or "no words" in finished.err
    else:
        assert f"{problem}: " in finished.err
        assert reason in finished.err


def test_a_process_ends_with_the_code_and_the_line_and_no_traceback(lmctl, workplace):
    (workplace / "latin.txt").write_bytes(b"good\nna\xefve\n")

    finished = lmctl("eval", "-m", "bundle", "latin.txt", cwd=workplace)

    assert finished.code == 65
    assert finished.out == ""
    assert finished.err == (
        "lmctl: latin.txt: line 2, byte 7: not valid utf-8 (0xef); "
        "if the text has another encoding, name it with --encoding; --errors replace|skip reads on\n"
    )


@pytest.mark.parametrize("problem", ["empty", "blank", "binary", "latin"])
def test_a_prepared_corpus_survives_a_failed_preparation_in_its_place(call, workplace, problem):
    assert call("prepare", "good.txt", "-o", "prepared").code == 0
    before = {path.name: path.read_bytes() for path in (workplace / "prepared").iterdir()}
    (workplace / problem).write_bytes(BAD_INPUTS[problem][0])

    assert call("prepare", problem, "-o", "prepared").code == 65

    assert {path.name: path.read_bytes() for path in (workplace / "prepared").iterdir()} == before


def test_a_metrics_file_survives_an_evaluation_that_fails(call, workplace):
    (workplace / "metrics.json").write_text("old")
    (workplace / "bad.txt").write_bytes(b"the cat\n\xff\n")

    assert call("eval", "-m", "bundle", "good.txt", "bad.txt", "-o", "metrics.json").code == 65

    assert (workplace / "metrics.json").read_text() == "old"


def test_an_argument_that_is_not_text_is_bad_data(lmctl, bundle):
    finished = lmctl("predict", "-m", bundle, "fine", b"the \xff cat")

    assert_refused(finished, 65, "TEXT 2: byte 4: not valid UTF-8 (0xff)")
    assert finished.out == ""
