"""How large the network is that a configuration asks for, as its family says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus


def configured_sizes(corpus: PreparedCorpus, config: Config) -> Any:
    """The sizes of the network, with the vocabulary of a corpus."""
    return config.family.sizes_of(corpus.vocabulary.counts, config.model)


def configured_parameters(corpus: PreparedCorpus, config: Config) -> int:
    """How many numbers that network has."""
    family = config.family
    return family.count_parameters(configured_sizes(corpus, config)) or 0
