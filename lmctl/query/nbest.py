"""n-best lists: several hypotheses for each utterance or sentence, in the formats of Moses, Kaldi and JSON lines.

- moses: `id ||| text ||| features ||| score`, as Moses's -n-best-list writes it; more fields may follow. A score
  is better if it is larger.
- kaldi: `utterance-1 words`, a text archive with the number of the hypothesis after the last `-`. Scores are in
  another archive, `utterance-1 cost`; a cost is better if it is smaller.
- jsonl: an object on each line, with the id, the text and the score under keys that the user names.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl.errors import DataError, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FORMATS = ("moses", "kaldi", "jsonl")
_SEPARATOR = " ||| "
# The name of the feature in a list of Moses, and of the key in JSON lines.
FEATURE = "lmctl"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One hypothesis.

    Attributes:
        line: number of its line, from 1.
        group: what its list is for: the id of the sentence or utterance.
        text: its words.
        score: the score that it came with, better if larger; None: none.
        record: the line, as its format has it.
    """

    line: int
    group: str
    text: str
    score: float | None
    record: Any


class NBestFormat(ABC):
    """Reads and writes the lines of one format.

    Args:
        source: name of the list, for messages.
    """

    def __init__(self, source: str) -> None:
        self._source = source

    @abstractmethod
    def read(self, number: int, line: str) -> Hypothesis:
        """Read a line.

        Raises:
            DataError: it has another format.
        """

    @abstractmethod
    def written(self, hypothesis: Hypothesis, log_prob: float, score: float | None) -> str:
        """The line with the language score, without its end.

        Args:
            hypothesis: the hypothesis.
            log_prob: natural log probability of its text under the model.
            score: the combined score, better if larger; None: scores are not combined.
        """

    def best(self, hypothesis: Hypothesis, log_prob: float, score: float | None) -> str:
        """The line of the best hypothesis of a list; by default as `written`."""
        return self.written(hypothesis, log_prob, score)

    def groups(self, lines: Iterable[str]) -> Iterator[list[Hypothesis]]:
        """Yield the lists, in order. Blank lines are left out.

        Raises:
            DataError: a line has another format, or the lines of a list do not stand together.
        """
        done: set[str] = set()
        group: list[Hypothesis] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            hypothesis = self.read(number, line)
            if group and hypothesis.group != group[0].group:
                done.add(group[0].group)
                yield group
                group = []
            if hypothesis.group in done:
                raise self.error(
                    number,
                    f"id {quoted(hypothesis.group)} comes again after other ids; expected the lines of an id "
                    "side by side",
                )
            group.append(hypothesis)
        if group:
            yield group

    def error(self, number: int, problem: str) -> DataError:
        """An error that names the line."""
        return DataError(f"{self._source}: line {number}: {problem}")

    def number_in(self, line: int, name: str, text: object) -> float:
        """Read a finite number.

        Raises:
            DataError: it is none.
        """
        try:
            found = float(text)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            found = math.nan
        if isinstance(text, bool) or not math.isfinite(found):
            raise self.error(line, f"{name}: expected a number, got {quoted(str(text))}")
        return found


class _Moses(NBestFormat):
    def read(self, number: int, line: str) -> Hypothesis:
        fields = [field.strip() for field in line.split("|||")]
        if len(fields) < 2:
            raise self.error(number, "one field; expected id ||| text ||| features ||| score")
        score = self.number_in(number, "score", fields[3]) if len(fields) > 3 else None
        return Hypothesis(number, fields[0], fields[1], score, fields)

    def written(self, hypothesis: Hypothesis, log_prob: float, score: float | None) -> str:
        fields = list(hypothesis.record)
        feature = f"{FEATURE}= {log_prob:z.6f}"
        fields[2:3] = [f"{fields[2]} {feature}".strip() if len(fields) > 2 else feature]
        if score is not None:
            fields[3] = f"{score:z.6f}"
        return _SEPARATOR.join(fields)


