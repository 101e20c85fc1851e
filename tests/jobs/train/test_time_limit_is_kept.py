"""Whole runs with a time limit, on a machine with a clock of its own whose speed halves in mid-run.

A run ends at most 2 % of the limit after it, or 5 s if that is more. On a machine whose speed stays, it uses at
least nine tenths of the limit.
"""

from pathlib import Path

import pytest
from slow_machine import Machine

from lmctl import families
from lmctl.config import read_settings
from lmctl.errors import OutOfTimeError
from lmctl.jobs.train.run import train
from lmctl.jobs.train.training_job import Policies
from lmctl.jobs.watching.events import GateDone, ignore_event
from lmctl.query.model import load
from lmctl.query.text_bits import bits_of_lines
from lmctl.store.verification import verify_bundle

LIMIT = 120.0
NETWORKS = tuple(name for name in families.BUILT_IN if families.find(name).trains_network)
WORDS = (
    "the",
    "cat",
    "dog",
    "bird",
    "sat",
    "lay",
    "sang",
    "on",
    "mat",
    "roof",
    "tree",
    "log",
    "with",
    "ball",
    "leaf",
)
SMALL = {
    "lstm": ("preset=tiny", "model.embedding_dim=4", "model.hidden_units=4", "model.layers=1"),
    "vae": (
        "preset=vae-tiny",
        "model.embedding_dim=4",
        "model.hidden_units=4",
        "model.encoder_units=4",
        "model.codes=2",
    ),
}

pytestmark = pytest.mark.usefixtures("cpu", "eagerly")


@pytest.fixture
def texts(tmp_path):
    """1,200 sentences to train on, and 250 of 8 tokens to validate on."""

    def lines(count, first):
        return "".join(
            " ".join(WORDS[(first + number * step + step) % len(WORDS)] for step in range(1, 8)) + "\n"
            for number in range(count)
        )

    (tmp_path / "text.txt").write_text(lines(1200, 0))
    (tmp_path / "known.txt").write_text(lines(250, 1))
    return str(tmp_path / "text.txt"), f"validation.file={tmp_path / 'known.txt'}"


@pytest.fixture
def run(texts, tmp_path, monkeypatch):
    """`run(machine, *assignments, family=, limit=)`: a run on a machine."""
    text, known = texts

    def train_on(machine, *assignments, family="lstm", limit=LIMIT, on_event=ignore_event):
        preset = SMALL.get(family, (f"preset={family}-tiny",))
        asked = [
            *preset,
            known,
            f"training.time_limit={limit:g}s",
            "training.batch_size=4",
            "training.num_steps=8",
            "training.epochs=1000",
            "device.placement=cpu",
            *assignments,
        ]
        with monkeypatch.context() as patched:
            machine.run_on(patched)
            settings = read_settings(assignments=asked)
            policies = Policies(jobs=1)
            return train([text], tmp_path / "model", settings, policies, on_event, clock=machine)

    return train_on


def allowed(limit):
    """The latest end of a run with a limit."""
    return limit + max(0.02 * limit, 5.0)


def metrics_of(trained):
    """The figures of a sound bundle."""
    return verify_bundle(Path(trained.published)).metrics()


@pytest.mark.parametrize("family", NETWORKS)
def test_a_steady_machine_uses_nearly_all_of_the_time(run, family, caplog):
    machine = Machine()
    trained = run(machine, family=family)

    metrics_of(trained)
    # No time is kept for figures that are left out, such as those of a VAE here.
    assert "leaves no time to score" not in caplog.text
    assert 0.9 * LIMIT <= machine.seconds <= allowed(LIMIT)


@pytest.mark.parametrize("family", NETWORKS)
@pytest.mark.long
@pytest.mark.parametrize("share", [0.5, 0.85])
def test_a_machine_whose_speed_halves_ends_in_time(run, family, share):
    machine = Machine(halves_at=share * LIMIT)
    trained = run(machine, family=family)

    metrics_of(trained)
    assert machine.seconds <= allowed(LIMIT)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7, 0.8, 0.95])
@pytest.mark.parametrize("with_ngram", ["false", "true"])
def test_a_run_ends_in_time_whenever_the_speed_halves(run, share, with_ngram):
    machine = Machine(halves_at=share * LIMIT)
    trained = run(machine, f"training.with_ngram={with_ngram}")

    metrics_of(trained)
    assert machine.seconds <= allowed(LIMIT)


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_a_run_with_a_gate_ends_in_time_and_compares_the_same_text(run, share, tmp_path):
    before = run(Machine(), "training.epochs=1")
    seen = []
    machine = Machine(halves_at=share * LIMIT)
    trained = run(machine, "training.seed=2", "publishing.gate_tolerance=9", on_event=seen.append)

    metrics_of(trained)
    assert machine.seconds <= allowed(LIMIT)
    (told,) = (event for event in seen if isinstance(event, GateDone))
    for generation, bits in (
        (before, told.published_bits_per_character),
        (trained, told.new_bits_per_character),
    ):
        whole = bits_of_lines(
            load(generation.published), tmp_path / "known.txt", state="carry", blank_lines="drop"
        )
        place = whole.characters.tolist().index(told.characters)
        assert whole.per_character(whole.places[place]) == pytest.approx(bits)


def test_the_time_may_be_over_while_the_text_is_read(run):
    machine = Machine()
    with pytest.raises(OutOfTimeError, match=r"training.time_limit: 0.05s is over before the text is prepared"):
        run(machine, limit=0.05)
