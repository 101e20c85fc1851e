"""A corpus that has shrunk is not trained on without --force."""

import pytest

from lmctl.config import read_settings
from lmctl.errors import QualityGateError
from lmctl.jobs.prepare import prepare
from lmctl.jobs.train.run import train
from lmctl.jobs.train.training_job import Policies

ANY_FIGURE = ("publishing.gate_tolerance=99",)
LINE = "the cat sat on the mat .\n"


@pytest.fixture
def run(tmp_path):
    """`run(lines, *assignments, policies=Policies())`: n-grams of `lines` lines of 25 characters; 10 at first."""

    def run(lines, *assignments, **options):
        (tmp_path / "text.txt").write_text(LINE * lines)
        (tmp_path / "valid.txt").write_text(LINE)
        asked = ["preset=ngram", f"validation.file={tmp_path / 'valid.txt'}", *ANY_FIGURE, *assignments]
        return train([str(tmp_path / "text.txt")], tmp_path / "model", read_settings(assignments=asked), **options)

    run(10)
    return run


def test_a_corpus_that_has_shrunk_is_refused_with_both_sizes_and_the_way_on(run, tmp_path):
    with pytest.raises(QualityGateError) as caught:
        run(7)

    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "not trained: the text shrank by 30 %, from 250 to 175 characters (20 % is allowed); "
        "if the text is complete, --force trains on it"
    )
    assert (tmp_path / "model/current").readlink().name == "000001"


@pytest.mark.parametrize(
    ("lines", "assignments", "options"),
    [
        (8, (), {}),
        (20, (), {}),
        (7, (), {"policies": Policies(force=True)}),
        (7, ("publishing.gate=false",), {}),
        (7, ("publishing.shrink_tolerance=0.3",), {}),
        (1, ("publishing.shrink_tolerance=1",), {}),
    ],
    ids=["by as much as is allowed", "grown", "forced", "no gate", "a wide tolerance", "any size"],
)
def test_a_text_that_may_be_trained_on(run, lines, assignments, options):
    assert run(lines, *assignments, **options).published.endswith("000002")


def test_a_prepared_corpus_that_has_shrunk_is_refused_too(run, tmp_path):
    (tmp_path / "text.txt").write_text(LINE * 5)
    settings = read_settings(assignments=[f"validation.file={tmp_path / 'valid.txt'}"])
    prepare([str(tmp_path / "text.txt")], tmp_path / "corpus", settings.resolve(), jobs=1)

    with pytest.raises(QualityGateError, match="the text shrank by 50 %"):
        train([str(tmp_path / "corpus")], tmp_path / "model", read_settings(assignments=["preset=ngram"]))


def test_lines_that_a_hash_holds_out_count(tmp_path):
    lines = [
        f"the cat number {number} sat on the mat with {number * 7 % 50} dogs and a bird\n" for number in range(400)
    ]
    (tmp_path / "text.txt").write_text("".join(lines))
    for fraction, generation in ((0.05, "000001"), (0.4, "000002")):
        asked = ["preset=ngram", f"validation.fraction={fraction}", "publishing.gate_tolerance=9"]
        trained = train([str(tmp_path / "text.txt")], tmp_path / "model", read_settings(assignments=asked))
        assert trained.published.endswith(generation)
