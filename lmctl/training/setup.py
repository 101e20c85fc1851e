"""The objects of a training run, which are made on its device before the first step."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmctl.corpus.batches import TrainingBatches, unknown_rates
from lmctl.families.network import NetworkOptions
from lmctl.training.optimizers import AveragedWeights, Optimizer
from lmctl.training.steps import Steps
from lmctl.training.validation import Validation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array
    from lmctl.config import Config
    from lmctl.corpus.batches import TokenStream
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.families.network import Network
    from lmctl.training.devices import Device
    from lmctl.training.hosts.link import Link

# Fewest positions, T x B, in a group of columns. Smaller groups save little: a step of the preset tiny on
# corpora/en.txt takes 2.3 ms instead of 2.6.
SMALLEST_GROUP = 256


@dataclass(frozen=True, slots=True)
class Setup:
    """A network, its batches, its optimizer and its validation.

    Attributes:
        corpus: the prepared corpus.
        config: the resolved configuration.
        device: name of the device for messages.
        sizes: dimensions of the network.
        network: a network of the configured family.
        batches: batches of the training text.
        optimizer: optimizer of the network's variables.
        average: averaged weights; None if training.average_decay is 0.
        steps: compiled steps of training and validation.
        link: the other workers of a training on several hosts; None: this process trains alone.
        validation: scores the validation text.
        clock: the clock by which validations are timed, in seconds; all workers of a training have the same.
    """

    corpus: PreparedCorpus
    config: Config
    device: str
    sizes: Any
    network: Network
    batches: TrainingBatches
    optimizer: Optimizer
    average: AveragedWeights | None
    steps: Steps
    link: Link | None
    validation: Validation
    clock: Callable[[], float]

    @classmethod
    def of(
        cls,
        corpus: PreparedCorpus,
        config: Config,
        device: Device,
        initial_weights: Mapping[str, Float32Array] | None = None,
        clock: Callable[[], float] = time.monotonic,
        stream: TokenStream | None = None,
        initial_moments: Mapping[str, NDArray[Any]] | None = None,
    ) -> Setup:
        """Make the objects that a configuration asks for. The caller has entered the scope of the device.

        See `run.train_network` for the arguments.
        """
        training = config.training
        family = config.family
        sizes = family.sizes_of(corpus.vocabulary.counts, config.model)
        options = NetworkOptions(
            init_scale=training.init_scale,
            seed=training.seed,
            precision=device.precision,
            is_gpu=device.is_gpu,
            token_ids=corpus.train,
        )
        network = family.network(sizes, config.model, options)
        if initial_weights is not None:
            network.import_weights(initial_weights)
        variables = network.named_weights()
        optimizer = Optimizer(variables, training, compiled=not device.is_gpu)
        if initial_moments is not None:
            optimizer.start_from(initial_moments)
        batches = TrainingBatches(
            corpus.train if stream is None else stream,
            batch_size=training.batch_size,
            num_steps=training.num_steps,
            reset_probability=training.reset_probability,
            unknown_rates=unknown_rates(corpus.vocabulary.counts, training.rare_as_unknown),
            seed=training.seed,
        )
        if device.link is not None:
            batches.read_only(device.link.columns(batches.batch_size))
        positions = batches.batch_size * batches.num_steps
        groups = 1 if device.is_gpu else max(1, min(network.column_groups, positions // SMALLEST_GROUP))
        # If no training token is <unk>, the probability of <unk> falls without end and would alone decide which
        # epoch is best. OOVs are then left out of validation.
        steps = Steps(
            network,
            optimizer,
            device.strategy,
            scores_oov=corpus.record.train.oov > 0,
            groups=groups,
            link=device.link,
        )
        return cls(
            corpus=corpus,
            config=config,
            device=device.description,
            sizes=sizes,
            network=network,
            batches=batches,
            optimizer=optimizer,
            average=AveragedWeights(variables, training.average_decay) if training.average_decay else None,
            steps=steps,
            link=device.link,
            validation=Validation(corpus, config, steps, clock),
            clock=clock,
        )

    @property
    def parameters(self) -> int:
        """Number of the network's weights."""
        return sum(math.prod(variable.shape) for variable in self.network.named_weights().values())
