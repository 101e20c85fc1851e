"""A text that is far too small for a Transformer is warned of, and learned."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def lmctl(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lmctl", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("cpu")
def test_the_four_sentences_of_the_readme_are_learned(tmp_path):
    trained = lmctl(
        "train", ROOT / "corpora/four-sentences.txt", "-o", tmp_path / "model", "--set", "model.family=transformer"
    )
    answer = lmctl("predict", "-m", tmp_path / "model", "编程", "-k", 1)

    assert "too little text to hold out" in trained.stderr
    assert answer.stdout.split()[0] == "是"
