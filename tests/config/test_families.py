from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
import pytest

from lmctl import families
from lmctl.config import Config, config_from_yaml, read_settings, to_yaml
from lmctl.errors import UsageError
from lmctl.families.family import Family
from lmctl.families.lstm.config import LSTMConfig
from lmctl.families.ngram.config import NgramConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def test_counting_is_a_family_with_a_preset_of_its_own(resolved):
    config = resolved("model.family=ngram", "model.order=3", "model.pruning='0 0 1'", "training.seed=7")

    assert read_settings([], ["model.family=ngram"], {}).resolve(10).preset == "ngram"
    assert (config.model.order, config.model.pruning) == (3, "0 0 1")
    assert resolved("preset=ngram").family.name == "ngram"


@pytest.mark.parametrize(
    "assignment",
    ["training.epochs=2", "training.init_from=m", "device.placement=gpu", "training.time_limit=5m"],
)
def test_keys_of_networks_are_refused_for_ngrams(assignment, resolved):
    with pytest.raises(UsageError, match=rf"^{assignment.split('=')[0]}: has no effect with model.family ngram"):
        resolved("model.family=ngram", assignment)


def test_the_precision_of_products_is_refused_for_a_network_without_large_ones(resolved):
    with pytest.raises(UsageError, match=r"^device.precision: has no effect with model.family hmm; leave it out$"):
        resolved("model.family=hmm", "device.precision=mixed_bfloat16")

    assert resolved("model.family=hmm", "device.precision=auto").device.precision == "auto"


def test_a_networks_preset_is_refused_for_ngrams(resolved):
    with pytest.raises(UsageError, match=r"^preset: tiny is a preset of family lstm, but model.family is ngram; "):
        resolved("model.family=ngram", "preset=tiny")


def test_a_mixture_needs_the_model_that_is_mixed_in(resolved):
    with pytest.raises(UsageError, match=r"^training.with_ngram: needs training.baseline"):
        resolved("training.with_ngram=true", "training.baseline=false")


@pytest.mark.parametrize("pruning", ["1", "0 x", "", "0  1", "'0 -1'", f"0 {'9' * 5000}"])
def test_pruning_is_counts_for_each_order(pruning, resolved):
    with pytest.raises(UsageError, match=r"^model.pruning: expected "):
        resolved("preset=ngram", f"model.pruning={pruning}")


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (
            ["model.smoothing=mle"],
            "model.smoothing: is a key of family ngram, but model.family is lstm; leave it out",
        ),
        (
            ["model.family=lstm", "model.order=6"],
            "model.order: is a key of families feedforward and ngram, but model.family is lstm; leave it out",
        ),
        (
            ["model.locked_dropout=true", "preset=ngram"],
            "model.locked_dropout: is a key of family lstm, but model.family is ngram; leave it out",
        ),
    ],
)
def test_a_key_of_another_family_is_refused_even_with_its_default(message, assignments, expected):
    assert message(*assignments) == expected


@pytest.mark.parametrize("others", [{}, {"model.family": "ngram"}, {"preset": "ngram"}])
def test_a_file_an_assignment_or_a_flag_may_name_the_family(write, others):
    named = [] if others else ["model.family=ngram"]

    model = read_settings([write("model: {order: 2}")], [*named, "model.smoothing=mle"], others).resolve().model

    assert model == NgramConfig(order=2, smoothing="mle")


def test_a_configuration_has_the_keys_of_one_family():
    assert (Config().model, Config().family.name) == (LSTMConfig(), "lstm")
    text = to_yaml(read_settings([], ["preset=ngram"], {}).resolve())
    assert (
        'model:\n  family: ngram\n  order: null\n  smoothing: kneser-ney\n  pruning: "0"\n  quantize: null\n\n'
        in text
    )


class ToyConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="toy"
):
    """A family of another package, with keys that other families have, too."""

    order: Annotated[float, msgspec.Meta(ge=0.5, description="No whole number.")] = 0.5
    layers: Annotated[int, msgspec.Meta(ge=10, description="Ten and more.", extra={"flag": "--layers"})] = 10


class Toy(Family):
    name = "toy"
    title = "a toy"
    presets = ("toy-one", "tiny")
    automatic_presets: ClassVar[Mapping[str, int | None]] = {"toy-one": 5}
    folder: Path

    @property
    def config_type(self) -> type[Any]:
        return ToyConfig

    @property
    def preset_folder(self) -> Path:
        return self.folder

    @property
    def sizes_type(self) -> type[Any]:
        raise NotImplementedError

    def load(self, bundle: Any, members: Any) -> Any:
        raise NotImplementedError

    def describe(self, sizes: Any) -> dict[str, str]:
        raise NotImplementedError


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A family that another package registers, with presets of its own, one of a name that lstm has, too."""

    class EntryPoint:
        name = "toy"
        value = "toy:FAMILY"

        def load(self):
            family = Toy()
            family.folder = tmp_path
            return family

    (tmp_path / "toy-one.yaml").write_text("model: {layers: 11}\n")
    (tmp_path / "tiny.yaml").write_text("model: {layers: 12}\n")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [EntryPoint()] if group == families.GROUP else [])
    families.clear_caches()
    yield
    monkeypatch.undo()
    families.clear_caches()


@pytest.mark.usefixtures("toy")
def test_a_family_of_another_package_brings_its_name_its_keys_and_its_presets(resolved, message):
    assert message("model.family=x") == (
        f"model.family: expected one of {', '.join(families.configurable())}, got 'x'"
    )
    assert "toy" in families.configurable()
    presets = dict.fromkeys(preset for family in families.configurable().values() for preset in family.presets)
    assert "toy-one" in presets
    assert message("preset=x") == f"preset: expected one of auto, {', '.join(presets)}, got 'x'"
    assert resolved("model.family=toy", tokens=5).model == ToyConfig(layers=11)
    # The family has no preset for more tokens.
    assert (resolved("model.family=toy", tokens=6).model, resolved("preset=toy-one").model.layers) == (
        ToyConfig(),
        11,
    )
    config = resolved("model.family=toy", "preset=tiny", "model.order=3")
    assert config.model == ToyConfig(layers=12, order=3.0)
    assert config_from_yaml(to_yaml(config)) == config
    # The name alone means the family that is registered first.
    assert resolved("preset=tiny").family.name == "lstm"


@pytest.mark.usefixtures("toy")
def test_a_key_that_several_families_own_is_that_of_the_family_that_is_chosen(resolved, message):
    assert resolved("model.layers=2").model.layers == 2
    assert resolved("model.layers=20", "model.family=toy").model.layers == 20
    order = resolved("model.order=3", "preset=ngram").model.order
    assert (order, type(order)) == (3, int)
    assert type(resolved("model.order=3", "model.family=toy").model.order) is float
    # A value that one of the families takes is refused only when the family is known.
    read_settings([], ["model.layers=20"], {})
    assert message("model.layers=20") == (
        "model.layers: expected a whole number of at least 1 and at most 8, got 20"
    )
    assert message("model.layers=2", "model.family=toy") == (
        "model.layers: expected a whole number of at least 10, got 2"
    )
    assert message("model.layers=0") == "model.layers: expected a whole number of at least 1 and at most 8, got 0"
    assert message("model.order=1").startswith(
        "model.order: is a key of families feedforward, ngram and toy, but model.family is "
    )


@pytest.mark.usefixtures("toy")
def test_keys_without_effect_follow_from_the_capabilities_of_a_family(message):
    assert message("model.family=toy", "training.seed=3") == (
        "training.seed: has no effect with model.family toy; leave it out"
    )
