"""The endpoints that answer with words: those that may follow a context, and those that may fill a gap."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.errors import UsageError
from lmctl.progress import tell
from lmctl.query.filling import Filler, GapAnswer
from lmctl.query.prediction import Predictor
from lmctl.serve.answers import ContextAnswer, FilledAnswer
from lmctl.serve.batches import all_texts, by_state, check_needed, check_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.query.prefixes import Prefixes
    from lmctl.query.text_model import TextModel
    from lmctl.serve.batches import Fields
    from lmctl.serve.bodies import FillRequest, PredictRequest
    from lmctl.serve.live_model import OpenedModel

_SPECIAL_IDS = (UNKNOWN_ID, SENTENCE_END_ID)


def predict(opened: OpenedModel, requests: Sequence[PredictRequest]) -> list[Fields]:
    """The next words after contexts."""
    return [found for some in by_state(requests) for found in _predicted(opened, some)]


def _predicted(opened: OpenedModel, requests: Sequence[PredictRequest]) -> list[Fields]:
    predictor = _predictor(opened, requests[0])
    found = iter(predictor.answer(all_texts(requests)))
    return [
        {
            "answers": [
                ContextAnswer(
                    line=line,
                    context=answer.context,
                    oov=answer.oov,
                    predictions=answer.predictions,
                    **{
                        name: getattr(answer, name)
                        for name in ("prefix", "exact", "unseen")
                        if hasattr(answer, name)
                    },
                )
                for line, answer in enumerate(itertools.islice(found, len(request.contexts)), start=1)
            ]
        }
        for request in requests
    ]


def _predictor(opened: OpenedModel, asked: PredictRequest) -> Predictor:
    check_state(asked)
    check_needed(asked, "words", "limit")
    check_needed(asked, "prefix", "given_prefix", "ignore_case")
    if asked.words and asked.prefix:
        raise UsageError("words and prefix contradict each other; prefix completes words of the vocabulary")
    model = opened.with_cache(asked.cache)
    settings: dict[str, Any] = {
        "k": asked.k,
        "threshold": asked.threshold,
        "allow_unknown": asked.allow_unk,
        "allow_sentence_end": asked.allow_eos,
        "mid_sentence": asked.mid_sentence,
        "state": asked.state,
        "peek": asked.peek,
    }
    if asked.words:
        from lmctl.query.whole_words import LIMIT, WordPredictor

        return WordPredictor(model, limit=asked.limit or LIMIT, candidates=asked.candidates, **settings)
    settings["candidates"] = _known(model, asked.candidates)
    if asked.prefix:
        from lmctl.query.prefixes import PrefixPredictor

        prefixes: Prefixes = opened.prefixes(ignore_case=asked.ignore_case)
        return PrefixPredictor(model, prefixes=prefixes, given_prefix=asked.given_prefix, **settings)
    return Predictor(model, **settings)


def fill(opened: OpenedModel, requests: Sequence[FillRequest]) -> list[Fields]:
    """The words for gaps."""
    asked = requests[0]
    filler = Filler(
        opened.model,
        k=asked.k,
        blank=asked.blank,
        limit=asked.limit,
        full=asked.full,
        allow_unknown=asked.allow_unk,
        allow_sentence_end=asked.allow_eos,
        candidates=_known(opened.model, asked.candidates),
        mid_sentence=asked.mid_sentence,
    )
    if asked.full and asked.limit is not None:
        raise UsageError("full and limit contradict each other")
    gaps = sum(len(request.texts) for request in requests)
    done = 0
    answered = []
    for request in requests:
        answers = []
        for line, text in enumerate(request.texts, start=1):
            # At a report, work for which nobody waits is given up; a model that fills gaps makes none of its own.
            tell("filling the gaps", done, gaps)
            answers.append(FilledAnswer(line=line, **_fields(filler.answer(text))))
            done += 1
        answered.append({"answers": answers})
    return answered


def _fields(answer: GapAnswer) -> Fields:
    return {name: getattr(answer, name) for name in GapAnswer.__slots__}


def _known(model: TextModel, candidates: Sequence[str] | None) -> Sequence[str] | None:
    """The candidates that the model knows; all of them if it knows none, for the message about that.

    Otherwise a warning about the others would be logged for each request.
    """
    if candidates is None:
        return None
    wanted = [model.tokenizer.normalization(word) for word in candidates]
    ids = model.vocabulary.encode(wanted)
    known = [word for word, token_id in zip(candidates, ids, strict=True) if token_id not in _SPECIAL_IDS]
    return known or candidates
