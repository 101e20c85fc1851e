"""The compiled steps of training and validation, on one device or on several."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.training.optimizers import summed_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from lmctl.corpus.batches import Segment
    from lmctl.families.network import Network
    from lmctl.training.hosts.link import Link
    from lmctl.training.optimizers import Optimizer


class Steps:
    """Steps of training and validation, one segment each.

    If there are several copies of the network, each copy reads a share of a segment's columns. Their gradients are
    summed, so that the copies stay equal.

    A copy may read its columns in groups that do not depend on each other. TensorFlow then computes them at the
    same time, each on one core. Two threads that share every matrix product are slower, because the products of a
    recurrence are thin and the operations between them use one thread.

    Args:
        network: a network of any family, made in the strategy's scope.
        optimizer: optimizer of its variables, made in the same scope.
        strategy: strategy of tf.distribute that places the copies.
        scores_oov: whether validation counts targets that are `<unk>`.
        groups: number of groups of columns of a copy; fewer if there are fewer columns.
        link: the other workers, each with copies of its own; None: this process trains alone.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        strategy: Any,
        *,
        scores_oov: bool,
        groups: int = 1,
        link: Link | None = None,
    ) -> None:
        self._network = network
        self._most_groups = groups
        self._optimizer = optimizer
        self._strategy = strategy
        self.scores_oov = scores_oov
        self._copies = strategy.num_replicas_in_sync
        self._link = link

    def null_state(self, columns: int) -> Any:
        """Return the null state for segments with this number of columns."""
        share = -(-columns // self._copies)
        return self._on_each_copy(lambda _copy: self._network.null_state(share))

    def export_state(self, state: Any) -> dict[str, NDArray[Any]]:
        """Return the tensors of a state by their positions in tf.nest order, with the columns of all copies."""
        if self._link is not None:
            axis = self._network.batch_axis
            with self._link.together("gathering the state"):
                leaves = [self._link.gathered(leaf, axis) for leaf in tf.nest.flatten(state)]
            return {str(place): leaf.numpy() for place, leaf in enumerate(leaves)}
        parts = [tf.nest.flatten(part) for part in self._strategy.experimental_local_results(state)]
        return {
            str(place): np.concatenate([tensor.numpy() for tensor in tensors], axis=self._network.batch_axis)
            for place, tensors in enumerate(zip(*parts, strict=True))
        }

    def import_state(self, tensors: Mapping[str, NDArray[Any]], columns: int) -> Any:
        """Return the state of tensors from `export_state`, for segments with this number of columns.

        Raises:
            KeyError: a tensor is missing.
            ValueError: the shape or dtype of a tensor does not fit this network.
        """
        share = -(-columns // self._copies)
        axis = self._network.batch_axis

        def import_share(copy: int) -> Any:
            null = self._network.null_state(share)
            of_copy = (slice(None),) * axis + (slice(copy * share, (copy + 1) * share),)
            found = []
            for place, expected in enumerate(tf.nest.flatten(null)):
                tensor = tf.constant(tensors[str(place)][of_copy])
                if tensor.shape != expected.shape or tensor.dtype != expected.dtype:
                    raise ValueError(
                        f"state {place} is {tensor.dtype.name} {tensor.shape}, expected {expected.dtype.name} "
                        f"{expected.shape}"
                    )
                found.append(tensor)
            return tf.nest.pack_sequence_as(null, found)

        return self._on_each_copy(import_share)

    def train(self, segment: Segment, state: Any, *, seed: int, step: int, rate: float) -> tuple[float, Any]:
        """One optimizer update.

        Args:
            segment: the segment to train on.
            state: state after the step before.
            seed: seed of the run; seed and step decide the dropout masks.
            step: number of this update, from 0.
            rate: learning rate.

        Returns:
            Summed cross-entropy of the segment's targets in nats, and the state after the segment.
        """
        numbers = (tf.constant([seed, step], tf.int32), tf.constant(rate, tf.float32))
        positions = tf.constant(float(segment.targets.size))
        with self._together("training") as pulse:
            nats, state, beat = self._train(self._shares(segment), state, *numbers, positions, pulse)
            total_nats = float(nats)
        self._take_note(beat)
        return total_nats, state

    def validate(self, segment: Segment, state: Any) -> tuple[float, int, Any]:
        """Return the summed cross-entropy in nats, the number of targets, and the state after the segment."""
        with self._together("validating") as pulse:
            nats, targets, state, beat = self._validate(self._shares(segment), state, pulse)
            total_nats, counted = float(nats), int(targets)
        self._take_note(beat)
        return total_nats, counted, state

    @contextlib.contextmanager
    def _together(self, what: str) -> Iterator[Any]:
        """Compute when all workers are there, and yield what this one tells the others; None if it is alone."""
        if self._link is None:
            yield None
            return
        with self._link.together(what):
            yield self._link.pulse()

    def _take_note(self, beat: Any) -> None:
        if self._link is not None:
            self._link.beat(beat)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def _train(
        self, share: Any, state: Any, seed: Any, rate: Any, positions: Any, pulse: Any
    ) -> tuple[Any, Any, Any]:
        arguments = (share, state, seed, rate, positions)
        nats, state = self._strategy.run(self._train_copy, args=arguments)
        return self._total(nats), state, self._total(pulse)

    def _total(self, of_copies: Any) -> Any:
        """The sum of a tensor over all copies; None if there is none."""
        if of_copies is None:
            return None
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, of_copies, axis=None)

    def _train_copy(self, share: Any, state: Any, seed: Any, rate: Any, positions: Any) -> tuple[Any, Any]:
        variables = self._network.named_weights()
        replica = tf.distribute.get_replica_context()
        if self._copies > 1:
            seed = _numbered(seed, replica.replica_id_in_sync_group)
        with tf.GradientTape() as tape:
            total_nats, _, state = self._sums(share, state, seed)
            # Divided by all positions, padding included, so that a nearly empty batch makes a small update.
            loss = total_nats / positions
        found = tape.gradient(loss, list(variables.values()))
        if self._copies > 1:
            found = _summed_over_copies(replica, found)
        gradients = {name: summed_rows(gradient) for name, gradient in zip(variables, found, strict=True)}
        self._optimizer.apply(gradients, rate, seed[1] + 1)
        return total_nats, state

    # Batches of sentences have many lengths. Without reduce_retracing, each length would be compiled again.
    @tf.function(reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def _validate(self, share: Any, state: Any, pulse: Any) -> tuple[Any, Any, Any, Any]:
        nats, targets, state = self._strategy.run(self._validate_copy, args=(share, state))
        return self._total(nats), self._total(targets), state, self._total(pulse)

    def _validate_copy(self, share: Any, state: Any) -> tuple[Any, Any, Any]:
        return self._sums(share, state, None)

    def _sums(self, share: Any, state: Any, dropout_seed: Any) -> tuple[Any, Any, Any]:
        """Return the summed nats of the targets that count, their number, and the state, of the columns of a copy.

        Args:
            share: inputs and targets (T, B), lengths and restarts (B,).
            state: of B columns.
            dropout_seed: of the copy; None: validation.
        """
        columns, axis = share[0].shape[1], self._network.batch_axis
        # Batches of validation may have any number of columns, so a group may be empty then.
        groups = self._most_groups if columns is None else min(self._most_groups, columns)
        if groups == 1:
            return self._sums_of_group(share, state, dropout_seed)
        nats, targets, states = [], [], []
        shares = zip(*(_divided(part, groups, -1) for part in share), strict=True)
        leaves = zip(*(_divided(leaf, groups, axis) for leaf in tf.nest.flatten(state)), strict=True)
        for number, (of_group, group_leaves) in enumerate(zip(shares, leaves, strict=True)):
            seed = None if dropout_seed is None else _numbered(dropout_seed, number)
            before = tf.nest.pack_sequence_as(state, group_leaves)
            group_nats, group_targets, after = self._sums_of_group(of_group, before, seed)
            nats.append(group_nats)
            targets.append(group_targets)
            states.append(after)
        after = tf.nest.map_structure(lambda *parts: tf.concat(parts, axis), *states)
        return tf.add_n(nats), tf.add_n(targets), after

    def _sums_of_group(self, share: Any, state: Any, dropout_seed: Any) -> tuple[Any, Any, Any]:
        inputs, targets, lengths, restart = share
        state = self._network.restarted(state, restart)
        nats, state = self._network.cross_entropy(inputs, targets, state, dropout_seed)
        counts = tf.transpose(tf.sequence_mask(lengths, tf.shape(targets)[0], tf.float32))
        if dropout_seed is None and not self.scores_oov:
            counts *= tf.cast(targets != UNKNOWN_ID, tf.float32)
        return tf.reduce_sum(nats * counts), tf.reduce_sum(counts), state

    def _shares(self, segment: Segment) -> Any:
        """Divide a segment's columns among the copies; empty columns, all `</s>`, make the shares equal."""
        parts: tuple[NDArray[Any], ...] = (segment.inputs, segment.targets, segment.lengths, segment.restart)
        missing = -len(segment.lengths) % self._copies
        if missing:
            # As the padding of a column (`corpus.batches`): a network may choose among all words of a segment.
            fillers = (SENTENCE_END_ID, SENTENCE_END_ID, 0, False)
            parts = tuple(
                np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, missing)], constant_values=filler)
                for part, filler in zip(parts, fillers, strict=True)
            )
        columns = (len(segment.lengths) + missing) // self._copies

        def share(copy: int) -> tuple[Any, ...]:
            return tuple(tf.constant(part[..., copy * columns : (copy + 1) * columns]) for part in parts)

        return self._on_each_copy(share)

    def _on_each_copy(self, make: Callable[[int], Any]) -> Any:
        if self._copies == 1:
            return make(0)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: make(int(context.replica_id_in_sync_group))
        )


