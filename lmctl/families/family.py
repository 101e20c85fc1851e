"""The interface of a family of models. results.py has the types of what its methods return.

The rest of lmctl never names a family. It reads the attributes of a `Family` and calls its methods. A model is
made in one of three ways, and the attribute says which methods a family must have beside the abstract ones:

    trains_network   sizes_of, network, random_model, state_numbers: training by gradient (`lmctl train`)
    estimates        estimate: another algorithm, such as counting (`lmctl train`)
    combines         combine: weights for models that exist (`lmctl mix`)

Everything else is optional: `config_type` (needed by `lmctl train`), presets, `carry_over` (warm start), `export`.
ARCHITECTURE.md, "Add a family", lists the steps in order; tests/toy_family is a complete family in 100 lines.

A module that defines a family imports its runtime, its network and its sizes inside the methods. So a query
imports only the runtime of one family, and never TensorFlow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.corpus.preparation import OrderedMap
    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.exporting import ExportFigures, ExportFormat, ExportOptions
    from lmctl.families.gap_model import GapModel
    from lmctl.families.network import Network, NetworkOptions
    from lmctl.families.results import Estimated, ForeignModel

    # A model for queries: of the next word, or of a gap.
    Runtime = LanguageModel[Any] | GapModel


class Family(ABC):
    """One family of models. The package of the family has one object of its class, FAMILY, which holds no state.

    Attributes:
        name: the value of `model.family` in a configuration and of `family` in model.json.
        title: a few words for help and reports, such as "a recurrent network that is trained".
        predicts_next_word: whether its models are distributions of the next word (`LanguageModel`). If not, they
            fill gaps with text on both sides (`GapModel`): queries that need the next word refuse them, they are
            not mixed, and their figures are pseudo-perplexities. Such a family sets `trains_network`.
        presets: the names of its presets. Preset NAME is the file NAME.yaml in `preset_folder`.
        automatic_presets: the presets that `preset: auto` chooses among. The value is the largest number of
            training tokens that the preset is chosen for, in rising order; None: no limit.
        brief_presets: the presets that replace some of these, by their names, in a training of a few minutes.
        trains_network: whether `training/` trains its models by gradient (`network`).
        estimates: whether its models are estimated by `estimate`.
        is_baseline: whether lmctl estimates a model of this family beside every network, to compare and mix it
            with the network. One family is the baseline.
        combines: whether its models consist of other models, the members (`combine`). One family combines.
        also_uses: keys of `training:` and `device:` that take effect although `trains_network` is false. Any other
            key of these sections is refused if it does not have its default.
        without_effect: such keys that have no effect although `trains_network` is true, and are refused likewise.
        inherited_sizes: keys of `model:` that a warm start inherits if they are not set. None: no warm start.
        fixed_weights: weights in a bundle that training does not change (not in `Network.named_weights`).
        export_formats: the formats that `export` writes, by name. A name is a value of `lmctl export --to`.
        import_formats: the formats that `read_foreign` reads, by name, each with the usual suffixes of its files.
            A name is a value of `lmctl import --from`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    predicts_next_word: ClassVar[bool] = True
    presets: ClassVar[tuple[str, ...]] = ()
    automatic_presets: ClassVar[Mapping[str, int | None]] = {}
    brief_presets: ClassVar[Mapping[str, str]] = {}
    trains_network: ClassVar[bool] = False
    estimates: ClassVar[bool] = False
    is_baseline: ClassVar[bool] = False
    combines: ClassVar[bool] = False
    also_uses: ClassVar[frozenset[str]] = frozenset()
    without_effect: ClassVar[frozenset[str]] = frozenset()
    inherited_sizes: ClassVar[tuple[str, ...]] = ()
    fixed_weights: ClassVar[frozenset[str]] = frozenset()
    export_formats: ClassVar[Mapping[str, ExportFormat]] = {}
    import_formats: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @property
    def config_type(self) -> type[Any] | None:
        """The struct of the keys of `model:`; None: a configuration cannot choose this family.

        It is a frozen msgspec struct with `forbid_unknown_fields`, tag field `family` and the name of the family
        as tag. Each field has a default, and a `Meta` with its range and its description. The `extra` of a Meta
        may have "expected" (the accepted values in words, for messages), "metavar" (the placeholder in help) and
        "flag" (the flag of `lmctl train` that sets the key).
        """
        return None

    @property
    def preset_folder(self) -> Path | None:
        """The folder of the preset files; None: lmctl/configs."""
        return None

    @property
    @abstractmethod
    def sizes_type(self) -> type[Any]:
        """The struct of the dimensions of a model (`Sizes`): frozen, tag field `family`, the family's name as tag.

        model.json may come from an unknown source, so every number has bounds.
        """

    def check_config(self, config: Any) -> None:  # noqa: B027
        """Refuse combinations of keys that have no meaning.

        Args:
            config: of type `config_type`; each value is in its range.

        Raises:
            UsageError: two keys contradict each other.
        """

    @abstractmethod
    def load(self, bundle: BundleFiles, members: Sequence[LanguageModel[Any]]) -> Runtime:
        """Load the model of a bundle for queries, in NumPy.

        Args:
            bundle: a bundle of this family.
            members: the loaded members, if the family combines other models; else empty.

        Raises:
            DataError: a file is missing, damaged, or has a shape that does not fit `bundle.sizes`.
        """

    @abstractmethod
    def describe(self, sizes: Any) -> dict[str, str]:
        """The rows of `lmctl info` about a model: labels and texts. The first label is "family"."""

    def own_figures(self, bundle: BundleFiles, token_ids: IntArray) -> dict[str, float]:  # noqa: ARG002
        """Compute figures of a new model that only this family has, from a sample of the validation text.

        They are stored in metrics.json, and `lmctl info` has a row for each. By default there are none. The same
        model and text must give the same figures.

        Args:
            bundle: a finished bundle of this family.
            token_ids: the validation text, (N,); every sentence ends with `</s>`. May be empty.

        Returns:
            Figures by name. A name is in lower case, with `_` between words, and has the unit.
        """
        return {}

    def own_figures_tokens(self, sizes: Any, tokens: int) -> int:  # noqa: ARG002
        """About how many tokens could be scored in the time that `own_figures` takes; 0: next to no time.

        A training with a time limit reserves this time, and leaves the figures out if there is not enough.

        Args:
            sizes: of the model.
            tokens: number of tokens of the validation text.
        """
        return 0

    def short_name(self, sizes: Any) -> str:  # noqa: ARG002
        """The name of a model of these sizes in a table, in one or two words."""
        return self.name

    def combine(self, vocabulary_size: int, weights: Sequence[float]) -> Any:
        """Return the sizes of a model that combines members. Called only if `combines`.

        Args:
            vocabulary_size: V, the same for all members.
            weights: the mixture weight of each member; their sum is 1.
        """
        raise NotImplementedError(self.name)

    def count_parameters(self, sizes: Any) -> int | None:
        """Count the numbers that a model stores; None: all of them belong to its members."""
        raise NotImplementedError(self.name)

    def sizes_of(self, word_counts: Sequence[int], config: Any) -> Any:
        """Return the sizes of a network. Called only if `trains_network`.

        Args:
            word_counts: how often each word of the vocabulary occurs in the training text, by id, (V,).
            config: of type `config_type`.
        """
        raise NotImplementedError(self.name)

    def network(self, sizes: Any, config: Any, options: NetworkOptions) -> Network:
        """Build the network with random weights. Imports TensorFlow. Called only if `trains_network`.

        Args:
            sizes: as returned by `sizes_of`.
            config: of type `config_type`.
            options: precision, seed and device.
        """
        raise NotImplementedError(self.name)

    def random_model(self, sizes: Any) -> Runtime:
        """Build the runtime of these sizes with random weights, to time it. Called only if `trains_network`."""
        raise NotImplementedError(self.name)

    def state_numbers(self, sizes: Any) -> int:
        """Count the numbers in the state of one column of a batch. Called only if `trains_network`."""
        raise NotImplementedError(self.name)

    def carry_over(
        self, weights: Mapping[str, Float32Array], old: Any, new: Any, old_ids: IntArray
    ) -> tuple[dict[str, Float32Array], Any]:
        """Make the initial weights of a network from an older model: a warm start. Called if `inherited_sizes`.

        Args:
            weights: the weights of the old model, by name.
            old: the sizes of the old model.
            new: the sizes of the network to be trained.
            old_ids: the id that each word of the new vocabulary has in the old vocabulary, (V,); -1: none.

        Returns:
            The weights of the new network by name, and how many words kept their rows
            (`layers.warm_start.RowCounts`).
        """
        raise NotImplementedError(self.name)

    def carried_rows(self, old: Any, new: Any, old_ids: IntArray) -> dict[str, IntArray]:
        """By name, for each weight with a row for each word, the old row that each row is, (rows,); -1: none.

        Called if `inherited_sizes`; see `carry_over` for the arguments.
        """
        raise NotImplementedError(self.name)

    def settle_config(self, config: Any, training_tokens: int) -> Any:  # noqa: ARG002
        """Fill in the keys whose values follow from the number of training tokens. By default there are none."""
        return config

    def estimate(
        self,
        token_ids: IntArray,
        vocabulary_size: int,
        folder: Path,
        config: Any,
        scratch: Path,
        workers: AbstractContextManager[OrderedMap],
    ) -> Estimated:
        """Estimate a model from the training text, and write its files. Called only if `estimates`.

        Args:
            token_ids: the training text, (N,); every sentence ends with `</s>`. May be memory-mapped.
            vocabulary_size: V; every id is less.
            folder: the folder for the files of the model.
            config: of type `config_type`.
            scratch: an empty folder for temporary files, deleted afterwards.
            workers: a context that provides a map, perhaps over other processes, or over machines that share
                `scratch`; `contextlib.nullcontext(map)` works in this process. Starting processes takes a part of
                a second, so a family enters the context, at most once, only if its work takes longer.
        """
        raise NotImplementedError(self.name)

    def export(
        self, bundle: BundleFiles, format: str, file: IO[bytes], options: ExportOptions
    ) -> ExportFigures | None:
        """Write a model in the format of another program, and report progress to `lmctl.progress`.

        Args:
            bundle: a bundle of this family.
            format: one of `export_formats`.
            file: open for writing, at its beginning.
            options: those that the format has; the others have their defaults.

        Returns:
            What another program read from the file, if the format is checked. Nothing is written if it reads other
            numbers.

        Raises:
            DataError: a file of the bundle is missing or damaged, or another program reads other numbers.
            QualityGateError: rounding costs more than the options allow.
            MissingExtraError: a package that the format needs is not installed.
        """
        raise NotImplementedError(self.name)

    def read_foreign(self, path: Path, format: str) -> ForeignModel:
        """Read a model of another program, without running anything in its file.

        Args:
            path: of the file.
            format: one of `import_formats`.

        Raises:
            DataError: the file is damaged, or its model is not one of this family.
            MissingExtraError: a package that the format needs is not installed.
        """
        raise NotImplementedError(self.name)

    def estimation_bytes(self, training_tokens: int) -> int:  # noqa: ARG002
        """The least disk space that `estimate` needs for scratch files, in bytes; 0: it needs next to nothing."""
        return 0

    def estimate_part(self, token_ids: IntArray, vocabulary_size: int, config: Any, scratch: Path) -> None:
        """Do the work of `estimate` on a part of the training text, to time it. Called only if `is_baseline`.

        Args:
            token_ids: the part, (N,); it may be too short or too uniform for `estimate`.
            vocabulary_size: V.
            config: of type `config_type`.
            scratch: an empty folder for all files, deleted afterwards.
        """
        raise NotImplementedError(self.name)
