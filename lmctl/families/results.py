"""Types of what the methods of a `Family` return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array, IntArray


class Sizes(Protocol):
    """The dimensions of a model, stored in model.json: a struct of its family (`Family.sizes_type`)."""

    @property
    def vocabulary_size(self) -> int:
        """V, the number of words in the vocabulary, with `<unk>` and `</s>`."""
        ...


@dataclass(frozen=True, slots=True)
class Estimated:
    """The result of `Family.estimate`.

    Attributes:
        sizes: the dimensions of the model, of type `Family.sizes_type`.
        config: the family's keys with every value that followed from the text filled in, of type
            `Family.config_type`.
        files: the names of the files that `estimate` wrote, all of which become files of the bundle.
        weights: the weights by name, if the family stores weights like a network; else None.
    """

    sizes: Any
    config: Any
    files: Sequence[str] = ()
    weights: Mapping[str, Float32Array] | None = None


class ForeignModel(Protocol):
    """A model of another program, whose words are only numbered."""

    @property
    def vocabulary_size(self) -> int:
        """The number of its words."""
        ...

    def in_own_form(self, rows: IntArray) -> tuple[Any, dict[str, Any], dict[str, Float32Array]]:
        """The model with a vocabulary of lmctl.

        Args:
            rows: the number that each word of the new vocabulary has in this model, (V,); -1: it does not have
                the word, whose probability becomes next to nothing.

        Returns:
            The sizes, of type `Family.sizes_type`; the keys of `Family.config_type` that follow from the model;
            and the weights.
        """
        ...
