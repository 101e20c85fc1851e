import shutil
import subprocess

import pytest

pytest.importorskip("click_man", reason="needs the extra dev")

from lmctl.cli import COMMANDS
from tools import man_pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man") / "pages"
    assert man_pages.main([str(folder)]) == 0
    return folder


def shown(page):
    """A page as plain text, without the bold of a terminal."""
    if shutil.which("mandoc") is None:
        pytest.skip("needs mandoc")
    done = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=300", page], capture_output=True, encoding="utf-8", check=True
    )
    return "".join(
        character for character, follows in zip(done.stdout, done.stdout[1:] + " ", strict=True) if follows != "\b"
    ).replace("\b", "")


def test_every_command_has_a_page(pages):
    expected = ["lmctl.1", *(f"lmctl-{name}.1" for name in COMMANDS)]

    assert sorted(path.name for path in pages.iterdir()) == sorted(expected)


def test_mandoc_warns_of_nothing(pages):
    if shutil.which("mandoc") is None:
        pytest.skip("needs mandoc")
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *sorted(pages.iterdir())],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_page_shows_what_help_shows(pages):
    text = shown(pages / "lmctl-predict.1")

    assert "lmctl-predict - Print the most probable next words" in text
    assert 'lmctl predict "the cat sat on the"\n' in text
    assert "cut -f2 queries.tsv | lmctl predict -m models/news -k 3 --format tsv\n" in text
    assert "Number of words to print for each context." in text


def test_the_page_of_lmctl_has_commands_and_exit_codes(pages):
    text = shown(pages / "lmctl.1")

    assert "See lmctl-train(1)" in text
    assert "the reader went away, as `head -1` does: silent" in text


@pytest.mark.parametrize(
    ("text", "roff"),
    [
        (r"\data\ begins", r"\edata\e begins"),
        (".gz and\n'quoted'", "\\&.gz and\n\\&'quoted'"),
        ("one-step", r"one\-step"),
    ],
)
def test_text_is_not_read_as_a_request(text, roff):
    assert man_pages._escaped(text) == roff
