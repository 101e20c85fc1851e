"""Sets up the device that a network is trained on: the CPU or GPUs, threads, and reproducible results."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmctl.errors import DeviceError, LmctlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.config import DeviceConfig
    from lmctl.training.hosts.link import Link

# Fewest weights of a network whose factors precision `auto` rounds. In smaller networks products take too small
# a part of a step.
FEWEST_WEIGHTS_TO_ROUND = 1_000_000
# The flag of a processor that multiplies matrices of bfloat16 (Intel AMX), in Linux's list.
BFLOAT16_FLAG = "amx_bf16"


@dataclass(frozen=True, slots=True)
class Device:
    """The device that training runs on.

    Attributes:
        placement: TensorFlow's name of the first device.
        description: name of the device for messages.
        is_gpu: whether it is a GPU, where keras.layers.LSTM uses cuDNN.
        precision: "float32" or "mixed_bfloat16".
        strategy: a strategy of tf.distribute; with several devices, it keeps a copy of the network on each.
        link: the other workers of a training on several hosts; None: this process trains alone.
    """

    placement: str
    description: str
    is_gpu: bool
    precision: str
    strategy: Any
    link: Link | None = None

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Make the network and its optimizer, and train, on this device inside the block."""
        import tensorflow as tf

        if self.strategy.num_replicas_in_sync > 1:
            with self.strategy.scope():
                yield
        else:
            with tf.device(self.placement):
                yield


def use_device(device: DeviceConfig, weights: int = 0, *, alone: bool = True) -> Device:
    """Set up TensorFlow for this process, which is possible only once.

    Operations become deterministic, GPU memory is allocated on demand, and unused GPUs are hidden.

    Args:
        device: placement, threads and precision.
        weights: number of weights of the network whose products are rounded; 0: there are none.
        alone: False: this process trains with others; they choose the strategy, before any other is made.

    Raises:
        DeviceError: a GPU was asked for and TensorFlow does not find it.
        LmctlError: TensorFlow already runs in this process with other settings.
    """
    import tensorflow as tf

    there = tf.config.list_physical_devices("GPU")
    gpus = [there[number] for number in _gpu_numbers(device.placement, len(there))]
    _configure(lambda: tf.config.set_visible_devices(gpus, "GPU"))
    threads = device.threads or usable_cores()
    # On a processor, two operations run at the same time (`Steps`), and share the threads.
    at_once = len(gpus) or min(2, threads)
    _configure(lambda: tf.config.threading.set_intra_op_parallelism_threads(-(-threads // at_once)))
    _configure(lambda: tf.config.threading.set_inter_op_parallelism_threads(at_once))
    tf.config.experimental.enable_op_determinism()
    # float32 means float32: by default, recent GPUs round the factors of a matrix product to 10 bits.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    precision = _precision(device, weights, on_processor=not gpus)
    # Part of the description, because a checkpoint of a run with another precision is from another device.
    rounded = ", bfloat16" if precision == "mixed_bfloat16" else ""
    if not gpus:
        description = f"CPU, {threads} thread{'s' if threads > 1 else ''}{rounded}"
        strategy = tf.distribute.get_strategy() if alone else None
        return Device("/CPU:0", description, is_gpu=False, precision=precision, strategy=strategy)
    for gpu in gpus:
        _configure(lambda gpu=gpu: tf.config.experimental.set_memory_growth(gpu, True))
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "unknown") for gpu in gpus]
    if len(gpus) == 1:
        description = f"GPU {there.index(gpus[0])} ({names[0]}){rounded}"
    else:
        description = f"{len(gpus)} GPUs ({', '.join(names)}){rounded}"
    strategy = None
    if alone:
        several = [f"/GPU:{number}" for number in range(len(gpus))]
        strategy = mirrored(several) if len(gpus) > 1 else tf.distribute.get_strategy()
    return Device("/GPU:0", description, is_gpu=True, precision=precision, strategy=strategy)


def mirrored(devices: list[str]) -> Any:
    """Return the strategy that keeps a copy of the network on each of several devices."""
    import tensorflow as tf

    # Collective operations cannot sum row-wise and dense gradients in one step. ReductionToOneDevice can, and it
    # sums in a fixed order.
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())


def multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies matrices of bfloat16 several times as fast as those of float32.

    Args:
        cpuinfo: Linux's description of the processors. On other systems there is none, and the answer is no.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return BFLOAT16_FLAG in flags.split()


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def _precision(device: DeviceConfig, weights: int, *, on_processor: bool) -> str:
    """The precision that a configuration means; see `use_device` for the number of weights."""
    if device.precision != "auto":
        return device.precision
    rounds = on_processor and weights >= FEWEST_WEIGHTS_TO_ROUND and multiplies_bfloat16()
    return "mixed_bfloat16" if rounds else "float32"


def _gpu_numbers(placement: str, there: int) -> list[int]:
    """Return the numbers of the GPUs to use; an empty list for the CPU."""
    if placement == "cpu" or (placement == "auto" and not there):
        return []
    number = int(placement.partition(":")[2] or 0)
    if number >= there:
        raise DeviceError(
            f"device.placement: got {placement}, but TensorFlow finds {there or 'no'} GPU"
            f"{'' if there == 1 else 's'}; use auto or cpu, or install 'lmctl[gpu]'"
        )
    return list(range(there)) if placement == "gpus" else [number]


def _configure(setting: Any) -> None:
    """Apply a setting that TensorFlow accepts only before its first operation; later it must be the same."""
    try:
        setting()
    except RuntimeError as error:
        raise LmctlError(
            "TensorFlow is already running in this process with other device settings; train in a new process"
        ) from error
