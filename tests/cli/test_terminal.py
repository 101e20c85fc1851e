"""Control characters in words, names and model.json: visible on a terminal, unchanged in a pipe."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import pty
import shutil
import subprocess

import msgspec
import pytest
from waiting import LONGEST_SECONDS

from lmctl.cli import tsv
from lmctl.cli.console import VisibleConsole
from lmctl.cli.terminal import LONGEST_MESSAGE, message_line
from lmctl.config import read_settings
from lmctl.jobs.train.run import train
from lmctl.store.bundle import open_bundle
from lmctl.store.writing import amend_bundle
from lmctl.visible import visible

TITLE = "\x1b]0;title\x07"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 中文, é and emoji 👩\u200d🔬", "plain, 中文, é and emoji 👩\u200d🔬"),
        ("a\tb\nc", "a\tb\nc"),
        (TITLE, r"\x1b]0;title\x07"),
        ("\r\x08\x7f", r"\x0d\x08\u007f"),
        ("\x9b2J", r"\u009b2J"),
        ("\u202eexe.txt\u2066", r"\u202eexe.txt\u2066"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        # A byte of a path that is not UTF-8 (a surrogate in Python), and a surrogate that stands for no byte.
        ("\udc9b[2J", r"\x9b[2J"),
        ("\ud800", r"\ud800"),
        (r"\x1b", r"\x1b"),
    ],
)
def test_control_sequences_are_shown_on_a_terminal(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_a_message_is_one_line_that_ends():
    assert message_line(f"no such\n  {TITLE}\tmodel") == r"no such \x1b]0;title\x07 model"
    assert message_line("a" * LONGEST_MESSAGE) == "a" * LONGEST_MESSAGE
    assert len(message_line("a" * 3_000_000)) == LONGEST_MESSAGE + len(" ... ")


def test_json_stays_json_when_its_control_characters_are_shown():
    word = "\x1b\x9b\u202e\x7f"

    assert json.loads(visible(msgspec.json.encode(word).decode())) == word


def test_a_console_uses_its_own_sequences_and_shows_the_sequences_of_texts():
    file = io.StringIO()
    console = VisibleConsole(file=file, force_terminal=True, color_system="standard", width=60, highlight=False)

    console.print(f"a{TITLE}b", style="red", markup=False)

    assert file.getvalue() == "\x1b[31ma\\x1b]0;titleb\x1b[0m\n"


@pytest.mark.parametrize(
    ("value", "field"),
    [("a b", "a b"), ("a\tb\nc\r", r"a\tb\nc\r"), (r"C:\temp", r"C:\\temp"), (3, "3"), ("", ""), (None, "")],
)
def test_a_field_holds_no_tab_and_no_line_end(value, field):
    assert tsv.field(value) == field


@pytest.mark.parametrize(
    ("value", "field"),
    [(1.5, "1.500000"), (-4e-7, "0.000000"), (-0.0, "0.000000"), (-6e-7, "-0.000001"), (-math.inf, "-inf")],
)
def test_a_number_in_a_field_has_six_decimals_and_zero_has_no_minus(value, field):
    assert tsv.field(value) == field


def test_rows_have_the_columns_that_they_were_given():
    row = tsv.row(["a\tb\nc\\t", 1.5])

    assert row == "a\\tb\\nc\\\\t\t1.500000"
    # The inverse, as docs/metrics.md describes it.
    undone = row.split("\t")[0].encode().decode("unicode_escape")
    assert undone == "a\tb\nc\\t"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, make_bundle):
    """A folder with a model with control sequences in its words, and a bundle with some in its model.json."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "text.txt").write_text(f"start a{TITLE}b [red]end\n" * 10)
    train(
        [str(folder / "text.txt")],
        folder / "m",
        read_settings([], ["model.family=ngram", "validation.fraction=0"]),
    )
    record = open_bundle(make_bundle(folder / "L")).record
    training = msgspec.structs.replace(record.training, device="CPU\x1b[2J\x9b2J\u202e")
    amend_bundle(open_bundle(folder / "L"), training=training)
    return folder


def sequences(text):
    return [
        sequence for sequence in ("\x1b]", "\x07", "\x1b[2J", "\x1b[31m", "\x9b", "\u202e") if sequence in text
    ]


