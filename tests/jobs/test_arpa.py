"""Export of n-gram models as ARPA files, and import of them."""

import bz2
import gzip
import lzma
import math
from pathlib import Path

import numpy as np
import pytest

import lmctl
from lmctl import progress
from lmctl.config import read_settings
from lmctl.errors import DataError, InputMissingError, LockedError, UsageError
from lmctl.families.arpa.importing import ArpaReading
from lmctl.families.arpa.words import SpecialWords
from lmctl.jobs.export import export
from lmctl.jobs.import_arpa import import_arpa
from lmctl.jobs.mix import mix
from lmctl.jobs.train.run import train
from lmctl.query.model import verify_model
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder
from lmctl.store.lock import locked
from lmctl.store.runs import RunLog

CORPORA = Path(__file__).parents[2] / "corpora"
AUTO = read_settings()


def export_arpa(model, output, unknown="<unk>"):
    """Write a model as ARPA text."""
    export(model, "arpa", output, {"unknown": unknown})


def count(source, model, *assignments):
    """Publish the n-gram model of a text, and return the name of the model."""
    asked = read_settings(assignments=["preset=ngram", "validation.fraction=0", *assignments])
    train([str(source)], model, asked)
    return str(model)


@pytest.fixture
def counted(text, tmp_path):
    return count(text, tmp_path / "counted", "model.order=3")


@pytest.mark.parametrize("name", ["model.arpa", "model.arpa.gz"])
@pytest.mark.parametrize("smoothing", ["kneser-ney", "mle"])
def test_an_exported_and_imported_model_has_the_same_probabilities(text, tmp_path, smoothing, name):
    before = count(text, tmp_path / "before", "model.order=3", f"model.smoothing={smoothing}")
    export_arpa(before, str(tmp_path / name))

    published = import_arpa(str(tmp_path / name), tmp_path / "after", AUTO)

    verify_model(published)
    old, new = lmctl.load(before), lmctl.load(tmp_path / "after")
    assert (new.bundle.record.sizes.order, new.bundle.record.sizes.smoothing) == (3, "arpa")
    assert set(new.vocabulary.words) == set(old.vocabulary.words)
    # Ids may differ: words with the same count are in the order of falling probability there.
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
    # The header has neither a time nor a name (RFC 1952, 2.3).
    assert (one[3], one[4:8]) == (0, bytes(4))
    assert gzip.decompress(one) == (tmp_path / "plain.arpa").read_bytes()


def test_a_network_is_no_arpa_file(make_bundle, tmp_path):
    with pytest.raises(UsageError, match=r": --to arpa takes a model of family ngram or mixture, got .* lstm$"):
        export_arpa(str(make_bundle(tmp_path / "bundle")), str(tmp_path / "model.arpa"))

    assert not (tmp_path / "model.arpa").exists()


def test_a_mixture_and_its_members_are_written(text, counted, tmp_path):
    published = mix([counted, counted], tmp_path / "mixture", text).published

    export_arpa(str(tmp_path / "mixture"), str(tmp_path / "model.arpa"))

    # A mixture of a model with itself is the model.
    same = lmctl.load(import_arpa(str(tmp_path / "model.arpa"), tmp_path / "model", AUTO)).score("the cat sat")
    np.testing.assert_allclose(same.log_probs, lmctl.load(counted).score("the cat sat").log_probs, atol=1e-5)
    export_arpa(f"{published}/members/0", str(tmp_path / "member.arpa"))
    export_arpa(counted, str(tmp_path / "counted.arpa"))
    assert (tmp_path / "member.arpa").read_bytes() == (tmp_path / "counted.arpa").read_bytes()


def test_a_damaged_file_is_refused_with_its_line_and_the_published_model_stays(counted, tmp_path):
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


def test_a_missing_file_and_a_model_in_use_are_reported(counted, tmp_path):
    export_arpa(counted, str(tmp_path / "model.arpa"))

    with pytest.raises(InputMissingError, match=r"typo\.arpa: no such file"):
        import_arpa(str(tmp_path / "typo.arpa"), tmp_path / "model", AUTO)
    assert not (tmp_path / "model").exists()
    with pytest.raises(InputMissingError, match="nowhere: no such model"):
        export_arpa("nowhere", str(tmp_path / "other.arpa"))
    with locked(Path(counted)), pytest.raises(LockedError):
        import_arpa(str(tmp_path / "model.arpa"), Path(counted), AUTO)


