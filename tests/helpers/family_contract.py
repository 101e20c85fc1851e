"""The families that the contract is tested on, and the command that makes their models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from waiting import LONGEST_SECONDS

from lmctl import families

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests/toy_family"
NAMES = (*families.BUILT_IN, "unigram")
TRAINED_NETWORKS = tuple(name for name in families.BUILT_IN if families.find(name).trains_network)
NETWORKS = tuple(name for name in TRAINED_NETWORKS if families.find(name).predicts_next_word)
FILLS_GAPS = tuple(name for name in families.BUILT_IN if not families.find(name).predicts_next_word)
NEXT_WORD = tuple(name for name in NAMES if name not in FILLS_GAPS)
# Whole trainings take long. In the short version, one network is killed and continued, and only families that are
# estimated learn the four sentences. Other tests do both with an LSTM. `make faults` runs all.
IS_LONG = os.environ.get("LMCTL_FAULTS") == "long"
TRAINED = TRAINED_NETWORKS if IS_LONG else ("hmm",)
NOT_COMBINED = tuple(name for name in families.BUILT_IN if not families.find(name).combines)
FITTED = NOT_COMBINED if IS_LONG else ("baumwelch", "ngram")


def start(*arguments: object, program: tuple[str, ...] = ("-m", "lmctl")) -> subprocess.Popen[str]:
    """The command, or another program of Python, in a process that can import the toy family."""
    environment = {name: value for name, value in os.environ.items() if name != "LMCTL_MODEL"}
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        env=environment | {"PYTHONPATH": str(TOY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lmctl(*arguments: object) -> str:
    """Run the command, and return its output."""
    process = start(*arguments)
    out, err = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 0, err
    return out


def settings(name: str) -> list[str]:
    """Settings with which a model of a family is made quickly: a network is trained for a few steps."""
    few_steps = [
        "--set",
        "training.steps=20",
        "--set",
        "training.with_ngram=false",
        "--set",
        "training.baseline=false",
    ]
    if not families.find(name).trains_network:
        few_steps = []
    return ["--set", f"model.family={name}", *few_steps]
