"""Models that are read from ARPA files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lmctl.families.arpa.importing import ArpaReading, read_arpa
from lmctl.families.arpa.words import SpecialWords
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.ngram.tables import open_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lmctl.corpus.vocabulary import Vocabulary


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., tuple[Vocabulary, NgramLanguageModel]]:
    """`load(text)`: the vocabulary, and the model of an ARPA text."""

    def load_text(
        text: str, encoding: str = "utf-8", **special_words: str
    ) -> tuple[Vocabulary, NgramLanguageModel]:
        path = tmp_path / "model.arpa"
        path.write_text(text, encoding=encoding)
        vocabulary, sizes = read_arpa(
            str(path), tmp_path, ArpaReading(encoding=encoding, specials=SpecialWords(**special_words))
        )
        return vocabulary, NgramLanguageModel(open_tables(tmp_path, sizes))

    return load_text