@pytest.mark.parametrize("suffix", [".bz2", ".xz"])
def test_a_file_is_compressed_as_its_name_says(counted, tmp_path, suffix):
    export_arpa(counted, str(tmp_path / f"model.arpa{suffix}"))
    export_arpa(counted, str(tmp_path / "plain.arpa"))

    opened = {".bz2": bz2.open, ".xz": lzma.open}[suffix]
    with opened(tmp_path / f"model.arpa{suffix}") as file:
        assert file.read() == (tmp_path / "plain.arpa").read_bytes()


def arpa(backoff):
    r"""An ARPA file of two words, with the given probabilities and back-offs of `</s>` and `a`."""
    return (
        f"\\data\\\nngram 1=3\nngram 2=1\n\n\\1-grams:\n-99\t<s>\t{backoff}\n-0.30103\t</s>\n-0.30103\ta\t0\n\n"
        "\\2-grams:\n-0.30103\t<s> a\n\n\\end\\\n"
    )


def test_a_compression_that_is_not_written_is_no_name_for_plain_text(counted, tmp_path):
    with pytest.raises(UsageError, match=r"model.arpa.zst: expected a name that ends in .gz, .bz2, .xz"):
        export_arpa(counted, str(tmp_path / "model.arpa.zst"))

    assert not list(tmp_path.glob("model*"))


def test_probabilities_that_sum_to_less_than_1_are_imported_with_a_warning(tmp_path, caplog):
    # After <s>: 1/2 for "a", and half of 10^-0.2 for "</s>", which is 0.815 in all.
    (tmp_path / "odd.arpa").write_text(arpa(-0.2))

    import_arpa(str(tmp_path / "odd.arpa"), tmp_path / "model", AUTO)

    assert "odd.arpa: the probabilities sum to 0.815" in caplog.text


def test_scores_that_are_no_distribution_are_imported_too(tmp_path, caplog):
    # After <s>: 1/2, and half of 10^5. Models made by hand for decoders only rank.
    (tmp_path / "wild.arpa").write_text(arpa(5))

    published = import_arpa(str(tmp_path / "wild.arpa"), tmp_path / "model", AUTO)

    assert "the probabilities sum to 50000.5 instead of 1: the ranking of words is right" in caplog.text
    assert lmctl.load(published).score("").log_probs[0] == pytest.approx(math.log(0.5e5), rel=1e-6)


def test_the_largest_back_offs_leave_finite_probabilities(tmp_path):
    (tmp_path / "wild.arpa").write_text(arpa(38))

    model = lmctl.load(import_arpa(str(tmp_path / "wild.arpa"), tmp_path / "model", AUTO))

    assert np.isfinite(np.exp(model.log_probs(""))).all()
    assert math.isfinite(model.predict("", k=3)[0].prob)


def test_a_failed_import_leaves_no_new_folder(counted, tmp_path):
    export_arpa(counted, str(tmp_path / "model.arpa"))
    cut = (tmp_path / "model.arpa").read_bytes()[:-100]
    (tmp_path / "cut.arpa").write_bytes(cut)
    (tmp_path / "empty").mkdir()

    for output in ("models/new", "empty"):
        with pytest.raises(DataError):
            import_arpa(str(tmp_path / "cut.arpa"), tmp_path / output, AUTO)

    assert not (tmp_path / "models").exists()
    assert (tmp_path / "empty").is_dir()


def test_an_interrupted_import_leaves_no_new_folder(counted, tmp_path):
    export_arpa(counted, str(tmp_path / "model.arpa"))

    def interrupt(_read):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_arpa(str(tmp_path / "model.arpa"), tmp_path / "new", AUTO, on_bytes=interrupt)
    assert not (tmp_path / "new").exists()


def test_an_interrupted_export_leaves_no_file(counted, tmp_path):
    def interrupt(activity, _done, _total):
        if activity.startswith("writing"):
            raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt), progress.listening(interrupt):
        export_arpa(counted, str(tmp_path / "out/model.arpa"))
    assert list((tmp_path / "out").iterdir()) == []


def test_progress_is_told_of_every_ngram_and_every_byte(counted, tmp_path):
    written, read = [], []

    with progress.listening(lambda *told: written.append(told)):
        export_arpa(counted, str(tmp_path / "model.arpa"))
    import_arpa(str(tmp_path / "model.arpa"), tmp_path / "model", AUTO, on_bytes=read.append)

    total = sum(open_bundle(tmp_path / "model/current").record.sizes.ngrams)
    assert written[-1] == (f"writing {total} n-grams", total, total)
    assert read[-1] == (tmp_path / "model.arpa").stat().st_size


