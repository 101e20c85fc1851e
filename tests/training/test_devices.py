import os

import pytest

from lmctl.config import DeviceConfig, read_settings
from lmctl.errors import DeviceError, LmctlError


def gpus():
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


@pytest.mark.parametrize(
    ("placement", "there", "numbers"),
    [
        ("cpu", 0, []),
        ("cpu", 2, []),
        ("auto", 0, []),
        ("auto", 2, [0]),
        ("gpu", 1, [0]),
        ("gpu:1", 2, [1]),
        ("gpus", 1, [0]),
        ("gpus", 3, [0, 1, 2]),
    ],
)
def test_which_gpus_a_placement_means(placement, there, numbers):
    from lmctl.training.devices import _gpu_numbers

    assert _gpu_numbers(placement, there) == numbers


@pytest.mark.parametrize(
    ("placement", "there", "seen"),
    [("gpu", 0, "no GPUs"), ("gpu:1", 1, "1 GPU"), ("gpu:2", 2, "2 GPUs"), ("gpus", 0, "no GPUs")],
)
def test_a_missing_gpu_is_refused_with_the_number_of_gpus(placement, there, seen):
    from lmctl.training.devices import _gpu_numbers

    with pytest.raises(DeviceError, match=rf"device.placement: got {placement}, .* finds {seen};"):
        _gpu_numbers(placement, there)


def test_asking_tensorflow_for_a_gpu_beyond_the_last_is_refused(cpu):
    from lmctl.training.devices import use_device

    with pytest.raises(DeviceError, match="use auto or cpu"):
        use_device(DeviceConfig(placement=f"gpu:{gpus()}"))


def test_the_processor_is_named_with_its_threads(cpu):
    from lmctl.training.devices import use_device

    cores = len(os.sched_getaffinity(0))

    device = use_device(DeviceConfig(placement="cpu"))

    assert (device.placement, device.is_gpu, device.strategy.num_replicas_in_sync) == ("/CPU:0", False, 1)
    assert device.description == ("CPU, 1 thread" if cores == 1 else f"CPU, {cores} threads")


def test_other_settings_in_a_process_that_computes_already_are_refused(cpu):
    import tensorflow as tf

    from lmctl.training.devices import use_device

    tf.zeros(1)

    with pytest.raises(LmctlError, match="already running in this process"):
        use_device(DeviceConfig(placement="cpu", threads=len(os.sched_getaffinity(0)) + 1))


@pytest.mark.parametrize(
    ("precision", "weights", "has_instructions", "used"),
    [
        ("auto", 1_000_000, True, "mixed_bfloat16"),
        ("auto", 999_999, True, "float32"),
        ("auto", 1_000_000, False, "float32"),
        ("float32", 1_000_000, True, "float32"),
        ("mixed_bfloat16", 1, False, "mixed_bfloat16"),
    ],
)
def test_large_networks_are_rounded_where_the_processor_is_made_for_it(
    cpu, monkeypatch, precision, weights, has_instructions, used
):
    from lmctl.training import devices

    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda: has_instructions)

    device = devices.use_device(DeviceConfig(placement="cpu", precision=precision), weights)

    assert device.precision == used
    # A checkpoint names the device, and with it the precision.
    assert device.description.endswith(", bfloat16") == (used == "mixed_bfloat16")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512_bf16 amx_bf16 avx512_fp16\nbugs\t: x\n", True),
        ("processor\t: 0\nflags\t\t: fpu avx512_bf16\nbugs\t: amx_bf16\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd\n", False),
        (None, False),
    ],
)
def test_the_instructions_are_found_among_the_flags_of_the_processor(tmp_path, text, found):
    from lmctl.training.devices import multiplies_bfloat16

    cpuinfo = tmp_path / "cpuinfo"
    if text is not None:
        cpuinfo.write_text(text)

    assert multiplies_bfloat16(cpuinfo) is found


def test_the_weights_of_the_configured_network_decide_unless_it_has_no_products_to_round(
    cpu, monkeypatch, make_corpus, make_config
):
    from lmctl.training import devices
    from lmctl.training.run import device_for

    corpus, lstm = make_corpus(), make_config()
    hmm = read_settings(assignments=["preset=hmm-tiny", "device.placement=cpu"]).resolve()
    weights = lstm.family.count_parameters(lstm.family.sizes_of(corpus.vocabulary.counts, lstm.model))
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda: True)

    monkeypatch.setattr(devices, "FEWEST_WEIGHTS_TO_ROUND", weights)
    assert device_for(corpus, lstm).precision == "mixed_bfloat16"
    monkeypatch.setattr(devices, "FEWEST_WEIGHTS_TO_ROUND", weights + 1)
    assert device_for(corpus, lstm).precision == "float32"
    monkeypatch.setattr(devices, "FEWEST_WEIGHTS_TO_ROUND", 1)
    assert device_for(corpus, hmm).precision == "float32"
