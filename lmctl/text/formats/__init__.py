"""The formats of texts: lines, or records and documents that lines of text are taken from.

`unpacking.ChunkReader` turns the bytes of a source into chunks of lines of text. All commands use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TextFormat:
    """The settings that say where the text of a source stands.

    Attributes:
        field: dotted path of the field with the text in each record of JSON Lines; None: the text is no JSON
            Lines.
        column: the column with the text of CSV and TSV files, by its name in the header or by its number from 1;
            None: the text is no table.
        line: "sentence": each line of text is a sentence; "paragraph": it is cut into its sentences.
    """

    field: str | None = None
    column: str | None = None
    line: Literal["sentence", "paragraph"] = "sentence"

    @property
    def has_records(self) -> bool:
        """Whether the lines of text are parts of records."""
        return self.field is not None or self.column is not None
