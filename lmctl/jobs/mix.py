"""`lmctl mix`: make a mixture of several models, with weights that are tuned on a text."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from lmctl import families, files
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.errors import DataError
from lmctl.families.joined import join_vocabulary
from lmctl.jobs.figures import add_figures
from lmctl.jobs.joining import check_joinable, joined_characters, joined_vocabulary, warn_of_other_tokens
from lmctl.jobs.mixing import Mixture, write_mixture
from lmctl.jobs.train.kept_text import keep_text, kept_lines
from lmctl.jobs.train.publish import generations_kept
from lmctl.jobs.train.validating import ValidFigures, ValidScores
from lmctl.jobs.watching.events import CacheTuned, ignore_event
from lmctl.jobs.watching.runs import Watched, logged
from lmctl.perplexity import perplexity_of
from lmctl.query.model import Model, load_named
from lmctl.query.scoring import token_log_probs
from lmctl.store.bundle import open_bundle
from lmctl.store.copies import repair
from lmctl.store.draft import TextFiles
from lmctl.store.generations import ModelFolder, remove
from lmctl.store.layout import COMBINED, member_name
from lmctl.store.lock import locked
from lmctl.store.naming import opened
from lmctl.store.verification import verify_bundle
from lmctl.text.reading import read_lines
from lmctl.text.sources import check_sources, source_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lmctl.arrays import IntArray
    from lmctl.corpus.vocabulary import Vocabulary
    from lmctl.store.bundle import Bundle
    from lmctl.text.formats import TextFormat

logger = logging.getLogger(__name__)


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a mixture.

    Attributes:
        model: name of the model, as the user typed it.
        weight: its mixture weight.
        perplexity: its own perplexity on the text; None if it is infinite.
    """

    model: str
    weight: float
    perplexity: float | None


