"""The size of the network that a configuration describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus


def configured_sizes(corpus: PreparedCorpus, config: Config) -> Any:
    """The sizes of the network for the vocabulary of a corpus."""
    return config.family.sizes_of(corpus.vocabulary.counts, config.model)


def configured_parameters(corpus: PreparedCorpus, config: Config) -> int:
    """The number of parameters of the network; 0 if its family does not state it."""
    family = config.family
    return family.count_parameters(configured_sizes(corpus, config)) or 0
