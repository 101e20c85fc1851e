import hashlib
import json
import os
import tracemalloc

import msgspec
import numpy as np
import pytest

from lmctl.errors import DataError, UsageError
from lmctl.training.checkpoint import Checkpoint, Progress, RunIdentity, read_checkpoint, write_checkpoint
from lmctl.training.events import EpochDone, StepDone, Watch

EPOCH = EpochDone(
    epoch=1,
    step=7,
    tokens=99,
    learning_rate=0.1,
    train_perplexity=3.0,
    valid_perplexity=None,
    best=True,
    tokens_per_second=2.5,
    seconds=0.3,
)
PROGRESS = Progress(
    epoch=1,
    epoch_steps=2,
    epoch_tokens=30,
    epoch_nats=0.1 + 0.2,
    epoch_seconds=0.25,
    step=9,
    tokens=99,
    planned_steps=40,
    rate=0.1,
    decays=1,
    best_nats=None,
    best_epoch=1,
    epochs_without_improvement=0,
    average_updates=3,
    seconds=1.5,
    device="CPU, 2 threads",
    history=[EPOCH],
)
IDENTITY = RunIdentity(corpus={"train": "a"}, configuration="preset: tiny\n", threads=2, versions={"numpy": "2"})


@pytest.fixture
def path(tmp_path):
    arrays = {
        "weights/lstm.0.kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "weights/softmax.bias": np.array([np.nextafter(np.float32(1), np.float32(2))], np.float32),
        "state/0": np.zeros((1, 2, 2, 3), np.float32),
    }
    write_checkpoint(tmp_path / "checkpoint", IDENTITY, Checkpoint(PROGRESS, arrays))
    return tmp_path / "checkpoint"


def not_contiguous():
    """Arrays whose elements are not in C order in memory."""
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    return {
        "transposed": values[0].T,
        "column": values[0][:, 1:2],
        "backwards": values[0][::-1, ::2],
        "fortran": np.asfortranarray(values[1]),
        "axes": values.transpose(2, 0, 1),
        "repeated": np.broadcast_to(values[0, 0], (5, 4)),
    }


