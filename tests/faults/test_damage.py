"""Damaged files: lmctl refuses them by name, or does not use them. It never answers wrongly, and never crashes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lmctl import load
from lmctl.errors import DataError, InputMissingError, LmctlError
from lmctl.query.model import verify_model
from lmctl.store.bundle import open_bundle
from lmctl.training.checkpoint import Checkpoint, Progress, RunIdentity, read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

MANY, FEW = 2500, 150
QUESTION = "the cat sat on"


def truncate(content: bytes, _other: bytes, dice: random.Random) -> bytes:
    return content[: dice.randrange(len(content))]


def flip_a_bit(content: bytes, _other: bytes, dice: random.Random) -> bytes:
    damaged = bytearray(content)
    damaged[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def empty(_content: bytes, _other: bytes, _dice: random.Random) -> bytes:
    return b""


def swap(_content: bytes, other: bytes, _dice: random.Random) -> bytes:
    return other


def lose_a_block(content: bytes, _other: bytes, dice: random.Random) -> bytes:
    """Replace content by zeros, as on a disk that never wrote it."""
    start = dice.randrange(len(content))
    end = min(len(content), start + dice.choice([1, 16, 512]))
    return content[:start] + bytes(end - start) + content[end:]


def repeat_a_piece(content: bytes, _other: bytes, dice: random.Random) -> bytes:
    start, end = sorted(dice.randrange(len(content)) for _ in range(2))
    return content[:end] + content[start:]


def drop_a_piece(content: bytes, _other: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(content))
    return content[:start] + content[start + dice.choice([1, 2, 40]) :]


def write_something_else(content: bytes, _other: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(content))
    noise = bytes(
        dice.choice(b'0123456789-+.eE,:"[]{}\\ntf \n\t\xff\0') for _ in range(dice.choice([1, 2, 8, 30]))
    )
    return content[:place] + noise + content[place + len(noise) * dice.randrange(2) :]


DAMAGES = (*(truncate, flip_a_bit, empty, swap, lose_a_block, repeat_a_piece, drop_a_piece, write_something_else),)


@pytest.fixture(scope="module")
def sound(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with every file that a bundle can have, and another bundle beside it."""
    folder = tmp_path_factory.mktemp("sound")
    for seed in (1, 2):
        make_bundle(folder / str(seed), stop_words=["mat"], seed=seed)
    return folder / "1"


def everything(bundle: Path) -> list[Any]:
    """The output of several commands for a bundle."""
    model = load(bundle)
    opened = open_bundle(bundle)
    return [model.predict(QUESTION), model.log_probs(QUESTION).tolist(), opened.metrics(), opened.history()]


def answer_or_refusal(act: Callable[[Path], Any], bundle: Path) -> tuple[Any, str | None]:
    """The result of an act on a bundle, or its error message."""
    try:
        return act(bundle), None
    except (DataError, InputMissingError) as error:
        return None, str(error)


def replace(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def test_no_damage_to_a_bundle_is_answered_with_anything_else(sound, tmp_path, dice, many):
    bundle = shutil.copytree(sound, tmp_path / "bundle")
    names = sorted(path.name for path in bundle.iterdir())
    contents = {name: (bundle / name).read_bytes() for name in names}
    expected = everything(bundle)

    unused = 0
    for number in range(MANY if many else FEW):
        name, damage = names[number % len(names)], dice.choice(DAMAGES)
        other = dice.choice([contents[dice.choice(names)], (sound.parent / "2" / name).read_bytes()])
        damaged = damage(contents[name], other, dice)
        replace(bundle / name, damaged)
        where = (number, name, damage.__name__)
        for act in (everything, verify_model):
            answer, refusal = answer_or_refusal(act, bundle)
            if refusal is not None:
                assert name in refusal, where
                assert "\n" not in refusal, where
                continue
            # The bytes are the same, or model.json has the same values in another form.
            unused += damaged != contents[name]
            assert damaged == contents[name] or name == "model.json" or act is everything, where
            assert answer in (None, expected), where
        replace(bundle / name, contents[name])
    assert everything(bundle) == expected
    assert unused < number / 5


def test_a_link_in_the_place_of_a_file_of_a_bundle_is_refused(sound, tmp_path):
    for name in sorted(path.name for path in sound.iterdir()):
        for number, target in enumerate([sound / name, tmp_path / "nowhere", "/dev/zero"]):
            bundle = shutil.copytree(sound, tmp_path / f"{name}-{number}")
            (bundle / name).unlink()
            (bundle / name).symlink_to(target)
            with pytest.raises(LmctlError, match=f"{name}: expected a file of this bundle"):
                verify_model(bundle)


def write_checkpoints(folder: Path) -> tuple[Path, Path]:
    """Two checkpoints of one run."""
    generator = np.random.default_rng(3)
    for step in (1, 2):
        progress = Progress(
            epoch=0,
            epoch_steps=step,
            epoch_tokens=30,
            epoch_nats=0.3,
            epoch_seconds=0.25,
            step=step,
            tokens=0,
            planned_steps=None,
            rate=0.1,
            decays=0,
            best_nats=None,
            best_epoch=0,
            epochs_without_improvement=0,
            average_updates=0,
            seconds=1.5,
            device="CPU",
            history=[],
        )
        arrays = {name: generator.normal(size=(40, 5)).astype(np.float32) for name in ("weights/a", "slots/a")}
        identity = RunIdentity(corpus={"train": "a"}, configuration="preset: tiny\n", threads=2, versions={})
        write_checkpoint(folder / str(step), identity, Checkpoint(progress, arrays))
    return folder / "1", folder / "2"


def test_no_damage_to_a_checkpoint_is_continued_from(tmp_path, dice, many):
    path, other = write_checkpoints(tmp_path)
    content = path.read_bytes()

    for _ in range(MANY if many else FEW):
        damage = dice.choice([each for each in DAMAGES if each is not swap])
        damaged = damage(content, b"", dice)
        path.write_bytes(damaged)
        if damaged == content:
            assert read_checkpoint(path)[1].progress.step == 1
            continue
        with pytest.raises(DataError, match=f"^{path}: damaged"):
            read_checkpoint(path)

    # Another checkpoint is complete. It stores its own step and its own run.
    path.write_bytes(other.read_bytes())
    assert read_checkpoint(path)[1].progress.step == 2
