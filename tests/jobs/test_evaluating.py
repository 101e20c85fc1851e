"""Long texts, which several processes score in chunks: the figures are those of one process."""

from __future__ import annotations

import logging

import pytest

from lmctl.config import read_settings
from lmctl.errors import DataError
from lmctl.jobs import evaluating
from lmctl.jobs import workers as worker_processes
from lmctl.jobs.evaluating import evaluate_text
from lmctl.jobs.train.run import train
from lmctl.query.evaluation import evaluate_file
from lmctl.query.model import load

LINES = [f"the {size} {animal} sat on the mat ." for size in ("big", "small", "red") for animal in ("cat", "dog")]
TEXT = "".join(f"{line}\n" for line in [*LINES, "", "an unheard-of zebra sat", "the", *reversed(LINES)] * 20)


@pytest.fixture
def model(tmp_path):
    (tmp_path / "train.txt").write_text("".join(f"{line}\n" for line in LINES * 3))
    asked = (
        "preset=ngram",
        "model.order=3",
        "validation.fraction=0",
        "vocabulary.min_count=1",
        "text.segmenter=space",
    )
    train([str(tmp_path / "train.txt")], tmp_path / "model", read_settings(assignments=asked))
    return load(tmp_path / "model")


@pytest.fixture
def divided(monkeypatch):
    """Short texts are divided, too; the fixture counts the calls."""
    monkeypatch.setattr(evaluating, "SHORTEST_TEXT_BYTES", 1)
    monkeypatch.setattr(evaluating, "CHUNK_BYTES", 500)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    calls = []
    of_jobs = worker_processes.workers
    monkeypatch.setattr(worker_processes, "workers", lambda *given: calls.append(given) or of_jobs(*given))
    return calls


def written(folder, text):
    (folder / "text.txt").write_bytes(text.encode() if isinstance(text, str) else text)
    return str(folder / "text.txt")


@pytest.mark.parametrize("state", ["reset", "carry"])
def test_the_figures_of_several_processes_are_those_of_one(model, divided, tmp_path, state):
    path = written(tmp_path, TEXT)

    found = evaluate_text(model, path, state=state, blank_lines="keep")

    assert found == evaluate_file(model, path, state=state, blank_lines="keep")
    assert (found.sentences, found.oov) == (300, 60)
    assert len(divided) == 1


def test_short_texts_ranks_and_printed_sentences_need_no_workers(model, divided, tmp_path, monkeypatch):
    path, printed = written(tmp_path, TEXT), []

    evaluate_text(model, path, accuracy_at=[1])
    evaluate_text(model, path, on_sentence=printed.append)
    monkeypatch.setattr(evaluating, "SHORTEST_TEXT_BYTES", len(TEXT.encode()) + 1)
    evaluate_text(model, path)

    assert len(printed) == 280
    assert not divided


def test_an_error_in_a_chunk_names_its_line(model, divided, tmp_path):
    bad = TEXT.encode() + b"\xff\n" + TEXT.encode()

    with pytest.raises(DataError, match=f"line {TEXT.count(chr(10)) + 1}") as several:
        evaluate_text(model, written(tmp_path, bad))
    with pytest.raises(DataError) as one:
        evaluate_file(model, written(tmp_path, bad))

    assert str(several.value) == str(one.value)
    assert divided


def test_a_text_of_blank_lines_has_nothing_to_score(model, divided, tmp_path):
    with pytest.raises(DataError, match="nothing to score"):
        evaluate_text(model, written(tmp_path, "\n" * 2000), blank_lines="drop")

    assert divided


def test_tags_of_sentences_are_counted_over_all_chunks(model, divided, tmp_path, caplog):
    tagged = "".join(f"<s> {line} </s>\n" for line in LINES * 10)

    with caplog.at_level(logging.WARNING):
        evaluate_text(model, written(tmp_path, tagged))

    assert "60 of 60 lines stand between <s> and </s>" in caplog.text
    assert divided
