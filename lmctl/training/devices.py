"""Where a network is trained: the processor or a GPU, with how many threads, and how reproducibly."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lmctl.errors import DeviceError, LmctlError

if TYPE_CHECKING:
    from lmctl.config import DeviceConfig


def use_device(device: DeviceConfig) -> tuple[str, str]:
    """Set TensorFlow up for this process, which can be done once.

    Operations are made deterministic, a GPU's memory is taken as it is needed, and GPUs that are not asked for
    are hidden.

    Args:
        device: placement, threads and precision.

    Returns:
        TensorFlow's name of the device, and one for people.

    Raises:
        DeviceError: a GPU was asked for and is not there.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    number = _gpu_number(device.placement, len(gpus))
    _configure(lambda: tf.config.set_visible_devices([] if number is None else [gpus[number]], "GPU"))
    threads = device.threads or usable_cores()
    _configure(lambda: tf.config.threading.set_intra_op_parallelism_threads(threads))
    _configure(lambda: tf.config.threading.set_inter_op_parallelism_threads(1))
    tf.config.experimental.enable_op_determinism()
    # float32 means float32: by default, recent GPUs round the factors of a matrix product to 10 bits.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if number is None:
        return "/CPU:0", f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    _configure(lambda: tf.config.experimental.set_memory_growth(gpus[number], True))
    details: dict[str, Any] = tf.config.experimental.get_device_details(gpus[number])
    return "/GPU:0", f"GPU {number} ({details.get('device_name', 'unknown')})"


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def _gpu_number(placement: str, there: int) -> int | None:
    """Which GPU to use; None for the processor."""
    if placement == "cpu" or (placement == "auto" and not there):
        return None
    number = int(placement.partition(":")[2] or 0)
    if number >= there:
        raise DeviceError(
            f"device.placement: {placement} was asked for, but TensorFlow sees {there or 'no'} GPU"
            f"{'' if there == 1 else 's'}; use auto or cpu, or install 'lmctl[gpu]'"
        )
    return number


def _configure(setting: Any) -> None:
    """Apply a setting that TensorFlow takes only before its first operation; later, only the same again."""
    try:
        setting()
    except RuntimeError as error:
        raise LmctlError(
            "TensorFlow is already running in this process with other device settings; train in a new process"
        ) from error
