"""The endpoint that generates texts: whole, or in pieces as they grow.

The texts of all requests of a batch grow side by side, each with the seed of its request.
"""

from __future__ import annotations

import itertools
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lmctl.serve.answers import GeneratedAnswer, GeneratedPiece

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmctl.query.generated_text import Prompt
    from lmctl.query.generation import TextGenerator
    from lmctl.serve.bodies import GenerateRequest
    from lmctl.serve.live_model import OpenedModel


def generate(opened: OpenedModel, requests: Sequence[GenerateRequest]) -> list[dict[str, Any]]:
    """Continuations of prompts."""
    generator = _generator(opened, requests[0])
    prompts = _read(generator, requests)
    if requests[0].beam:
        # A search runs prompt by prompt, and may find fewer texts than it was asked for.
        found = [list(itertools.chain.from_iterable(generator.generate(some))) for some in prompts]
    else:
        texts = itertools.chain.from_iterable(generator.generate([*itertools.chain.from_iterable(prompts)]))
        found = [list(itertools.islice(texts, len(some) * requests[0].samples)) for some in prompts]
    return [{"answers": [GeneratedAnswer(**asdict(text)) for text in some]} for some in found]


def stream(
    opened: OpenedModel,
    requests: Sequence[GenerateRequest],
    tell: Sequence[Callable[[list[Any]], None]],
    is_wanted: Sequence[Callable[[], bool]],
) -> list[dict[str, Any]]:
    """Continuations of prompts, told in pieces first.

    Args:
        opened: the model.
        requests: requests with the same settings.
        tell: for each request, a function that takes its pieces after every step.
        is_wanted: for each request, whether a client still waits; otherwise its texts do not grow further.

    Returns:
        As `generate`; without the texts that nobody waited for.
    """
    generator = _generator(opened, requests[0])
    prompts = _read(generator, requests)
    request_of = [number for number, some in enumerate(prompts) for _ in some]
    every = [*itertools.chain.from_iterable(prompts)]
    steps = generator.stream_all(every, lambda place: is_wanted[request_of[place]]())
    while True:
        try:
            pieces = next(steps)
        except StopIteration as end:
            texts = end.value
            break
        told: dict[int, list[GeneratedPiece]] = {}
        for place, sample, text in pieces:
            piece = GeneratedPiece(
                model=opened.name,
                generation=opened.generation,
                line=every[place].line,
                sample=sample,
                piece=text,
            )
            told.setdefault(request_of[place], []).append(piece)
        for number, some in told.items():
            tell[number](some)
    found = iter(texts)
    return [
        {
            "answers": [
                GeneratedAnswer(**asdict(text))
                for text in itertools.islice(found, len(some) * requests[0].samples)
                if text is not None
            ]
        }
        for some in prompts
    ]


def _generator(opened: OpenedModel, asked: GenerateRequest) -> TextGenerator:
    from lmctl.query.generation import TextGenerator
    from lmctl.query.sampling import Sampling

    return TextGenerator(
        opened.model,
        samples=asked.samples,
        words=asked.words,
        sentences=asked.sentences,
        sampling=Sampling(asked.temperature, asked.top_k, asked.top_p, asked.min_p),
        beam=asked.beam,
        seed=asked.seed if asked.beam else None,
        stop=asked.stop,
        no_repeat_ngram=asked.no_repeat_ngram,
        tokens=asked.tokens,
    )


def _read(generator: TextGenerator, requests: Sequence[GenerateRequest]) -> list[list[Prompt]]:
    """The prompts of each request."""
    prompts = []
    for request in requests:
        seed = secrets.randbits(32) if request.seed is None else request.seed
        prompts.append(
            [generator.read(text, line=line, seed=seed) for line, text in enumerate(request.prompts, start=1)]
        )
    return prompts
