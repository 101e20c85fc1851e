"""Dynamic evaluation: the networks of a model go on learning from the text that they score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from lmctl import families
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import UsageError
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.text.reading import read_lines
from lmctl.training.loading import load_tensorflow, require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.arrays import IntArray
    from lmctl.families.base import LanguageModel
    from lmctl.query.model import Model
    from lmctl.store.bundle import Bundle

# Tokens of the kept text whose gradients are measured.
MEASURED_TOKENS = 8192


def follow_text(model: Model, rate: float) -> None:
    """Let the networks of a model follow each text that is scored with carried state.

    Args:
        model: the model; its runtime is replaced by one that only scores.
        rate: size of a step, see `training.dynamic.DynamicNetwork`.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        UsageError: the model has no network, or keeps no validation text.
    """
    bundle = model.bundle
    if not any(_is_network(each) for each in (bundle, *bundle.members())):
        raise UsageError(
            f"--dynamic: {bundle.folder} is of family {bundle.family}, which has no network that goes on learning"
        )
    kept = _kept_tokens(model)
    if not len(kept):
        raise UsageError(f"--dynamic: {bundle.folder} keeps no validation text, on which gradients are measured")
    require_tensorflow()
    load_tensorflow(verbose=False)
    from lmctl.training.devices import use_device
    from lmctl.training.dynamic import DynamicNetwork

    network = next(each for each in (bundle, *bundle.members()) if _is_network(each))
    device = use_device(msgspec.structs.replace(network.config().device, placement="auto", threads=0))

    def following(of: Bundle) -> LanguageModel[Any]:
        if members := of.members():
            return cast(
                "LanguageModel[Any]", families.find(of.family).load(of, [following(each) for each in members])
            )
        runtime = cast("LanguageModel[Any]", families.load_model(of))
        return DynamicNetwork(runtime, of, kept, rate, device) if _is_network(of) else runtime

    runtime = following(bundle)
    if isinstance(model.runtime, CachedLanguageModel):
        runtime = CachedLanguageModel(runtime, model.runtime.parameters, model.runtime.size)
    model.runtime = runtime
    model.dynamic_rate = rate


def _is_network(bundle: Bundle) -> bool:
    family = families.find(bundle.family)
    return family.trains_network and family.predicts_next_word


def _kept_tokens(model: Model) -> IntArray:
    """The first tokens of the kept validation text, each line with its `</s>`."""
    path = model.bundle.kept_text()
    found: list[int] = []
    lines: Iterator[str] = iter(()) if path is None else read_lines(str(path))
    for line in lines:
        token_ids = model.encode(line).token_ids
        if token_ids or model.bundle.record.recipe.blank_lines == "keep":
            found += [*token_ids, SENTENCE_END_ID]
        if len(found) >= MEASURED_TOKENS:
            break
    return np.array(found[:MEASURED_TOKENS], dtype=np.int64)
