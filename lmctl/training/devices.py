"""Where a network is trained: the processor or a GPU, with how many threads, and how reproducibly."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmctl.errors import DeviceError, LmctlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.config import DeviceConfig


@dataclass(frozen=True, slots=True)
class Device:
    """Where training runs.

    Attributes:
        placement: TensorFlow's name of the first device.
        description: a name for people.
        is_gpu: whether keras.layers.LSTM is cuDNN's there.
        strategy: of tf.distribute; with several devices, one that keeps a copy of the network on each.
    """

    placement: str
    description: str
    is_gpu: bool
    strategy: Any

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Where the network and its optimizer are made, and training runs."""
        import tensorflow as tf

        if self.strategy.num_replicas_in_sync > 1:
            with self.strategy.scope():
                yield
        else:
            with tf.device(self.placement):
                yield


def use_device(device: DeviceConfig) -> Device:
    """Set TensorFlow up for this process, which can be done once.

    Operations are made deterministic, a GPU's memory is taken as it is needed, and GPUs that are not asked for
    are hidden.

    Args:
        device: placement, threads and precision.

    Raises:
        DeviceError: a GPU was asked for and is not there.
    """
    import tensorflow as tf

    there = tf.config.list_physical_devices("GPU")
    gpus = [there[number] for number in _gpu_numbers(device.placement, len(there))]
    _configure(lambda: tf.config.set_visible_devices(gpus, "GPU"))
    threads = device.threads or usable_cores()
    _configure(lambda: tf.config.threading.set_intra_op_parallelism_threads(threads))
    _configure(lambda: tf.config.threading.set_inter_op_parallelism_threads(1 if len(gpus) < 2 else len(gpus)))
    tf.config.experimental.enable_op_determinism()
    # float32 means float32: by default, recent GPUs round the factors of a matrix product to 10 bits.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if not gpus:
        description = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
        return Device("/CPU:0", description, is_gpu=False, strategy=tf.distribute.get_strategy())
    for gpu in gpus:
        _configure(lambda gpu=gpu: tf.config.experimental.set_memory_growth(gpu, True))
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "unknown") for gpu in gpus]
    if len(gpus) == 1:
        description = f"GPU {there.index(gpus[0])} ({names[0]})"
        return Device("/GPU:0", description, is_gpu=True, strategy=tf.distribute.get_strategy())
    strategy = mirrored([f"/GPU:{number}" for number in range(len(gpus))])
    return Device("/GPU:0", f"{len(gpus)} GPUs ({', '.join(names)})", is_gpu=True, strategy=strategy)


def mirrored(devices: list[str]) -> Any:
    """The strategy that keeps a copy of the network on each of several devices."""
    import tensorflow as tf

    # Collective operations cannot add up row-wise and dense gradients in one step; this can, and in a fixed order.
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def _gpu_numbers(placement: str, there: int) -> list[int]:
    """Which GPUs to use; none for the processor."""
    if placement == "cpu" or (placement == "auto" and not there):
        return []
    number = int(placement.partition(":")[2] or 0)
    if number >= there:
        raise DeviceError(
            f"device.placement: {placement} was asked for, but TensorFlow sees {there or 'no'} GPU"
            f"{'' if there == 1 else 's'}; use auto or cpu, or install 'lmctl[gpu]'"
        )
    return list(range(there)) if placement == "gpus" else [number]


def _configure(setting: Any) -> None:
    """Apply a setting that TensorFlow takes only before its first operation; later, only the same again."""
    try:
        setting()
    except RuntimeError as error:
        raise LmctlError(
            "TensorFlow is already running in this process with other device settings; train in a new process"
        ) from error
