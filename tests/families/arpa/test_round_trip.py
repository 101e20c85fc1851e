"""Models survive export and import; a damaged file is refused, or is a model."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from arpa_texts import ARPA
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.errors import DataError
from lmctl.families.arpa.export import write_arpa
from lmctl.families.arpa.importing import read_arpa
from lmctl.families.arpa.words import WordSpelling
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.ngram.tables import open_tables


def same_model(vocabulary, tables, folder):
    """Write a model and read it again; return the vocabulary and the model that were read."""
    path = folder / "model.arpa"
    with path.open("wb") as file:
        write_arpa(tables, WordSpelling(vocabulary.words), file)
    again, sizes = read_arpa(str(path), folder)
    assert sizes.ngrams == tables.sizes.ngrams
    return again, NgramLanguageModel(open_tables(folder, sizes))


@settings(max_examples=60)
@given(
    sentences=st.lists(st.lists(st.sampled_from("abcd"), max_size=5).map(" ".join), min_size=1, max_size=8),
    order=st.integers(1, 4),
    smoothing=st.sampled_from(["kneser-ney", "mle"]),
)
def test_distributions_survive_the_round_trip(estimate_text, sentences, order, smoothing):
    text = "\n".join(sentences) + "\n"
    vocabulary, tables = estimate_text(text, order=order, smoothing=smoothing)
    model = NgramLanguageModel(tables)
    generator = np.random.default_rng(len(text))
    contexts = generator.integers(0, len(vocabulary), size=(5, 20))

    with tempfile.TemporaryDirectory() as folder:
        again, other = same_model(vocabulary, tables, Path(folder))
        # Ids differ: in the model that was read they are in the order of probability, else of count.
        ids = np.array([again.words.index(word) for word in vocabulary.words])
        theirs = other.log_probs(other.advance(other.initial_state(20), ids[contexts]))[:, ids]

    ours = model.log_probs(model.advance(model.initial_state(20), contexts))
    np.testing.assert_allclose(theirs, ours, rtol=1e-6, atol=1e-6)


@settings(max_examples=300)
@given(
    faults=st.lists(
        st.tuples(
            st.integers(0, len(ARPA) - 1),
            st.integers(0, 12),
            st.sampled_from(["", "\n", "\t", "9", "-", "b", "\\", "é"]),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_a_damaged_file_is_refused_or_is_a_model(faults):
    text = ARPA
    for at, length, instead in faults:
        text = text[:at] + instead + text[at + length :]

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        path = Path(folder) / "model.arpa"
        path.write_text(text, encoding="utf-8")
        try:
            _, sizes = read_arpa(str(path), Path(folder))
        except DataError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - most files are refused, but not all
            return
        model = NgramLanguageModel(open_tables(Path(folder), sizes))

    words, log_probs = model.top_k(model.initial_state(1), 10)
    assert len(set(words[0].tolist())) == sizes.vocabulary_size
    assert not np.isnan(log_probs).any()
