"""SentencePiece models as users have them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import sentencepiece  # noqa: TID253

if TYPE_CHECKING:
    from collections.abc import Iterable


def model_of_a_user(lines: Iterable[str], **options: Any) -> bytes:
    """A model that sentencepiece trains with its own defaults."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"vocab_size": 400, "model_type": "bpe"} | options,
    )
    return model.getvalue()


def all_pieces(model: bytes) -> tuple[str, ...]:
    """The pieces of a model, without the three reserved ones."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return tuple(processor.id_to_piece(number) for number in range(3, processor.get_piece_size()))
