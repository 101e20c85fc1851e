"""Several models become one: a mixture, its weights tuned on a text."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from lmctl import files
from lmctl.config import PublishingConfig
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.errors import DataError, UsageError
from lmctl.jobs.counting import ValidScores
from lmctl.jobs.events import CacheTuned
from lmctl.jobs.mixing import Mixture, tune_bundle_cache, write_mixture
from lmctl.query.model import Model
from lmctl.query.scoring import token_log_probs
from lmctl.runtime import load_language_model
from lmctl.store.bundle import open_bundle, verify_bundle
from lmctl.store.generations import ModelFolder, find_bundle, remove
from lmctl.store.lock import locked
from lmctl.text.reading import read_lines
from lmctl.text.sources import STDIN, check_sources

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.runtime.base import IntArray
    from lmctl.store.bundle import Bundle

MIXTURE = "mixture"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One of the models of a mixture, its weight, and its own perplexity of the text."""

    model: str
    weight: float
    perplexity: float | None


class Mixed(msgspec.Struct, frozen=True, kw_only=True):
    """What was mixed, and what it is good for on the text that the weights were tuned on.

    Attributes:
        published: the mixture's folder.
        perplexity: of the mixture, OOVs included.
        tokens: of the text.
        oov_rate: share of its words that are not in the vocabulary.
        state: "carry" or "reset".
        cache: what `--cache` adds; None where it was not tuned.
    """

    published: str
    model: str
    members: list[Member]
    perplexity: float
    tokens: int
    vocabulary_size: int
    oov_rate: float
    state: str
    cache: CacheTuned | None


def mix(
    models: Sequence[str],
    output: Path,
    valid: str,
    *,
    state: Literal["carry", "reset"] = "carry",
    encoding: str = "utf-8",
    errors: str = "strict",
) -> Mixed:
    """Tune a mixture of models on a text, and publish it as the next generation of a model.

    Args:
        models: what `-m` takes, two or more, over the same words in the same order.
        output: the mixture's folder.
        valid: the text, a sentence a line.
        state: whether the text is read as one, or each line for itself.
        encoding: of the text.
        errors: strict, replace or skip.

    Raises:
        UsageError: the models do not know the same words, or cut text in different ways.
        LmctlError: a model or the text is missing or damaged, or another run holds the lock.
    """
    check_sources([valid])
    opened = [Model(open_bundle(find_bundle(name))) for name in models]
    _check_alike(opened)
    token_ids = _read(opened[0], valid, encoding, errors)
    scores = [ValidScores(token_log_probs(model.language_model, token_ids, state=state), True) for model in opened]
    mixture = Mixture.tuned(scores)
    words = int(np.count_nonzero(token_ids != SENTENCE_END_ID))
    oov_rate = int(np.count_nonzero(token_ids == UNKNOWN_ID)) / words if words else 0.0
    figures: dict[str, Any] = {
        "cross_entropy_nats": mixture.cross_entropy_nats,
        "perplexity": mixture.perplexity,
        "includes_oov": True,
        "state": state,
        "vocabulary_size": len(opened[0].vocabulary),
        "oov_rate": oov_rate,
    }
    folder = ModelFolder.create(output)
    with locked(folder.folder):
        bundle = _write(folder.work / MIXTURE, [model.bundle for model in opened], mixture, {"valid": figures})
        tuned = tune_bundle_cache(bundle, token_ids)
        verify_bundle(bundle.folder)
        published = folder.publish(bundle.folder, PublishingConfig().keep)
    return Mixed(
        published=str(published),
        model=str(output),
        members=[
            Member(model=name, weight=weight, perplexity=each.perplexity if np.isfinite(each.perplexity) else None)
            for name, weight, each in zip(models, mixture.weights, scores, strict=True)
        ],
        perplexity=mixture.perplexity,
        tokens=len(token_ids),
        vocabulary_size=len(opened[0].vocabulary),
        oov_rate=oov_rate,
        state=state,
        cache=tuned,
    )


def _check_alike(models: Sequence[Model]) -> None:
    """See that the models' ids mean the same words, of texts that were cut in the same way."""
    first, *others = models
    for other in others:
        if other.vocabulary.words != first.vocabulary.words:
            raise UsageError(
                f"{other.bundle.folder} does not have the vocabulary of {first.bundle.folder}, in the same order, "
                "which a mixture needs: train both on one prepared folder"
            )
        # Whether blank lines are kept decides what is scored, not how words are cut.
        recipe = msgspec.structs.replace(
            other.bundle.record.recipe, blank_lines=first.bundle.record.recipe.blank_lines
        )
        if recipe != first.bundle.record.recipe or other.bundle.recipe_files() != first.bundle.recipe_files():
            raise UsageError(
                f"{other.bundle.folder} cuts text in another way than {first.bundle.folder}: "
                "a mixture needs one text recipe (`lmctl info` shows it)"
            )


def _read(model: Model, path: str, encoding: str, errors: str) -> IntArray:
    """The ids of a text, sentences ending with `</s>`."""
    keep = model.bundle.record.recipe.blank_lines == "keep"
    texts = map(model.encode, read_lines(path, encoding=encoding, errors=errors))
    sentences = ([*text.token_ids, SENTENCE_END_ID] for text in texts if text.words or keep)
    token_ids = np.fromiter(itertools.chain.from_iterable(sentences), dtype=np.int64)
    if not len(token_ids):
        name = "standard input" if path == STDIN else path
        raise DataError(f"{name}: nothing to tune on; expected text, a sentence a line")
    return token_ids


def _write(folder: Path, members: Sequence[Bundle], mixture: Mixture, metrics: dict[str, Any]) -> Bundle:
    """The bundle of a mixture, with copies of its members."""
    remove(folder)
    copies = []
    for number, member in enumerate(members):
        place = folder / "members" / str(number)
        _copy(member.folder, place)
        load_language_model(verify_bundle(place))
        copies.append(open_bundle(place))
    corpora = [member.record.corpus for member in members]
    corpus = corpora[0] if all(each == corpora[0] for each in corpora) else None
    return write_mixture(folder, copies, mixture, metrics, corpus=corpus, training=None)


def _copy(source: Path, target: Path) -> None:
    """Copy a bundle's files, each whole."""
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir()
            continue
        with path.open("rb") as content, files.written_whole(place) as copy:
            shutil.copyfileobj(content, copy)
