"""Fixtures for all tests: a small bundle, made without training."""

from __future__ import annotations

import importlib.util
import os
import signal
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from random_networks import drawn

from lmctl import families
from lmctl.config import DeviceConfig, read_settings, to_yaml
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.counts import SourceRecord, SplitCounts
from lmctl.corpus.recipe import TextRecipe, recipe_files
from lmctl.corpus.vocabulary import SENTENCE_END, SENTENCE_END_ID, UNKNOWN, Vocabulary, choose_vocabulary
from lmctl.families.ngram.estimation import estimate
from lmctl.families.ngram.tables import NgramTables, open_tables
from lmctl.store.model_record import CorpusSummary, ModelRecord, TrainingSummary
from lmctl.store.writing import weights_file, write_bundle
from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import make_segmenter
from lmctl.text.tokenization import Tokenizer
from lmctl.training.loading import load_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# A failed assertion of a helper then shows its values.
pytest.register_assert_rewrite("html_pages", "refusals", "scored", "serving", "sessions", "streams_of_ids")

# The time of an example depends on the machine, so there is no deadline. Examples are the same in every run.
settings.register_profile("lmctl", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("lmctl")

# The version of the tests that `make faults` runs.
IS_LONG = os.environ.get("LMCTL_FAULTS") == "long"

# More workers would wait for the disk, and each needs memory for TensorFlow.
MOST_WORKERS = 4

WORDS = ("the", "cat", "sat", "on", "mat", "dog", ".")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The number of workers of `-n auto`: 0, which means no worker process, on one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if cores == 1 else min(cores, MOST_WORKERS)


def pytest_configure() -> None:
    """Restore SIGINT for the commands that tests start, because a shell makes background jobs ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip long tests in the short version; in parallel runs, run files with slow tests first."""
    if not IS_LONG:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="in the long version"))
    if os.environ.get("PYTEST_XDIST_WORKER"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def many() -> bool:
    """Whether this is the long version, which `make faults` runs."""
    return IS_LONG


# Figures of a model that fills gaps.
GAP_METRICS = (
    b'{"valid": null, "valid_gaps": {"pseudo_cross_entropy_nats": 2.0, "pseudo_perplexity": 7.389, '
    b'"scored_words": 40, "includes_oov": true, "vocabulary_size": 9, "oov_rate": 0.25}, '
    b'"train": {"masked_cross_entropy_nats": 2.5}}\n'
)
GAP_HISTORY = b'{"epoch": 1, "train_perplexity": null, "train_masked_cross_entropy_nats": 2.5}\n'


def write_small_bundle(
    folder: Path,
    *,
    words: Sequence[str] = WORDS,
    sizes: Mapping[str, Any] | None = None,
    segmenter: str = "space",
    subword_model: bytes = b"",
    lowercase: bool = False,
    stop_words: Sequence[str] = (),
    scale: float = 1.0,
    seed: int = 1,
    family: str = "lstm",
) -> Path:
    """Write the bundle of a network with random weights; the same arguments give the same bytes.

    Args:
        folder: folder of the bundle; it must be empty or missing.
        words: the vocabulary after its two specials, by id from 2; their counts fall to 1.
        sizes: fields of `LSTMSizes` that differ from embedding_dim 3, hidden_units 4, layers 2, tied False, the
            vocabulary's size and one cluster.
        segmenter: "space", "char", "jieba", or "sentencepiece" with a `subword_model`.
        subword_model: the bytes of a SentencePiece model.
        lowercase: whether queries are lower-cased.
        stop_words: words that are left out of queries.
        scale: weights are normally distributed with this standard deviation; 0 gives a uniform model.
        seed: seed of the weights.
        family: "lstm", or "masked", whose sizes are hidden_units 8, layers 2, heads 2, feedforward_units 10 and
            context 12 if `sizes` does not replace them.

    Returns:
        `folder`.
    """
    counts = range(len(words), 0, -1)
    vocabulary = Vocabulary((UNKNOWN, SENTENCE_END, *words), (1, 2, *counts))
    shape: dict[str, Any] = {"embedding_dim": 3, "hidden_units": 4, "layers": 2, "tied": False}
    if family == "masked":
        shape = {"hidden_units": 8, "layers": 2, "heads": 2, "feedforward_units": 10, "context": 12, "tied": False}
    shape |= {"vocabulary_size": len(vocabulary)} | dict(sizes or {})
    width = shape["embedding_dim"] if shape["tied"] else shape["hidden_units"]
    shape.setdefault("clusters", [{"words": shape["vocabulary_size"], "width": width}])
    found = families.find(family)
    dimensions = msgspec.convert(shape, type=found.sizes_type)
    weights = drawn(found.weight_shapes(dimensions), seed=seed, scale=scale)
    tokenizer = Tokenizer(
        Normalization("nfc", lowercase), make_segmenter(segmenter, model=subword_model), frozenset(stop_words)
    )
    total = 1 + sum(counts)
    record = ModelRecord(
        sizes=dimensions,
        recipe=TextRecipe.of(tokenizer, "drop"),
        corpus=CorpusSummary(
            train=SplitCounts(sentences=2, words=total, oov=1, characters=6 * total),
            valid=SplitCounts(),
            sources=[
                SourceRecord(name="corpus.txt", split="train", bytes=6 * total, sha256="0" * 64, sentences=1)
            ],
        ),
        training=TrainingSummary(
            preset="tiny",
            seed=seed,
            epochs=1,
            best_epoch=1,
            steps=3,
            planned_steps=None,
            tokens=total + 2,
            parameters=sum(weight.size for weight in weights.values()),
            device="cpu",
        ),
    )
    contents = {
        "vocabulary.tsv": vocabulary.to_tsv().encode(),
        "characters.tsv": CharacterUnigram.of_words(zip(words, counts, strict=True)).to_tsv().encode(),
        "weights.safetensors": weights_file(weights),
        "config.yaml": to_yaml(read_settings(assignments=[f"model.family={family}"]).resolve()).encode(),
        "metrics.json": b'{"valid": null, "train": {"perplexity": 9.5}}\n',
        "history.jsonl": b'{"epoch": 1, "train_perplexity": 9.5}\n',
    }
    if not found.predicts_next_word:
        contents |= {"metrics.json": GAP_METRICS, "history.jsonl": GAP_HISTORY}
    write_bundle(folder, record, contents | recipe_files(tokenizer))
    return folder


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    """`make_bundle(folder, *, words=..., sizes=..., segmenter=...)`: see `write_small_bundle`."""
    return write_small_bundle


def estimate_small_model(
    text: str, *, folder: Path | None = None, **settings: Any
) -> tuple[Vocabulary, NgramTables]:
    """An n-gram model of a text, a sentence a line; `settings` are those of `estimate`.

    Without a folder, the files of the tables are removed; the tables stay mapped.
    """
    sentences = [line.split() for line in text.splitlines()]
    counts = Counter(word for sentence in sentences for word in sentence)
    words = [word for word, _ in choose_vocabulary(counts.items(), size=None, min_count=1)]
    vocabulary = Vocabulary([UNKNOWN, SENTENCE_END, *words], [0] * (len(words) + 2))
    stream = [token for sentence in sentences for token in (*vocabulary.encode(sentence), SENTENCE_END_ID)]
    token_ids = np.array(stream, dtype=np.uint16)
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        # Most of the time of a small model is spent waiting for the disk.
        patch.setattr("os.fsync", lambda _: None)
        folder = folder or Path(temporary)
        sizes = estimate(token_ids, len(vocabulary), folder, **settings)
        return vocabulary, open_tables(folder, sizes)


@pytest.fixture(scope="session")
def estimate_text() -> Callable[..., tuple[Vocabulary, NgramTables]]:
    """`estimate_text(text, *, order=..., smoothing=...)`: see `estimate_small_model`."""
    return estimate_small_model


@pytest.fixture(scope="session")
def cpu() -> None:
    """Set TensorFlow up on the processor, with one thread for each core.

    It can be set up only once in a process. So every training in this process must have `device.placement: cpu`
    and the default of `device.threads`.
    """
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("needs TensorFlow")
    load_tensorflow(verbose=False)
    from lmctl.training.devices import use_device

    use_device(DeviceConfig(placement="cpu"))