@pytest.mark.parametrize("unknown", ["<unk>", "<UNK>", "!!UNK"])
def test_words_that_others_would_misread_come_back(tmp_path, caplog, unknown):
    # KenLM, lm/vocab.cc, reads <UNK> as <unk>.
    (tmp_path / "text.txt").write_text("the <UNK> said !!UNK\nthe cat said\n" * 3)
    before = count(tmp_path / "text.txt", tmp_path / "before", "model.order=2")

    export_arpa(before, str(tmp_path / "model.arpa"), unknown)
    published = import_arpa(
        str(tmp_path / "model.arpa"), tmp_path / "after", AUTO, ArpaReading(specials=SpecialWords(unknown=unknown))
    )

    unigrams = (tmp_path / "model.arpa").read_text().split("-grams:\n")[1]
    words = [line.split("\t")[1] for line in unigrams.splitlines() if "\t" in line]
    assert {word for word in words if word in ("<unk>", "<UNK>", "!!UNK")} == {unknown, "!!UNK"}
    old, new = lmctl.load(before), lmctl.load(published)
    assert sorted(new.vocabulary.words) == sorted(old.vocabulary.words)
    text = "the <UNK> said !!UNK"
    assert new.score(text).log_probs == pytest.approx(old.score(text).log_probs, abs=1e-6)
    assert "in words that other programs would misread" in caplog.text


def test_a_folder_is_no_arpa_file(counted, tmp_path):
    with pytest.raises(
        InputMissingError, match=f"{counted}: is a model of lmctl already; expected a file of another program"
    ):
        import_arpa(counted, tmp_path / "model", AUTO)
    with pytest.raises(InputMissingError, match=f"{tmp_path}: is a folder; expected a file of another program"):
        import_arpa(str(tmp_path), tmp_path / "model", AUTO)


@pytest.mark.parametrize("unknown", ["", "two words", "<s>", "</s>"])
def test_an_unknown_word_must_be_a_word(counted, tmp_path, unknown):
    with pytest.raises(UsageError, match="--unknown: expected a word such as <UNK>"):
        export_arpa(counted, str(tmp_path / "model.arpa"), unknown)


@pytest.mark.parametrize(("order", "warned"), [(1, True), (2, False), (6, False), (7, True)])
def test_orders_that_kenlm_is_not_built_for_are_said(text, tmp_path, caplog, order, warned):
    # KenLM's query: "assumes at least a bigram model", "compiled for maximum order 6".
    model = count(text, tmp_path / "model", f"model.order={order}")

    export_arpa(model, str(tmp_path / "model.arpa"))

    assert ("KenLM, as it is usually built, reads orders of 2 to 6" in caplog.text) == warned


def test_an_import_keeps_as_many_generations_as_there_were_to_be(text, counted, tmp_path):
    for seed in range(4):
        count(text, tmp_path / "model", "publishing.keep=10", "publishing.gate=false", f"training.seed={seed}")
    export_arpa(counted, str(tmp_path / "model.arpa"))

    import_arpa(str(tmp_path / "model.arpa"), tmp_path / "model", AUTO)

    assert ModelFolder(tmp_path / "model").numbers() == [1, 2, 3, 4, 5]
    import_arpa(str(tmp_path / "model.arpa"), tmp_path / "model", read_settings(assignments=["publishing.keep=2"]))
    assert ModelFolder(tmp_path / "model").numbers() == [5, 6]


@pytest.mark.parametrize("asked", ["vocabulary.size=10", "training.epochs=3", "model.order=2"])
def test_settings_that_the_file_decides_are_refused(counted, tmp_path, asked):
    export_arpa(counted, str(tmp_path / "model.arpa"))

    with pytest.raises(UsageError, match=rf"^{asked.split('=')[0]}: has no effect on an imported model"):
        import_arpa(str(tmp_path / "model.arpa"), tmp_path / "model", read_settings(assignments=[asked]))
    assert not (tmp_path / "model").exists()


def test_an_import_leaves_a_line_among_the_runs(counted, tmp_path):
    export_arpa(counted, str(tmp_path / "model.arpa"))

    import_arpa(str(tmp_path / "model.arpa"), tmp_path / "model", AUTO)

    (run,) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (run.outcome, run.generation) == ("published", "000001")
