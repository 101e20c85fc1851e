import os

import pytest

from lmctl.config import DeviceConfig
from lmctl.errors import DeviceError, LmctlError


def gpus():
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


@pytest.mark.parametrize(
    ("placement", "there", "number"),
    [("cpu", 0, None), ("cpu", 2, None), ("auto", 0, None), ("auto", 2, 0), ("gpu", 1, 0), ("gpu:1", 2, 1)],
)
def test_which_gpu_a_placement_means(placement, there, number):
    from lmctl.training.devices import _gpu_number

    assert _gpu_number(placement, there) == number


@pytest.mark.parametrize(
    ("placement", "there", "seen"), [("gpu", 0, "no GPUs"), ("gpu:1", 1, "1 GPU"), ("gpu:2", 2, "2 GPUs")]
)
def test_a_gpu_that_is_not_there_is_refused_with_what_is(placement, there, seen):
    from lmctl.training.devices import _gpu_number

    with pytest.raises(DeviceError, match=rf"device.placement: {placement} was asked for.* sees {seen};"):
        _gpu_number(placement, there)


def test_asking_tensorflow_for_a_gpu_beyond_the_last_is_refused(cpu):
    from lmctl.training.devices import use_device

    with pytest.raises(DeviceError, match="use auto or cpu"):
        use_device(DeviceConfig(placement=f"gpu:{gpus()}"))


def test_the_processor_is_named_with_its_threads(cpu):
    from lmctl.training.devices import use_device

    cores = len(os.sched_getaffinity(0))

    placement, description = use_device(DeviceConfig(placement="cpu"))

    assert placement == "/CPU:0"
    assert description == ("CPU, 1 thread" if cores == 1 else f"CPU, {cores} threads")


def test_other_settings_in_a_process_that_computes_already_are_refused(cpu):
    import tensorflow as tf

    from lmctl.training.devices import use_device

    tf.zeros(1)

    with pytest.raises(LmctlError, match="already running in this process"):
        use_device(DeviceConfig(placement="cpu", threads=len(os.sched_getaffinity(0)) + 1))
