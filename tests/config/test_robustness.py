from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl import families
from lmctl.config import all_keys, read_settings, to_yaml
from lmctl.config.presets import PRESET_DIRECTORY
from lmctl.errors import LmctlError

if TYPE_CHECKING:
    from collections.abc import Callable


SPLINTERS = [
    *"\t\n :-?[]{},&*!|>'\"%@`#~\\\0\x85\ufeff漢",
    *("!!int", "*a", "&a ", "<<: ", "---\n", "...\n", "\\x", '"\\ud800"', "%YAML 9.9\n", "? ", "|2\n"),
    *("9" * 5000, "1e999", ".nan", "null", "{" * 50, "[" * 3000, "training:\n"),
]


def mutated(document: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(document) + 1)
        end = min(len(document), start + rng.choice([0, 0, 1, 5, 40]))
        document = document[:start] + rng.choice([*SPLINTERS, document[end : end + 30]]) + document[end:]
    return document


def refusal(ask: Callable[[], object]) -> str | None:
    """The message of the LmctlError that a call raises. Any other exception is a bug."""
    try:
        ask()
    except LmctlError as error:
        return str(error)
    return None


def test_mutated_documents_are_read_or_refused_on_one_line(write, resolved):
    rng = random.Random(20240229)  # noqa: S311
    seeds = [to_yaml(resolved(f"preset={name}")) for name in ("tiny", "zh")]
    seeds += [(PRESET_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8") for name in ("tiny", "small", "gpu")]

    messages = []
    for _ in range(700):
        path = write(mutated(rng.choice(seeds), rng))
        messages.append(refusal(lambda path=path: read_settings([path], [], {}).resolve(10**7)))

    refused = [text for text in messages if text is not None]
    # The longest message lists the names of all presets.
    assert [text for text in refused if not text.isprintable() or len(text) > 500] == []
    assert 300 < len(refused) < 700


@settings(max_examples=300, deadline=None)
@given(key=st.sampled_from(sorted(key.path for key in all_keys())), text=st.text(max_size=12))
def test_any_assignment_is_taken_or_refused_on_one_line(key, text, resolved):
    assert (refusal(lambda: resolved(f"{key}={text}")) or "taken").isprintable()


def test_importing_config_imports_neither_yaml_nor_anything_heavy():
    unwanted = {"yaml", "numpy", "click", "difflib", "tensorflow", "importlib.metadata"}
    unwanted |= {f"lmctl.families.{name}" for name in families.names()}
    code = f"import sys, lmctl.config; print({unwanted} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert output.stdout == "set()\n"
