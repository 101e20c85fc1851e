"""Optimizers: rules that turn gradients into updates, of whole variables or of some of their rows.

A step reads few rows of a large embedding table. If a gradient has only these rows, only they and their slots are
updated. The running means of a rare word then keep their values while the word is not read; they do not decay
towards zero. The rules are the same as in keras.optimizers, and the tests compare the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from lmctl.layers.keras.views import view_of
from lmctl.store.moments import STEPS
from lmctl.training import moments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lmctl.config import TrainingConfig

# Steps between updates of the averaged weights.
AVERAGE_EVERY = 10


@dataclass(frozen=True, slots=True)
class _Rule:
    """One optimizer.

    Attributes:
        slots: initial values of the slots, the further numbers that are kept for each weight.
        change: (gradient, slots, rate, steps) -> the amount to subtract from the weights, and the new slots.
            `steps` is (2,): the number of this update, from 1, and the number of updates that `second_moment` is
            a mean of.
        second_moment: the slot with the running mean of squared gradients, from which a later training goes on;
            None: there is none.
    """

    slots: tuple[float, ...]
    change: Callable[[Any, Sequence[Any], Any, Any], tuple[Any, list[Any]]]
    second_moment: int | None = None


def _sgd(gradient: Any, slots: Sequence[Any], rate: Any, steps: Any) -> tuple[Any, list[Any]]:  # noqa: ARG001
    return rate * gradient, []


def _adam(gradient: Any, slots: Sequence[Any], rate: Any, steps: Any) -> tuple[Any, list[Any]]:
    """Kingma & Ba 2015, arXiv:1412.6980: the variant before section 2.1, as Keras has it."""
    first_decay, second_decay, epsilon = 0.9, 0.999, 1e-7
    first, second = slots
    first += (1 - first_decay) * (gradient - first)
    second += (1 - second_decay) * (gradient * gradient - second)
    rate *= tf.sqrt(1 - second_decay ** steps[1]) / (1 - first_decay ** steps[0])
    return rate * first / (tf.sqrt(second) + epsilon), [first, second]


def _adagrad(gradient: Any, slots: Sequence[Any], rate: Any, steps: Any) -> tuple[Any, list[Any]]:  # noqa: ARG001
    """Duchi, Hazan & Singer 2011."""
    total = slots[0] + gradient * gradient
    return rate * gradient / tf.sqrt(total + 1e-7), [total]


def _rmsprop(gradient: Any, slots: Sequence[Any], rate: Any, steps: Any) -> tuple[Any, list[Any]]:  # noqa: ARG001
    """Tieleman & Hinton 2012."""
    mean = 0.9 * slots[0] + 0.1 * gradient * gradient
    return rate * gradient / tf.sqrt(mean + 1e-7), [mean]


_RULES = {
    "sgd": _Rule((), _sgd),
    "adam": _Rule((0.0, 0.0), _adam, second_moment=1),
    "adagrad": _Rule((0.1,), _adagrad),
    "rmsprop": _Rule((0.0,), _rmsprop),
}


class Optimizer:
    """Updates the variables of a network.

    Weight decay is decoupled from the gradient (Loshchilov & Hutter 2019, arXiv:1711.05101) and applies to
    matrices, not to biases. If a gradient has only some rows of a table, the decay applies to these rows.

    Args:
        variables: the variables by name.
        training: the keys optimizer, clip_norm and weight_decay are used.
        compiled: whether XLA compiles each update into one pass.
    """

    def __init__(self, variables: Mapping[str, Any], training: TrainingConfig, *, compiled: bool) -> None:
        self._rule = _RULES[training.optimizer]
        self._clip_norm = training.clip_norm
        self._decay = training.weight_decay
        self.variables = dict(variables)
        self.slots = {
            name: [
                tf.Variable(tf.fill(variable.shape, initial), trainable=False, name=f"{name}_slot_{index}")
                for index, initial in enumerate(self._rule.slots)
            ]
            for name, variable in self.variables.items()
        }
        # The second moments that training starts from, and the number of steps that they are of.
        self._moments: Mapping[str, Any] | None = None
        self._steps_before = tf.Variable(0.0, trainable=False, name="steps_before")
        self._updated = tf.function(self._update, jit_compile=compiled or None, autograph=False)

    def apply(self, gradients: Mapping[str, Any], rate: Any, step: Any) -> None:
        """Update every variable by its gradient.

        Args:
            gradients: by name; each has the shape of its variable, or is a tf.IndexedSlices with each row once.
            rate: learning rate.
            step: number of this update, from 1.
        """
        scale = self._scale(gradients)
        number = tf.cast(step, tf.float32)
        steps = tf.stack([number, number + self._steps_before])
        replica = tf.distribute.get_replica_context()
        for name, variable in self.variables.items():
            gradient, slots = gradients[name], self.slots[name]
            if replica.num_replicas_in_sync == 1:
                self._assign(variable, gradient, slots, rate, steps, scale)
            else:
                replica.merge_call(self._assign_replicas, args=(variable, gradient, slots, rate, steps, scale))

    def start_from(self, kept: Mapping[str, Any]) -> None:
        """Go on from the second moments of an older training (`moments.carry_over`), if the rule has any."""
        if self._rule.second_moment is not None:
            self._moments = kept
            self.reset()

    def reset(self) -> None:
        """Set all slots to the values that training started from."""
        for slots in self.slots.values():
            for slot, initial in zip(slots, self._rule.slots, strict=True):
                slot.assign(tf.fill(slot.shape, initial))
        if self._moments is not None and self._rule.second_moment is not None:
            self._steps_before.assign(float(self._moments[STEPS][0]))
            for name, slots in self.slots.items():
                slots[self._rule.second_moment].assign(moments.expand(self._moments, name))

    def second_moments(self, steps: int) -> dict[str, Any] | None:
        """Return what a later training needs of the second moments (`moments.summarize`).

        None: there are none, or the last steps have made one infinite.

        Args:
            steps: number of updates of this training.
        """
        if (place := self._rule.second_moment) is None:
            return None
        found = {name: view_of(slots[place]) for name, slots in self.slots.items()}
        if not all(np.isfinite(moment).all() for moment in found.values()):
            return None
        return moments.summarize(found, steps + int(self._steps_before.numpy()))

    def export_slots(self) -> dict[str, Any]:
        """Return every slot, by the name of its variable and its number: `name/0`; and `steps_before`."""
        exported = {
            f"{name}/{index}": view_of(slot)
            for name, slots in self.slots.items()
            for index, slot in enumerate(slots)
        }
        return exported | {"steps_before": np.array([self._steps_before.numpy()])}

    def import_slots(self, values: Mapping[str, Any]) -> None:
        """Set the slots to values from `export_slots`."""
        for name, slots in self.slots.items():
            for index, slot in enumerate(slots):
                slot.assign(values[f"{name}/{index}"])
        self._steps_before.assign(values["steps_before"][0])

    def _scale(self, gradients: Mapping[str, Any]) -> Any:
        """Return the factor that scales the global norm of the gradient down to its limit."""
        if self._clip_norm is None:
            return tf.constant(1.0)
        return self._clip_norm / tf.maximum(tf.linalg.global_norm(list(gradients.values())), self._clip_norm)

    def _assign_replicas(self, strategy: Any, variable: Any, *arguments: Any) -> None:
        """Update the copies of a variable. They stay equal, because all get the same gradient."""
        strategy.extended.update(variable, self._assign, args=arguments)

    def _assign(self, variable: Any, gradient: Any, slots: Any, rate: Any, steps: Any, scale: Any) -> None:
        if not isinstance(gradient, tf.IndexedSlices):
            before = [slot.read_value() for slot in slots]
            values, new_slots = self._updated(variable.read_value(), gradient, before, rate, steps, scale)
            variable.assign(values)
            for slot, new in zip(slots, new_slots, strict=True):
                slot.assign(new)
            return
        rows = gradient.indices
        seen = [tf.gather(part, rows) for part in (variable, *slots)]
        # Not compiled by XLA, which would compile again for every number of rows.
        values, new_slots = self._update(seen[0], gradient.values, seen[1:], rate, steps, scale)
        for part, new in zip((variable, *slots), (values, *new_slots), strict=True):
            part.scatter_update(tf.IndexedSlices(new, rows))

    def _update(
        self, values: Any, gradient: Any, slots: Sequence[Any], rate: Any, steps: Any, scale: Any
    ) -> tuple[Any, list[Any]]:
        change, new_slots = self._rule.change(gradient * scale, slots, rate, steps)
        if self._decay and len(values.shape) > 1:
            change += rate * self._decay * values
        return values - change, new_slots


class AveragedWeights:
    """A running average of the weights, which predicts better than the last weights (Polyak & Juditsky 1992).

    Args:
        variables: the variables by name.
        decay: share of the average that stays after a step.
    """

    def __init__(self, variables: Mapping[str, Any], decay: float) -> None:
        self._variables = dict(variables)
        self._decay = decay
        self._averages = {
            name: tf.Variable(variable.read_value(), trainable=False) for name, variable in variables.items()
        }
        self.updates = 0

    def export(self) -> dict[str, Any]:
        """Return the averages by name."""
        return {name: view_of(average) for name, average in self._averages.items()}

    def restore(self, averages: Mapping[str, Any], updates: int) -> None:
        """Set the averages to values from `export`, and the number of their updates."""
        for name, average in self._averages.items():
            average.assign(averages[name])
        self.updates = updates

    def compile(self) -> None:
        """Compile the update, so that no step takes the time for it. Nothing changes."""
        self._update(tf.constant(1.0))

    def step_done(self, step: int) -> None:
        """Update the averages, every `AVERAGE_EVERY` steps."""
        if step % AVERAGE_EVERY:
            return
        # The first averages are plain means. A fixed decay would keep much of the random first weights.
        decay = min(self._decay**AVERAGE_EVERY, self.updates / (self.updates + 1))
        self.updates += 1
        self._update(tf.constant(decay))

    @tf.function  # type: ignore[untyped-decorator]
    def _update(self, decay: Any) -> None:
        for name, average in self._averages.items():
            average.assign(decay * average + (1 - decay) * self._variables[name])

    def swap(self) -> None:
        """Exchange the weights and their averages; do nothing before the first update."""
        if not self.updates:
            return
        for name, average in self._averages.items():
            variable = self._variables[name]
            weights = variable.read_value()
            variable.assign(average)
            average.assign(weights)


def summed_rows(gradient: Any) -> Any:
    """Return a gradient with each row of an embedding once; a dense gradient is returned as it is.

    TensorFlow's gradient of an embedding has a row for every token that was read. The norm of the gradient and all
    rules except sgd square the gradient, and they must square the sum of a word's rows, not each row.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)