def _summed_over_copies(replica: Any, gradients: list[Any]) -> list[Any]:
    """The sum of each gradient over all copies.

    Collective operations do not sum row-wise and dense gradients in one call.
    """
    summed = dict[int, Any]()
    for is_row_wise in (False, True):
        places = [
            place for place, each in enumerate(gradients) if isinstance(each, tf.IndexedSlices) == is_row_wise
        ]
        if places:
            parts = replica.all_reduce(tf.distribute.ReduceOp.SUM, [gradients[place] for place in places])
            summed |= dict(zip(places, parts, strict=True))
    return [summed[place] for place in range(len(gradients))]


def _numbered(seed: Any, number: Any) -> Any:
    """The seed of a copy, or of a group of columns. The second integer, the number of the step, stays.

    The first number of a result of `stateless_fold_in` depends on the seed alone, and the second is the folded
    number. So the number enters the first integer with the second call.
    """
    fold_in = tf.random.experimental.stateless_fold_in
    return tf.stack([fold_in(fold_in(seed, number), 0)[0], seed[1]])


def _divided(values: Any, groups: int, axis: int) -> list[Any]:
    """Divide a tensor into parts of nearly equal size along an axis."""
    size = values.shape[axis]
    size = tf.shape(values)[axis] if size is None else size
    sizes = [(size + number) // groups for number in range(groups)]
    return tf.split(values, sizes, axis=axis, num=groups)  # type: ignore[no-any-return]