def test_arrays_that_are_not_contiguous_are_written_as_they_are_counted(tmp_path):
    # safetensors 0.8.0 writes a transposed array in the order of its memory, without an error; 0.7.0 did not.
    arrays = not_contiguous()

    write_checkpoint(tmp_path / "checkpoint", IDENTITY, Checkpoint(PROGRESS, arrays))

    written = read_checkpoint(tmp_path / "checkpoint")[1].arrays
    assert {name: array.tolist() for name, array in written.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    assert [name for name, array in arrays.items() if array.flags.c_contiguous] == []


ARRAY_BYTES = 1 << 20


def allocated_by(work):
    """The most bytes that Python and NumPy had for some work at the same time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_checkpoint_is_written_without_a_copy_and_read_with_one(tmp_path):
    arrays = {f"weights/{n}": np.full(ARRAY_BYTES // 4, n, np.float32) for n in range(8)}
    path = tmp_path / "checkpoint"

    to_write = allocated_by(lambda: write_checkpoint(path, IDENTITY, Checkpoint(PROGRESS, arrays)))
    to_read = allocated_by(lambda: read_checkpoint(path))

    # Of the read copy, one array at a time is looked at for infinite numbers: a byte for each of its numbers.
    assert to_write < ARRAY_BYTES / 2
    assert 8 * ARRAY_BYTES < to_read < 9 * ARRAY_BYTES


HOSTILE = [-1, 2**70, 1e400, "x", None, [], {}, "9" * 5000, True]


@pytest.mark.parametrize(
    "field", sorted({*PROGRESS.__struct_fields__} - {"best_nats", "planned_steps", "validation_tokens"})
)
def test_a_figure_of_another_checkpoint_is_looked_at_before_it_is_used(path, field):
    content = path.read_bytes()[32:]
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    document = json.loads(header["__metadata__"]["checkpoint"])
    kept = msgspec.to_builtins(PROGRESS)[field]
    for value in HOSTILE:
        # Any text is a valid name, a list is refused by its elements, and a large whole number is a valid float,
        # too.
        if type(value) is type(kept) and isinstance(value, str | list):
            continue
        if isinstance(kept, float) and (value == 2**70 or (field == "epoch_nats" and value == -1)):
            continue
        document["progress"][field] = value
        header["__metadata__"]["checkpoint"] = json.dumps(document)
        changed = json.dumps(header).encode()
        body = len(changed).to_bytes(8, "little") + changed + content[8 + length :]
        path.write_bytes(hashlib.sha256(body).digest() + body)
        with pytest.raises(DataError, match="checkpoint: not a checkpoint of this version") as caught:
            read_checkpoint(path)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch_steps": -1}, "Expected `int` >= 0"),
        ({"best_epoch": 2}, "the best epoch is 2 of 1"),
        ({"epoch_tokens": 0}, "2 steps of no tokens"),
    ],
)
def test_figures_that_do_not_fit_together_are_refused(path, changes, message):
    fields = {**msgspec.to_builtins(PROGRESS), **changes}
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(fields, Progress)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_array_that_holds_no_numbers_is_refused(tmp_path, value):
    arrays = {"weights/a": np.array([1.0, value], dtype=np.float32)}
    write_checkpoint(tmp_path / "checkpoint", IDENTITY, Checkpoint(PROGRESS, arrays))

    with pytest.raises(DataError, match="weights/a is not an array of finite float32 numbers"):
        read_checkpoint(tmp_path / "checkpoint")


def test_a_checkpoint_that_is_larger_than_the_network_has_numbers_is_not_read(path):
    os.truncate(path, 1 << 40)

    with pytest.raises(DataError, match="expected at most 1,000"):
        read_checkpoint(path, 1000)


def test_a_checkpoint_is_read_as_it_was_written_to_the_last_bit(path):
    identity, checkpoint = read_checkpoint(path)

    assert (identity, checkpoint.progress) == (IDENTITY, PROGRESS)
    assert set(checkpoint.part("weights")) == {"lstm.0.kernel", "softmax.bias"}
    assert checkpoint.part("weights")["softmax.bias"].tobytes() == np.float32(1.0000001).tobytes()
    assert checkpoint.arrays["state/0"].shape == (1, 2, 2, 3)


def test_no_file_is_no_checkpoint(tmp_path):
    assert read_checkpoint(tmp_path / "checkpoint") is None


def test_no_bit_can_be_flipped_and_no_byte_be_missing(path):
    content = path.read_bytes()
    damaged = [content[:-1], content[1:], b"", content + b"x", content[:40]]
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        damaged.append(bytes(flipped))

    for other in damaged:
        path.write_bytes(other)
        with pytest.raises(DataError, match=f"^{path}: damaged"):
            read_checkpoint(path)


def test_a_link_is_not_followed(path, tmp_path):
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DataError, match=f"^{path}: expected a checkpoint, got a link"):
        read_checkpoint(path)


def test_a_checkpoint_of_another_shape_is_refused_though_its_hash_is_right(path):
    import hashlib

    import safetensors.numpy

    for document in ({}, {"checkpoint": "{"}, {"checkpoint": json.dumps({"identity": {}})}):
        body = safetensors.numpy.save({"a": np.zeros(1, np.float32)}, metadata=document or None)
        path.write_bytes(hashlib.sha256(body).digest() + body)
        with pytest.raises(DataError, match=f"^{path}: not a checkpoint of this version"):
            read_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({}, None),
        ({"corpus": {"train": "b"}}, "corpus"),
        ({"configuration": "preset: small\n"}, "configuration"),
        ({"threads": 1}, "thread count"),
        ({"versions": {"numpy": "3"}}, "package version"),
    ],
)
def test_the_difference_of_two_runs_is_named(change, difference):
    assert IDENTITY.difference(msgspec.structs.replace(IDENTITY, **change)) == difference


# Resumed runs


def cut_off(corpus, config, after):
    """The checkpoint of a run that was interrupted after some steps, read from a file."""
    from lmctl.training.run import train_network

    kept, steps = [], iter(range(1, 10**6))
    interrupted = train_network(
        corpus, config, watch=Watch(interrupted=lambda: next(steps) == after, save=kept.append)
    )
    assert interrupted is None
    write_checkpoint(corpus.folder / "checkpoint", IDENTITY, kept[-1])
    _, checkpoint = read_checkpoint(corpus.folder / "checkpoint")
    return checkpoint


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(
            ("training.optimizer=adam", "training.average_decay=0.9", "training.schedule=linear"),
            id="adam-average-linear",
        ),
        pytest.param(
            ("training.schedule=plateau", "training.learning_rate=9", "training.patience=2", "model.tied=true"),
            id="sgd-plateau-tied",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_run_that_was_cut_off_at_any_step_ends_with_the_bytes_of_one_that_was_not(
    make_corpus, make_config, settings, many
):
    from lmctl.training.run import train_network

    corpus = make_corpus(valid=["the cat sat", "a bird sat on the dog"])
    config = make_config(
        "training.num_steps=3",
        "training.epochs=3",
        "training.reset_probability=0.3",
        "model.dropout=0.4",
        "model.weight_dropout=0.3",
        *settings,
    )
    whole = train_network(corpus, config)
    assert whole.summary.steps > 12

    # The short version: the first and the last step of a run, of an epoch and of the last epoch.
    ends = [epoch.step for epoch in whole.history]
    cuts = {1, ends[0], ends[0] + 1, ends[-2], whole.summary.steps - 1, whole.summary.steps}
    for after in range(1, whole.summary.steps + 1) if many else sorted(cuts):
        resumed = train_network(corpus, config, resume_from=cut_off(corpus, config, after))

        assert resumed.summary == whole.summary
        assert resumed.valid_cross_entropy_nats == whole.valid_cross_entropy_nats
        assert [epoch.train_perplexity for epoch in resumed.history] == [
            epoch.train_perplexity for epoch in whole.history
        ]
        for name, weight in whole.weights.items():
            assert resumed.weights[name].tobytes() == weight.tobytes(), (after, name)


@pytest.mark.usefixtures("eagerly")
def test_a_planned_run_that_was_cut_off_at_its_last_step_is_still_validated(make_corpus, make_config):
    from lmctl.training.run import train_network

    corpus = make_corpus(valid=["the cat sat", "a bird sat on the dog"])
    config = make_config("training.num_steps=3", "training.steps=7")
    whole = train_network(corpus, config)

    resumed = train_network(corpus, config, resume_from=cut_off(corpus, config, 7))

    assert (resumed.summary.steps, len(resumed.history)) == (7, len(whole.history))
    assert resumed.valid_cross_entropy_nats == whole.valid_cross_entropy_nats


@pytest.mark.usefixtures("eagerly")
def test_a_checkpoint_of_another_device_is_not_continued(make_corpus, make_config, caplog):
    from lmctl.training.run import train_network

    corpus, config = make_corpus(), make_config("training.num_steps=3")
    kept = cut_off(corpus, config, 2)
    elsewhere = Checkpoint(msgspec.structs.replace(kept.progress, device="GPU 0 (some)"), kept.arrays)
    seen = []

    train_network(corpus, config, resume_from=elsewhere, watch=Watch(on_event=seen.append))

    assert next(event.step for event in seen if isinstance(event, StepDone)) == 1
    assert "the checkpoint is from GPU 0 (some), but this run is on CPU" in caplog.text
    with pytest.raises(
        UsageError, match=r"^--resume require: the checkpoint is from GPU 0 \(some\), but this run is on CPU"
    ):
        train_network(corpus, config, resume_from=elsewhere, may_start_over=False)


@pytest.mark.usefixtures("eagerly")
def test_checkpoints_come_after_every_epoch_and_as_often_as_asked(make_corpus, make_config):
    from lmctl.training.run import train_network

    corpus, config = make_corpus(), make_config("training.num_steps=3", "training.epochs=2")
    after_epochs, always = [], []
    result = train_network(corpus, config, watch=Watch(save=after_epochs.append))
    train_network(corpus, config, watch=Watch(save=always.append, save_every_seconds=0.0))

    assert [(kept.progress.epoch, kept.progress.epoch_steps) for kept in after_epochs] == [(1, 0), (2, 0)]
    assert len(always) == result.summary.steps + 2
