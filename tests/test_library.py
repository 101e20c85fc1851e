"""lmctl as a Python library: docs/python.md, and the functions of `lmctl`."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sessions import python_blocks
from web_texts import Page, serving_texts

import lmctl
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import InputMissingError, UsageError
from lmctl.training.events import EpochDone

ROOT = Path(__file__).parents[1]
TINY = {
    "preset": "tiny",
    "training.epochs": 2,
    "training.baseline": False,
    "training.with_ngram": False,
    "publishing.gate": False,
    "device.placement": "cpu",
}


@pytest.fixture
def in_a_folder_with_texts(tmp_path, monkeypatch):
    (tmp_path / "corpora").symlink_to(ROOT / "corpora")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_session_of_the_page(in_a_folder_with_texts):
    options = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL

    results = doctest.testfile(str(ROOT / "docs/python.md"), module_relative=False, optionflags=options)

    assert results.attempted >= 10
    assert results.failed == 0


@pytest.mark.slow
def test_the_programs_of_the_page_run_one_after_the_other(in_a_folder_with_texts):
    blocks = python_blocks((ROOT / "docs/python.md").read_text(encoding="utf-8"))
    code = "\n".join(["import lmctl", *blocks, "print(probs.shape, abs(probs.sum() - 1) < 1e-4)"])

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    # Keras prints its progress between them.
    lines = found.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["1", "2", "3"]
    assert lines[-1] == "(1000,) True"


def test_importing_lmctl_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import lmctl; print(sorted(set(sys.modules) - before))"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "['lmctl', 'lmctl.version']"


def test_every_name_is_there_and_others_are_not():
    assert [getattr(lmctl, name).__name__ for name in lmctl.__all__ if name != "__version__"] == [
        *("Model", "evaluate", "load", "prepare", "to_keras", "train")
    ]
    with pytest.raises(AttributeError, match="has no attribute 'predict'"):
        _ = lmctl.predict


def test_texts_and_files_of_settings_may_be_several(in_a_folder_with_texts):
    Path("one.yaml").write_text("preset: ngram\nmodel: {order: 2}\n")
    Path("a.txt").write_text("a b\n")
    Path("b.txt").write_text("c d\n")
    of_text = {"vocabulary.min_count": 1, "validation.fraction": 0}
    settings = {"model.order": 3, "publishing.gate": False}

    corpus = lmctl.prepare([Path("a.txt"), "b.txt"], "corpus", of_text)
    model = lmctl.train("corpus", Path("model"), settings, configs=[Path("one.yaml")])

    assert corpus.record.train.sentences == 2
    assert set(model.vocabulary.words) == {"<unk>", "</s>", *"abcd"}
    assert model.bundle.record.sizes.order == 3
    again = lmctl.train("corpus", "model", settings, configs=["one.yaml"])
    assert again.bundle.folder == model.bundle.folder


def test_figures_by_hand(in_a_folder_with_texts):
    # P(a), P(b) and P(</s>) are 1/2, 1/4 and 1/4.
    Path("counted.txt").write_text("a a b\n")
    Path("scored.txt").write_text("a b\n")
    settings = {"preset": "ngram", "model.order": 1, "model.smoothing": "mle", "vocabulary.min_count": 1}
    lmctl.train("counted.txt", "model", settings | {"validation.fraction": 0, "publishing.gate": False})

    figures = lmctl.evaluate("model", Path("scored.txt"), state="carry", accuracy_at=[1])

    assert figures.perplexity == pytest.approx(32 ** (1 / 3))
    assert (figures.tokens, figures.state, figures.accuracy) == (3, "carry", {"1": pytest.approx(1 / 3)})


def test_texts_may_be_at_addresses_whose_signatures_change(in_a_folder_with_texts):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe_file("/a.txt", b"a b\n")
    settings = {"vocabulary.min_count": 1, "validation.fraction": 0}

    with serving_texts() as web:
        web.pages["/b.txt"] = Page(b"c d\n")
        # Each call has another signature, as addresses that are signed for some minutes have.
        lmctl.prepare(f"{web.url}/b.txt?signature=1", "corpus", settings)
        corpus = lmctl.prepare(["memory://a.txt", f"{web.url}/b.txt?signature=2"], "corpus", settings)

        assert [path for _, path, _ in web.requests][-1] == "/b.txt?signature=2"
        assert [source.name for source in corpus.record.sources] == ["memory://a.txt", f"{web.url}/b.txt"]
        with pytest.raises(UsageError, match="is named twice, with different users or queries"):
            lmctl.prepare([f"{web.url}/b.txt?signature=1", f"{web.url}/b.txt?signature=2"], "corpus", settings)
    assert corpus.record.train.sentences == 2


def test_a_missing_model_or_text_is_named(in_a_folder_with_texts):
    with pytest.raises(InputMissingError, match="models/none: no such model"):
        lmctl.load("models/none")
    with pytest.raises(InputMissingError, match=r"none\.txt"):
        lmctl.train("none.txt", "models/new")


@pytest.mark.slow
@pytest.mark.usefixtures("cpu")
def test_a_network_is_trained_and_goes_on_as_a_keras_model(in_a_folder_with_texts):
    epochs = []

    model = lmctl.train(
        "corpora/en.txt",
        "model",
        TINY,
        on_event=lambda event: epochs.append(event.epoch) if isinstance(event, EpochDone) else None,
    )

    assert epochs == [1, 2]
    size, dimensions = len(model.vocabulary), model.bundle.record.sizes.embedding_dim
    assert model.word_vectors().shape == (size, dimensions)
    assert model.sentence_vectors(["she opened the door .", "a"]).shape[0] == 2
    network = lmctl.to_keras(model)
    ids = [SENTENCE_END_ID, *model.encode("she opened the").token_ids]
    probs = network.predict(np.array([ids]), verbose=0)[0, -1]
    np.testing.assert_allclose(np.log(probs), model.log_probs("she opened the"), atol=1e-4)


def test_counts_have_no_keras_model(in_a_folder_with_texts):
    model = lmctl.train("corpora/en.txt", "model", {"preset": "ngram"})

    with pytest.raises(UsageError, match="keras"):
        lmctl.to_keras(model)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: lmctl.evaluate("model", "a.txt", state="Carry"), "state is 'Carry'; expected 'reset' or 'carry'"),
        (
            lambda: lmctl.evaluate("model", "a.txt", blank_lines="no"),
            "blank_lines is 'no'; expected 'drop' or 'keep'",
        ),
        (
            lambda: lmctl.evaluate("model", "a.txt", accuracy_at=[-1]),
            "a k of accuracy_at is -1; expected a whole number of at least 1",
        ),
        (
            lambda: lmctl.train("a.txt", "model", resume="no"),
            "resume is 'no'; expected 'auto', 'never' or 'require'",
        ),
        (lambda: lmctl.train("a.txt", "model", lock="no"), "lock is 'no'; expected 'fail' or 'wait'"),
        (lambda: lmctl.train([], "model"), "no text was named; expected a path or an address, or several"),
        # Path("") is the working directory.
        (lambda: lmctl.train("a.txt", ""), "expected a path, got ''"),
        (lambda: lmctl.prepare("a.txt", ""), "expected a path, got ''"),
        (lambda: lmctl.prepare(["a.txt", ""], "c"), "expected a path, got ''"),
        (lambda: lmctl.prepare("a.txt", "c", configs=[""]), "expected a path, got ''"),
        (lambda: lmctl.load(""), "expected a path, got ''"),
        (lambda: lmctl.evaluate("model", ""), "expected a path, got ''"),
        (lambda: lmctl.to_keras(""), "expected a path, got ''"),
        (lambda: lmctl.prepare("a.txt", "c", jobs=-1), "jobs is -1; expected a whole number of at least 0"),
        (
            lambda: lmctl.prepare("a.txt", "c", configs="c.yaml"),
            "configs is the path 'c.yaml'; expected a list of paths",
        ),
    ],
)
def test_arguments_that_no_function_takes_are_refused(in_a_folder_with_texts, run, message):
    Path("a.txt").write_text("a b\n")
    before = sorted(Path().iterdir())

    with pytest.raises(UsageError) as refusal:
        run()
    assert str(refusal.value) == message
    assert sorted(Path().iterdir()) == before


def test_numbers_of_numpy_are_settings(in_a_folder_with_texts):
    Path("a.txt").write_text("a b c\n")
    size, fraction = np.array([4])[0], np.array([0.0])[0]

    corpus = lmctl.prepare("a.txt", "corpus", {"vocabulary": {"size": size}, "validation.fraction": fraction})

    assert len(corpus.vocabulary) == 4