class _Kaldi(NBestFormat):
    def __init__(self, source: str, costs: Mapping[str, float] | None) -> None:
        super().__init__(source)
        self._costs = costs
        self._names: set[str] = set()

    def read(self, number: int, line: str) -> Hypothesis:
        name, *rest = line.split(maxsplit=1)
        text = rest[0].strip() if rest else ""
        group, _, place = name.rpartition("-")
        if not group or not place.isdecimal():
            raise self.error(number, f"id {quoted(name)}; expected an utterance, - and a number, such as utt1-2")
        if name in self._names:
            raise self.error(number, f"id {quoted(name)} occurs twice")
        self._names.add(name)
        score = None
        if self._costs is not None:
            if name not in self._costs:
                raise self.error(number, f"id {quoted(name)} has no cost in the file of costs")
            score = -self._costs[name]
        return Hypothesis(number, group, text, score, name)

    def written(self, hypothesis: Hypothesis, log_prob: float, score: float | None) -> str:
        return f"{hypothesis.record} {-(log_prob if score is None else score):z.6f}"

    def best(self, hypothesis: Hypothesis, log_prob: float, score: float | None) -> str:  # noqa: ARG002
        return f"{hypothesis.group} {hypothesis.text}"


class _JSONLines(NBestFormat):
    def __init__(self, source: str, id_key: str, text_key: str, score_key: str) -> None:
        super().__init__(source)
        self._id_key, self._text_key, self._score_key = id_key, text_key, score_key

    def read(self, number: int, line: str) -> Hypothesis:
        try:
            record = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise self.error(number, f"no JSON object: {error}") from error
        for key in (self._id_key, self._text_key):
            if key not in record:
                keys = listed([quoted(name, 30) for name in record]) or "none"
                raise self.error(number, f"no key {quoted(key)}; it has {keys}")
        if not isinstance(text := record[self._text_key], str):
            raise self.error(number, f"{self._text_key}: expected a string, got {type(text).__name__}")
        score = None
        if self._score_key in record:
            score = self.number_in(number, self._score_key, record[self._score_key])
        return Hypothesis(number, str(record[self._id_key]), text, score, record)

    def written(self, hypothesis: Hypothesis, log_prob: float, score: float | None) -> str:
        record = hypothesis.record | {FEATURE: log_prob}
        if score is not None:
            record[self._score_key] = score
        return msgspec.json.encode(record).decode()


def make_format(
    name: str,
    source: str,
    *,
    costs: Mapping[str, float] | None = None,
    id_key: str = "id",
    text_key: str = "text",
    score_key: str = "score",
) -> NBestFormat:
    """Make a format.

    Args:
        name: one of `FORMATS`.
        source: name of the list, for messages.
        costs: for kaldi: the cost of each hypothesis by its id.
        id_key: for jsonl: the key of the id.
        text_key: for jsonl: the key of the text.
        score_key: for jsonl: the key of the score.
    """
    if name == "moses":
        return _Moses(source)
    return _Kaldi(source, costs) if name == "kaldi" else _JSONLines(source, id_key, text_key, score_key)


def format_of(line: str) -> str:
    """The format of a list, by its first line that is not blank."""
    if line.lstrip().startswith("{"):
        return "jsonl"
    return "moses" if "|||" in line else "kaldi"


def read_costs(lines: Iterable[str], source: str) -> dict[str, float]:
    """Read a score archive of Kaldi: an id, white space and a cost on each line.

    Raises:
        DataError: a line has another format, or an id occurs twice.
    """
    reader = _Kaldi(source, None)
    costs: dict[str, float] = {}
    for number, line in enumerate(lines, start=1):
        cells = line.split()
        if not cells:
            continue
        if len(cells) != 2:
            raise reader.error(number, f"{len(cells)} fields; expected an id and a cost")
        if cells[0] in costs:
            raise reader.error(number, f"id {quoted(cells[0])} occurs twice")
        costs[cells[0]] = reader.number_in(number, "cost", cells[1])
    return costs


def read_references(lines: Iterable[str], source: str, format: str) -> dict[str, str]:
    """Read the right text for each id: for moses, a line for each id from 0; else an id, white space and the text.

    Raises:
        DataError: an id occurs twice.
    """
    if format == "moses":
        return {str(number): line for number, line in enumerate(lines)}
    references: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, *rest = line.split(maxsplit=1)
        if name in references:
            raise DataError(f"{source}: line {number}: id {quoted(name)} occurs twice")
        references[name] = rest[0].strip() if rest else ""
    return references
