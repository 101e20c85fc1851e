"""What lmctl asks of a family of models, whatever the family: `Family`, and the few protocols it speaks in.

The rest of lmctl never names a family, nor branches on one. It asks the family of a configuration or of a bundle
what it can do: whether it trains a network (`trains_network`), estimates a model in its own way (`estimates`),
starts from an older model's weights (`inherited_sizes`), stands as the baseline beside a network (`is_baseline`),
combines other models (`combines`), or is written in an exchange format (`export_formats`).

A family object costs nothing to make: each method imports what it needs when it is called, so that a query loads
the runtime of one family, and training the network of another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.base import BundleFiles, LanguageModel


class Sizes(Protocol):
    """The dimensions of a model, a struct of its family that is told apart by `family` in model.json."""

    @property
    def vocabulary_size(self) -> int:
        """V."""
        ...


@dataclass(frozen=True, slots=True)
class Estimated:
    """What a family that is estimated in its own way leaves in a folder.

    Attributes:
        sizes: of the model.
        config: the family's configuration as it turned out: nothing is left to be chosen by the text.
        files: names of the files that it wrote.
        weights: by name, for a family that keeps its numbers where networks keep theirs.
    """

    sizes: Any
    config: Any
    files: Sequence[str] = ()
    weights: Mapping[str, Float32Array] | None = None


class Network(Protocol):
    """What training asks of a network. Axes: T time, B batch, V vocabulary. Tensors are TensorFlow's.

    A state may be any structure of tensors (tf.nest), of any dtype, in which axis `batch_axis` is B.

    Attributes:
        batch_axis: the axis of B in every tensor of a state.
    """

    batch_axis: int

    def named_weights(self) -> dict[str, Any]:
        """The tf.Variables by the names that they have in a bundle."""
        ...

    def export_weights(self) -> dict[str, Float32Array]:
        """Their values."""
        ...

    def import_weights(self, weights: Mapping[str, Float32Array]) -> None:
        """Take values that `export_weights` gave."""
        ...

    def null_state(self, batch: int) -> Any:
        """The state before anything was read."""
        ...

    def restarted(self, state: Any, restart: Any) -> Any:
        """The state with some columns as they are in the null state; `restart` is (B,) bool."""
        ...

    def cross_entropy(self, inputs: Any, targets: Any, state: Any, dropout_seed: Any) -> tuple[Any, Any]:
        """Nats of each target, (T, B), and the state at the end.

        Args:
            inputs: token ids, (T, B).
            targets: the token that followed each input, (T, B).
            state: where each column starts from.
            dropout_seed: two integers that decide what is left out; None: nothing is.
        """
        ...


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """How a network is made, beside its sizes.

    Attributes:
        init_scale: word vectors start uniformly between minus this and this.
        seed: decides the initial weights.
        precision: "float32" or "mixed_bfloat16".
        is_gpu: whether it is trained on a GPU.
        token_ids: the training text, (N,), for a family whose network depends on it.
    """

    init_scale: float
    seed: int
    precision: str
    is_gpu: bool
    token_ids: IntArray


class Family(ABC):
    """One family of models.

    Attributes:
        name: what `model.family` and model.json call it.
        title: in a few words, for help and reports.
        presets: its presets, each a file PRESET.yaml in `preset_folder`.
        automatic_presets: those that `preset: auto` chooses among, each with the most training tokens it is chosen
            for, rising; None: any number.
        trains_network: whether `training/` trains it by gradient.
        estimates: whether it is estimated in its own way, by `estimate`.
        is_baseline: whether it is estimated beside a network, to be compared and mixed with it.
        combines: whether its models are made of other models, its members.
        also_uses: keys outside `model:` that mean something to a family that trains no network, although they are
            keys of training and of the device.
        inherited_sizes: sizes that a warm start takes from the old model if they are not set; empty: there is no
            warm start.
        export_formats: formats of other programs that its models can be written in, by `export`. Each one is a
            value of `lmctl export --to`, and the usual suffix of such a file.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    presets: ClassVar[tuple[str, ...]] = ()
    automatic_presets: ClassVar[Mapping[str, int | None]] = {}
    trains_network: ClassVar[bool] = False
    estimates: ClassVar[bool] = False
    is_baseline: ClassVar[bool] = False
    combines: ClassVar[bool] = False
    also_uses: ClassVar[frozenset[str]] = frozenset()
    inherited_sizes: ClassVar[tuple[str, ...]] = ()
    export_formats: ClassVar[tuple[str, ...]] = ()

    @property
    def config_type(self) -> type[Any] | None:
        """The keys of `model:` that it owns; None if no configuration can ask for it.

        A frozen msgspec struct with `forbid_unknown_fields`, the tag field `family` and the family's name as the
        tag. Each field has a default and, in a `Meta`, its range and description. `extra` of that Meta may hold
        "expected", the values it takes in words, "metavar", how help calls a value, and "flag", the flag of
        `lmctl train` that sets it.
        """
        return None

    @property
    def preset_folder(self) -> Path | None:
        """The folder of the files of its presets; None: that of lmctl's own."""
        return None

    @property
    @abstractmethod
    def sizes_type(self) -> type[Any]:
        """The struct of its sizes."""

    def check_config(self, config: Any) -> None:  # noqa: B027
        """Refuse keys that cannot hold together.

        Raises:
            UsageError: which, and why.
        """

    @abstractmethod
    def load(self, bundle: BundleFiles, members: Sequence[LanguageModel[Any]]) -> LanguageModel[Any]:
        """What answers, with its weights.

        Args:
            bundle: of this family.
            members: the models it is made of, loaded; none for most families.

        Raises:
            DataError: a file is missing, damaged, or of a shape that does not fit.
        """

    @abstractmethod
    def describe(self, sizes: Any) -> dict[str, str]:
        """The family and its dimensions in rows of `lmctl info`: "family" first."""

    def short_name(self, sizes: Any) -> str:  # noqa: ARG002
        """The name of a model of these sizes in a table, in one or two words."""
        return self.name

    def combine(self, vocabulary_size: int, weights: Sequence[float]) -> Any:
        """The sizes of a model that is made of members, with a weight for each. Only if it `combines`."""
        raise NotImplementedError(self.name)

    def count_parameters(self, sizes: Any) -> int | None:
        """How many numbers it answers from; None if its members say that."""
        raise NotImplementedError(self.name)

    def sizes_of(self, word_counts: Sequence[int], config: Any) -> Any:
        """The sizes that a configuration asks for, with a vocabulary of these counts, by id."""
        raise NotImplementedError(self.name)

    def network(self, sizes: Any, config: Any, options: NetworkOptions) -> Network:
        """The network with random weights; imports TensorFlow. Only if it `trains_network`."""
        raise NotImplementedError(self.name)

    def random_model(self, sizes: Any) -> LanguageModel[Any]:
        """The runtime with random weights, to see how long it takes to answer. Only if it `trains_network`."""
        raise NotImplementedError(self.name)

    def state_numbers(self, sizes: Any) -> int:
        """How many numbers the state of one column has. Only if it `trains_network`."""
        raise NotImplementedError(self.name)

    def carry_over(
        self, weights: Mapping[str, Float32Array], old: Any, new: Any, old_ids: IntArray
    ) -> tuple[dict[str, Float32Array], Any]:
        """An older model's weights for another vocabulary, and what became of the words' rows.

        Args:
            weights: of the old model, by name.
            old: its sizes.
            new: those of the network to be trained.
            old_ids: the id that each word of the new vocabulary had in the old one, (V,); -1 if it had none.
        """
        raise NotImplementedError(self.name)

    def settle_config(self, config: Any, training_tokens: int) -> Any:  # noqa: ARG002
        """The configuration with what follows from the number of training tokens."""
        return config

    def estimate(
        self, token_ids: IntArray, vocabulary_size: int, folder: Path, config: Any, scratch: Path
    ) -> Estimated:
        """Estimate a model from an id stream. Only if it `estimates`.

        Args:
            token_ids: sentences ending with `</s>`, (N,).
            vocabulary_size: V.
            folder: where its files go.
            config: the family's keys.
            scratch: for what does not fit in memory.
        """
        raise NotImplementedError(self.name)

    def export(self, bundle: BundleFiles, format: str, file: IO[bytes], unknown: str) -> None:
        """Write a model in one of `export_formats`, and tell `lmctl.progress` how far it is.

        Args:
            bundle: of this family.
            format: one of `export_formats`.
            file: open for writing, at its beginning.
            unknown: how the unknown word is written in the file.

        Raises:
            DataError: a file of the bundle is missing or damaged.
        """
        raise NotImplementedError(self.name)

    def estimation_bytes(self, training_tokens: int) -> int:  # noqa: ARG002
        """The least disk space that `estimate` needs for scratch files, in bytes; 0: it needs next to nothing."""
        return 0

    def estimate_part(self, token_ids: IntArray, vocabulary_size: int, config: Any, scratch: Path) -> None:
        """What `estimate` does, for a part of a text of any kind, only to know how long it takes."""
        raise NotImplementedError(self.name)
