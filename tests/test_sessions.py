"""The sessions in README.md and pages of docs: every command prints the output in the document."""

import csv
import math
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sessions import (
    COUNTED_TOLERANCE,
    EARLY_STOPPING_TOLERANCE,
    NETWORK_TOLERANCE,
    Shell,
    assert_alike,
    python_blocks,
    sessions,
)

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
CONCEPTS = ROOT / "docs/concepts.md"


def demo():
    """The commands of `make demo`."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^demo: setup\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]


@pytest.mark.slow
@pytest.mark.long
def test_the_session_after_the_demo_has_the_output_of_the_readme(tmp_path):
    readme = README.read_text(encoding="utf-8")
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")
    (tmp_path / ".venv").symlink_to(sys.prefix)

    with Shell(tmp_path, tmp_path) as shell:
        for command in demo():
            assert shell.run(command)
        for command, printed in sessions(readme):
            assert_alike(shell.run(command), printed, NETWORK_TOLERANCE)

    expected = next(printed for command, printed in sessions(readme) if '"she opened the"' in command)[-1]
    (block,) = python_blocks(readme)
    done = subprocess.run(
        [sys.executable, "-c", f"{block}\nprint(model.predict('she opened the', k=1)[0].word)"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.split() == [expected.split()[0]]


@pytest.mark.slow
@pytest.mark.parametrize("trains", [False, pytest.param(True, marks=pytest.mark.long)])
def test_the_session_of_concepts_has_the_output_of_the_page(trains, tmp_path):
    counted, heading, network = CONCEPTS.read_text(encoding="utf-8").partition(
        "\n## n-grams, LSTMs and mixtures\n"
    )
    assert heading
    shutil.copytree(ROOT / "corpora", tmp_path / "repository/corpora")
    (tmp_path / "repository/.venv").symlink_to(sys.prefix)

    with Shell(tmp_path / "repository", tmp_path) as shell:
        for command, printed in sessions(counted):
            assert_alike(shell.run(command), printed, COUNTED_TOLERANCE)
        if trains:
            for command, printed in sessions(network):
                assert_alike(shell.run(command), printed, EARLY_STOPPING_TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["fill.md", "generate.md"])
def test_the_sessions_of_a_page_have_its_output(page, tmp_path):
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")
    found = list(sessions((ROOT / "docs" / page).read_text(encoding="utf-8")))
    assert found

    with Shell(tmp_path, tmp_path) as shell:
        shell.run(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")
        for command, printed in found:
            assert_alike(shell.run(command), printed, COUNTED_TOLERANCE)


def scored_words():
    """The scores of the words of one sentence in docs/concepts.md: tab-separated lines, names first."""
    text = CONCEPTS.read_text(encoding="utf-8")
    return next(printed for command, printed in sessions(text) if command == "cut -f 5-8 words.tsv")


def numbers_after_prints():
    """The numbers in the comment after each `print` in the Python blocks of docs/concepts.md."""
    blocks = "".join(python_blocks(CONCEPTS.read_text(encoding="utf-8")))
    comments = re.findall(r"^print\(.*  # (.+)$", blocks, re.MULTILINE)
    return [[float(number) for number in comment.split()] for comment in comments]


def test_the_perplexity_in_concepts_follows_from_the_scores_of_the_words():
    words = list(csv.DictReader(scored_words(), delimiter="\t", quoting=csv.QUOTE_NONE))
    mean = math.fsum(float(word["surprisal_bits"]) for word in words) / len(words)
    product = math.prod(10 ** float(word["logprob10"]) for word in words)

    _, by_surprisal, by_product = numbers_after_prints()
    assert [round(mean, 3), round(2**mean, 2)] == by_surprisal
    assert [round(product ** (-1 / len(words)), 2)] == by_product


def test_the_pandas_lines_of_concepts_print_the_numbers_in_their_comments(tmp_path):
    pytest.importorskip("pandas")
    lines = (ROOT / "corpora/en.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    train = [line for number, line in enumerate(lines, start=1) if number % 10 not in {0, 5}]
    (tmp_path / "train.txt").write_text("".join(train), encoding="utf-8")
    (tmp_path / "words.tsv").write_text("\n".join(scored_words()) + "\n", encoding="utf-8")
    blocks = "".join(python_blocks(CONCEPTS.read_text(encoding="utf-8")))

    done = subprocess.run(
        [sys.executable, "-c", blocks], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
    )

    assert [
        [float(number) for number in line.split()] for line in done.stdout.splitlines()
    ] == numbers_after_prints()


def test_the_readme_shows_the_two_commands():
    readme = README.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