class Mixed(msgspec.Struct, frozen=True, kw_only=True):
    """The result of mixing: the members, and figures on the text that the weights were tuned on.

    Attributes:
        published: folder of the published generation.
        model: folder of the mixture's model.
        members: the models that were mixed.
        perplexity: perplexity of the mixture, out-of-vocabulary words included.
        tokens: number of tokens of the text.
        vocabulary_size: number of words, `<unk>` and `</s>` included.
        oov_rate: share of the words of the text that are not in the vocabulary.
        state: "carry" or "reset".
        cache: perplexity with and without `--cache`; None if no cache was tuned.
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
    text_format: TextFormat | None = None,
) -> Mixed:
    """Tune a mixture of models on a text, and publish it as the next generation of a model.

    Args:
        models: names of two or more models, as `-m` takes them. If their vocabularies differ, the mixture has the
            words of all (families/joined.py). If their text recipes differ, the mixture has that of the first one:
            the other members read the tokens into which it cuts a text.
        output: folder of the mixture's model.
        valid: path of the text, a sentence a line.
        state: "carry": read the text as one stream; "reset": read each line by itself.
        encoding: character encoding of the text.
        errors: treatment of bytes that cannot be decoded: strict, replace or skip.
        text_format: where the text of the file stands; None: each line is a line of text.

    Raises:
        UsageError: one model predicts pieces of words and another one does not predict the same ones, or a model
            fills gaps only.
        LmctlError: a model or the text is missing or damaged, or another run holds the lock.
    """
    check_sources([valid])
    named = list(map(load_named, models))
    for each in named:
        families.check_predicts_next_word(each.bundle)
    check_joinable(models, named)
    lines = list(read_lines(valid, encoding=encoding, errors=errors, text_format=text_format))
    sentences = _sentences(named[0], lines, valid)
    folder = ModelFolder.create(output)
    with locked(folder.folder), folder.working(), logged(Watched(folder, ignore_event)) as summary:
        repair(folder)
        place = folder.scratch / COMBINED
        members = [_copy(name, place / member) for name, member in zip(models, _places(models), strict=True)]
        loaded = list(map(Model, members))
        # A new generation of one of them may have been published meanwhile.
        check_joinable(models, loaded)
        warn_of_other_tokens(models, loaded, sentences)
        vocabulary = joined_vocabulary([model.vocabulary for model in loaded])
        token_ids = _encoded(vocabulary, sentences)
        scores = [
            ValidScores(
                token_log_probs(
                    join_vocabulary(model.language_model, model.vocabulary, vocabulary), token_ids, state=state
                ),
                True,
                len(token_ids),
            )
            for model in loaded
        ]
        mixture = Mixture.tuned(scores)
        if len(mixture.counting) == 1:
            # A single model is left, which keeps its own vocabulary and cuts text in its own way.
            left = loaded[mixture.counting[0]]
            vocabulary = left.vocabulary
            token_ids = _encoded(vocabulary, _sentences(left, lines, valid))
            log_probs = token_log_probs(left.language_model, token_ids, state=state)
            cross_entropy = float(-log_probs.mean())
            mixture = Mixture(mixture.weights, cross_entropy, perplexity_of(cross_entropy), mixture.counting)
        words = int(np.count_nonzero(token_ids != SENTENCE_END_ID))
        figures = ValidFigures(
            cross_entropy_nats=mixture.cross_entropy_nats,
            perplexity=mixture.perplexity,
            includes_oov=True,
            state=state,
            vocabulary_size=len(vocabulary),
            oov_rate=int(np.count_nonzero(token_ids == UNKNOWN_ID)) / words if words else 0.0,
            tokens=len(token_ids),
        )
        bundle, metrics = _combine(models, members, mixture, figures, place, vocabulary)
        tuned = add_figures(bundle, metrics, token_ids, includes_oov=True)
        # Also if a single model is left: its figures are of this text, not of the text that it kept before.
        content = [f"{line}\n".encode("utf-8", "surrogatepass") for line in lines]
        keep_text(bundle.folder, kept_lines(content, sum(map(len, content))))
        verify_bundle(bundle.folder)
        published = folder.publish(bundle.folder, generations_kept(folder))
        summary |= {"published": str(published), "valid_perplexity": mixture.perplexity, "valid_state": state}
    return Mixed(
        published=str(published),
        model=str(output),
        members=[
            Member(model=name, weight=weight, perplexity=each.perplexity if np.isfinite(each.perplexity) else None)
            for name, weight, each in zip(models, mixture.weights, scores, strict=True)
        ],
        perplexity=mixture.perplexity,
        tokens=len(token_ids),
        vocabulary_size=figures.vocabulary_size,
        oov_rate=figures.oov_rate,
        state=state,
        cache=tuned,
    )


def _combine(
    models: Sequence[str],
    members: Sequence[Bundle],
    mixture: Mixture,
    figures: ValidFigures,
    place: Path,
    vocabulary: Vocabulary,
) -> tuple[Bundle, dict[str, Any]]:
    """Write the bundle of the members that have weight: a mixture of them, or a single member as it is.

    Args:
        models: names of the models.
        members: their bundles, in `place` under the names of `_places`.
        mixture: weights of all members.
        figures: figures of the text, for metrics.json.
        place: folder of the mixture.
        vocabulary: of the mixture.

    Returns:
        The bundle, and the content of its metrics.json.
    """
    counting = mixture.counting
    for number, name in enumerate(models):
        if number not in counting:
            logger.warning("%s is left out: the text gives it a weight of %.4f", name, mixture.weights[number])
    if len(counting) == 1:
        bundle = members[counting[0]]
        return bundle, {**bundle.metrics(), "valid": figures}
    # The weights were tuned on tokens of the first model, also if it is left out.
    of_text = TextFiles.of_bundle(members[0])
    kept = []
    for number, source in enumerate(counting):
        target = place / member_name(number)
        if number != source:
            remove(target)
            members[source].folder.rename(target)
        kept.append(open_bundle(target))
    for number in range(len(counting), len(members)):
        remove(place / member_name(number))
    corpora = [member.record.corpus for member in kept]
    corpus = corpora[0] if all(each == corpora[0] for each in corpora) else None
    weights = [mixture.weights[number] for number in counting]
    # The weights of the members that are left sum to 1 again.
    shares = weights if len(weights) == len(members) else [weight / sum(weights) for weight in weights]
    metrics = {"valid": figures}
    of_kept = dataclasses.replace(mixture, weights=shares)
    if any(member.vocabulary().words != vocabulary.words for member in kept):
        characters = joined_characters([member.characters() for member in kept])
        of_text = dataclasses.replace(
            of_text, vocabulary=vocabulary.to_tsv().encode(), characters=characters.to_tsv().encode()
        )
    return write_mixture(place, kept, of_kept, metrics, text=of_text, corpus=corpus, training=None), metrics


def _places(models: Sequence[str]) -> list[str]:
    return [member_name(number) for number in range(len(models))]


def _sentences(model: Model, lines: Iterable[str], path: str) -> list[list[str]]:
    """The words of the sentences of a text, as the model cuts them.

    Raises:
        DataError: there are none.
    """
    keep = model.bundle.record.recipe.blank_lines == "keep"
    texts = (model.encode(line).words for line in lines)
    sentences = [words for words in texts if words or keep]
    if not sentences:
        raise DataError(f"{source_name(path)}: nothing to tune on; expected text, a sentence a line")
    return sentences


def _encoded(vocabulary: Vocabulary, sentences: Iterable[Sequence[str]]) -> IntArray:
    """The ids of sentences, each of which ends with `</s>`."""
    ids = ([*vocabulary.encode(words), SENTENCE_END_ID] for words in sentences)
    return np.fromiter(itertools.chain.from_iterable(ids), dtype=np.int64)


def _copy(name: str, target: Path) -> Bundle:
    """Copy the bundle that `-m NAME` names. If a new generation is published meanwhile, that one is copied."""

    def copied(source: Path) -> Bundle:
        remove(target)
        target.mkdir(parents=True)
        for path in sorted(source.rglob("*")):
            place = target / path.relative_to(source)
            if path.is_dir():
                place.mkdir()
                continue
            with files.written_whole(place) as copy:
                files.copy_content(path, copy)
        return verify_bundle(target)

    return opened(name, copied)