def test_a_terminal_is_shown_the_sequences_of_words_names_and_records(on_terminal, hostile, tmp_path):
    evil = tmp_path / f"e{TITLE}\x1b[31m\r.txt"
    evil.write_text("start\n")
    shown = {}
    for arguments in (
        ("predict", "-m", hostile / "m", "start"),
        ("predict", "-m", hostile / "m", "--format", "plain", "start"),
        ("predict", "-m", hostile / "m", "--format", "tsv", "start"),
        ("predict", "-m", hostile / "m", "--json", f"start {TITLE}"),
        ("predict", "-m", hostile / "m", f"start {TITLE}"),
        ("predict", "-m", hostile / "m", "--format", TITLE, "start"),
        ("predict", "-m", f"no{TITLE}", "start"),
        ("info", hostile / "L"),
        ("info", hostile / "L", "--json"),
        ("info", f"no{TITLE}"),
        ("models", f"no{TITLE}"),
        ("eval", "-m", hostile / "m", evil),
        ("eval", "-m", hostile / "m", "--level", "word", "--format", "tsv", evil),
        ("eval", "-m", hostile / "m", "--format", "srilm", evil),
        ("train", evil, "-o", tmp_path / "t", "--set", f"model.family={TITLE}"),
        ("train", evil, "-o", tmp_path / "t", "--set", "model.family=ngram", "-v"),
        ("prepare", "--stdout", hostile / "text.txt"),
        (TITLE,),
        ("predict", f"--{TITLE}"),
    ):
        code, text = on_terminal(*arguments)
        assert code != 70, arguments
        # The fixture removes colours from the output.
        assert sequences(text) == [], arguments
        shown[arguments[0], len(shown)] = text
    assert "[red]end" in shown["predict", 1]
    assert r"\x1b]0;title\x07" in shown["predict", 1]


def test_a_pipe_gets_the_bytes_of_words_and_a_log_none_of_the_sequences(lmctl, hostile):
    answered = lmctl("predict", "-m", hostile / "m", "--format", "words", "start")
    refused = lmctl("predict", "-m", f"no{TITLE}\x1b[31m\n", "start")

    assert f"a{TITLE}b" in answered.out
    assert lmctl("info", hostile / "L").out.count("\x1b[2J") == 1
    assert refused.code == 66
    assert refused.err.startswith(r"lmctl: no\x1b]0;title\x07\x1b[31m : no such model")
    assert sequences(refused.err) == []


@pytest.mark.parametrize("name", ["a\tb\nc.txt", "a\\tb.txt", "a\rb.txt"])
def test_names_with_tabs_and_line_ends_keep_the_columns(lmctl, hostile, tmp_path, name):
    text = tmp_path / name
    text.write_text("start x\nx\n")

    for level, rows in (("summary", 2), ("sentence", 3), ("word", 6)):
        done = lmctl("eval", "-m", hostile / "m", "--format", "tsv", "--level", level, text)
        lines = done.out.removesuffix("\n").split("\n")
        assert len(lines) == rows
        assert len({line.count("\t") for line in lines}) == 1
        assert "\r" not in done.out
    srilm = lmctl("eval", "-m", hostile / "m", "--format", "srilm", text)
    assert srilm.out.count("\n") == 2
    model = tmp_path / f"models of {name}" / name
    shutil.copytree(hostile / "m", model, symlinks=True)
    listed = lmctl("models", model.parent).out.removesuffix("\n").split("\n")
    assert len(listed) == 2
    assert len({line.count("\t") for line in listed}) == 1
    told = lmctl("info", model).out.removesuffix("\n").split("\n")
    assert {line.count("\t") for line in told} == {1}
    assert lmctl("verify", model).out.count("\n") == 1


def test_results_go_to_standard_output_while_progress_is_drawn(command, clean_environment, hostile, tmp_path):
    # rich's live displays replace standard output even if it is a file.
    text = tmp_path / "text.txt"
    text.write_text("start x\n" * 300)
    for level, rows in (("sentence", 301), ("word", 901)):
        screen, terminal = pty.openpty()
        with (tmp_path / level).open("wb") as results:
            process = subprocess.Popen(
                [*command, "eval", "-m", hostile / "m", "--level", level, text],
                stdin=subprocess.DEVNULL,
                stdout=results,
                stderr=terminal,
                env=clean_environment(TERM="xterm"),
            )
            os.close(terminal)
            with contextlib.suppress(OSError):  # Linux reports EIO when the other side is closed
                while os.read(screen, 4096):
                    pass
        assert process.wait(LONGEST_SECONDS) == 0
        os.close(screen)
        assert (tmp_path / level).read_bytes().count(b"\n") == rows
