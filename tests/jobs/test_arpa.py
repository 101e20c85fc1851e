"""n-gram models that leave as ARPA files, and come back."""

import gzip
from pathlib import Path

import numpy as np
import pytest

import lmctl
from lmctl.config import read_settings
from lmctl.errors import DataError, InputMissingError, LockedError, UsageError
from lmctl.jobs.arpa import export_arpa, import_arpa
from lmctl.jobs.mix import mix
from lmctl.jobs.train import train
from lmctl.query.model import verify_model
from lmctl.store.bundle import open_bundle
from lmctl.store.lock import locked

CORPORA = Path(__file__).parents[2] / "corpora"
AUTO = read_settings()


def count(source, model, *assignments):
    """Publish the n-gram model of a text; the name of the model."""
    asked = read_settings(assignments=["preset=ngram", "validation.fraction=0", *assignments])
    train([str(source)], model, asked)
    return str(model)


@pytest.fixture
def counted(text, tmp_path):
    return count(text, tmp_path / "counted", "model.order=3")


@pytest.mark.parametrize("name", ["model.arpa", "model.arpa.gz"])
@pytest.mark.parametrize("smoothing", ["kneser-ney", "mle"])
def test_what_comes_back_has_the_same_probabilities(text, tmp_path, smoothing, name):
    before = count(text, tmp_path / "before", "model.order=3", f"model.smoothing={smoothing}")
    export_arpa(before, str(tmp_path / name))

    published = import_arpa(str(tmp_path / name), tmp_path / "after", AUTO)

    verify_model(published)
    old, new = lmctl.load(before), lmctl.load(tmp_path / "after")
    assert (new.bundle.record.sizes.order, new.bundle.record.sizes.smoothing) == (3, "arpa")
    assert set(new.vocabulary.words) == set(old.vocabulary.words)
    # Ids may be others: words of one count have falling probabilities there.
    places = new.vocabulary.encode(old.vocabulary.words[2:])
    order = [0, 1, *places]
    for context in ("", "the", "the cat", "the dog sat on the", "zebra the", "cat cat cat"):
        expected = np.exp(old.log_probs(context).astype(np.float64))
        found = np.exp(new.log_probs(context).astype(np.float64))[order]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_same_model_gives_the_same_compressed_bytes(counted, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for name in ("one.arpa.gz", "elsewhere/other.arpa.gz", "plain.arpa"):
        export_arpa(counted, str(tmp_path / name))

    one = (tmp_path / "one.arpa.gz").read_bytes()
    assert one == (tmp_path / "elsewhere/other.arpa.gz").read_bytes()
    # Neither a time nor a name stands in the header (RFC 1952, 2.3).
    assert (one[3], one[4:8]) == (0, bytes(4))
    assert gzip.decompress(one) == (tmp_path / "plain.arpa").read_bytes()


def test_a_network_is_no_arpa_file(make_bundle, tmp_path):
    with pytest.raises(UsageError, match=r"family lstm; only an n-gram model can be written as ARPA text$"):
        export_arpa(str(make_bundle(tmp_path / "bundle")), str(tmp_path / "model.arpa"))

    assert not (tmp_path / "model.arpa").exists()


def test_a_mixture_names_its_member_that_can_be_written(text, counted, tmp_path):
    other = count(text, tmp_path / "other", "model.order=2")
    published = mix([counted, other], tmp_path / "mixture", text).published

    with pytest.raises(UsageError, match=f"family mixture; .*, such as its member {published}/members/0$"):
        export_arpa(str(tmp_path / "mixture"), str(tmp_path / "model.arpa"))

    export_arpa(f"{published}/members/0", str(tmp_path / "member.arpa"))
    export_arpa(counted, str(tmp_path / "counted.arpa"))
    assert (tmp_path / "member.arpa").read_bytes() == (tmp_path / "counted.arpa").read_bytes()


def test_a_damaged_file_is_refused_by_its_line_and_what_was_published_stays(counted, tmp_path):
    export_arpa(counted, str(tmp_path / "model.arpa"))
    published = import_arpa(str(tmp_path / "model.arpa"), tmp_path / "model", AUTO)
    lines = (tmp_path / "model.arpa").read_text().splitlines()
    damaged = tmp_path / "damaged.arpa"
    damaged.write_text("\n".join([*lines[:8], "-0.5x\tcat\t0", *lines[9:]]) + "\n")

    with pytest.raises(DataError, match=r"damaged\.arpa: line 9: expected a number, got '-0\.5x'"):
        import_arpa(str(damaged), tmp_path / "model", AUTO)
    damaged.write_text("\n".join(lines[:-4]) + "\n")
    with pytest.raises(DataError, match=rf"damaged\.arpa: line {len(lines) - 4}: the 3-grams end here after"):
        import_arpa(str(damaged), tmp_path / "new", AUTO)

    assert (tmp_path / "model/current").resolve() == published
    assert list((tmp_path / "model/generations").iterdir()) == [published]
    assert not (tmp_path / "new/current").exists()


@pytest.mark.parametrize(
    ("corpus", "asked", "segmenter"),
    [
        ("zh.txt", "text.segmenter=auto", "jieba"),
        ("en.txt", "text.segmenter=auto", "space"),
        ("zh.txt", "text.segmenter=char", "char"),
    ],
)
def test_the_words_say_how_queries_are_cut(tmp_path, corpus, asked, segmenter):
    lines = (CORPORA / corpus).read_text(encoding="utf-8").splitlines(keepends=True)[:60]
    (tmp_path / "text.txt").write_text("".join(lines), encoding="utf-8")
    before = count(tmp_path / "text.txt", tmp_path / "before", "model.order=2")
    export_arpa(before, str(tmp_path / "model.arpa"))

    config = read_settings(assignments=[asked])
    published = import_arpa(str(tmp_path / "model.arpa"), tmp_path / "after", config)

    old, new = lmctl.load(before), lmctl.load(published)
    assert new.bundle.record.recipe.segmenter.name == segmenter
    if asked.endswith("auto"):
        assert new.encode(lines[0].strip()).words == old.encode(lines[0].strip()).words
        assert [found.word for found in new.predict(lines[0][:2])] != []


def test_an_imported_model_has_no_text_behind_it(counted, tmp_path):
    export_arpa(counted, str(tmp_path / "model.arpa"))

    bundle = open_bundle(import_arpa(str(tmp_path / "model.arpa"), tmp_path / "model", AUTO))

    assert (bundle.record.corpus, bundle.record.training, bundle.record.cache) == (None, None, None)
    assert bundle.metrics() == {"valid": None}
    assert set(bundle.vocabulary().counts) == {0}


def test_what_is_missing_or_in_use_is_said(counted, tmp_path):
    export_arpa(counted, str(tmp_path / "model.arpa"))

    with pytest.raises(InputMissingError, match=r"typo\.arpa: no such file"):
        import_arpa(str(tmp_path / "typo.arpa"), tmp_path / "model", AUTO)
    assert not (tmp_path / "model").exists()
    with pytest.raises(InputMissingError, match="nowhere: no such model"):
        export_arpa("nowhere", str(tmp_path / "other.arpa"))
    with locked(Path(counted)), pytest.raises(LockedError):
        import_arpa(str(tmp_path / "model.arpa"), Path(counted), AUTO)
