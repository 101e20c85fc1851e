"""Scores long texts with several processes.

A model of n-grams looks tokens up, which takes about as long as reading and encoding them. Threads of one process
wait for each other there. So a long text is scored in chunks by worker processes, which open the model for
themselves. The sums of its sentences are added in the order of the text, so the figures have the same digits.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from lmctl.progress import tell
from lmctl.query.evaluation import evaluate_file, figures_of, new_tally, warn_of_tags
from lmctl.query.model import Model
from lmctl.query.scoring import score_batches
from lmctl.store.bundle import open_bundle
from lmctl.text.addresses import file_name
from lmctl.text.reading import read_chunks
from lmctl.text.sources import STDIN, size_of_text
from lmctl.text.tokenization import is_tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lmctl.query.bootstrap import Resampling
    from lmctl.query.metrics import Figures, SentenceSums
    from lmctl.query.sentence_scores import SentenceScore
    from lmctl.text.formats import TextFormat
    from lmctl.text.source_chunks import SourceChunk

# A worker takes about as long to start as one process takes for 2 MB. A shorter text than this is not divided.
SHORTEST_TEXT_BYTES = 8 << 20
CHUNK_BYTES = 1 << 20


def evaluate_text(
    model: Model,
    path: str,
    *,
    state: Literal["reset", "carry"] = "reset",
    blank_lines: Literal["drop", "keep"] | None = None,
    accuracy_at: Sequence[int] = (),
    encoding: str = "utf-8",
    errors: str = "strict",
    text_format: TextFormat | None = None,
    top_answers: bool = False,
    interval: Resampling | None = None,
    on_sentence: Callable[[SentenceScore], object] | None = None,
    on_pause: Callable[[], object] | None = None,
) -> Figures:
    """Score a text, with several processes if that is faster.

    Args:
        model: the model.
        path: as in `query.evaluation.evaluate_file`, and so are the other arguments.
        state: "reset" or "carry".
        blank_lines: whether a line without words is a sentence.
        accuracy_at: the values of k for accuracy@k.
        encoding: encoding of the text.
        errors: what happens to invalid bytes.
        text_format: where the text of the file stands.
        top_answers: whether `on_sentence` needs the most probable tokens.
        interval: how the interval of the perplexity is computed.
        on_sentence: called with the score of every sentence.
        on_pause: called after all lines that have arrived are scored.

    Raises:
        LmctlError: as raised by `evaluate_file`, or a worker process was killed.
    """
    if on_sentence is None and not accuracy_at and interval is None and _is_divided(model, path, text_format):
        return _evaluate_in_processes(model, path, state, blank_lines, encoding, errors)
    return evaluate_file(
        model,
        path,
        state=state,
        blank_lines=blank_lines,
        accuracy_at=accuracy_at,
        encoding=encoding,
        errors=errors,
        text_format=text_format,
        top_answers=top_answers,
        interval=interval,
        on_sentence=on_sentence,
        on_pause=on_pause,
    )


def _is_divided(model: Model, path: str, text_format: TextFormat | None) -> bool:
    """Whether several processes score a text faster than one."""
    if path == STDIN or (text_format is not None and text_format.has_records) or len(os.sched_getaffinity(0)) == 1:
        return False
    looks_up = model.gap_model is None and model.language_model.forgets_at_sentence_end
    return looks_up and (size_of_text(path) or 0) >= SHORTEST_TEXT_BYTES


def _evaluate_in_processes(
    model: Model,
    path: str,
    state: Literal["reset", "carry"],
    blank_lines: Literal["drop", "keep"] | None,
    encoding: str,
    errors: str,
) -> Figures:
    """Score a file with a process for each core. The model forgets a sentence at its end, whatever the state."""
    # Imported here, because most texts need no worker.
    from lmctl.jobs.workers import workers

    tally, lines, tagged = new_tally(model), 0, 0
    size, done, activity = size_of_text(path), 0, f"scoring {file_name(path)}"
    score = _ChunkScorer(model.bundle.folder.absolute(), blank_lines)
    chunks = read_chunks([path], encoding=encoding, errors=errors, chunk_bytes=CHUNK_BYTES)
    with workers(len(os.sched_getaffinity(0)), "text on standard input is scored in one process") as of_chunks:
        for scored in of_chunks(score, chunks):
            for sums in scored.sums:
                tally.add_sums(sums)
            lines, tagged, done = lines + scored.lines, tagged + scored.tagged, done + scored.size
            tell(activity, done if size is None else min(done, size), size)
    warn_of_tags(model, path, tagged, lines)
    return figures_of(tally, model, path, state)


class _Scored(NamedTuple):
    """The sums of the windows of a chunk, its numbers of lines and of tagged lines, and its bytes."""

    sums: list[SentenceSums]
    lines: int
    tagged: int
    size: int


@dataclass(frozen=True, slots=True)
class _ChunkScorer:
    """Scores chunks of a text in a worker process."""

    folder: Path
    blank_lines: Literal["drop", "keep"] | None

    def __call__(self, chunk: SourceChunk) -> _Scored:
        model = _opened(self.folder)
        lines, tally = chunk.lines(), new_tally(model)
        windows = score_batches(model, [lines], blank_lines=self.blank_lines)
        sums = [tally.sums_of(each) for each in windows]
        return _Scored(sums, len(lines), sum(map(is_tagged, lines)), len(chunk.content))


@lru_cache(maxsize=1)
def _opened(folder: Path) -> Model:
    """The model of a worker process."""
    return Model(open_bundle(folder))
