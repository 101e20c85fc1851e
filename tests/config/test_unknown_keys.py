from __future__ import annotations

import pytest

from lmctl.config import read_settings
from lmctl.errors import UsageError


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("training.batch_sise", "did you mean training.batch_size?"),
        ("training.dropout", "did you mean model.dropout?"),
        ("trainning.epochs", "did you mean training.epochs?"),
        ("Training.Epochs", "did you mean training.epochs?"),
        ("embedding_dim", "did you mean model.embedding_dim?"),
        ("hiden_units", "did you mean model.hidden_units?"),
        ("vocab.size", "did you mean vocabulary.size?"),
        ("validation.path", "there are file, fraction, state"),
        ("training.training.epochs", "did you mean training.epochs?"),
        ("xyzzy", "there are text, vocabulary, model, training, validation, device, publishing"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(key, expected, message):
    assert message(f"{key}=1") == f"{key}: unknown key; {expected}"


def test_an_unknown_key_in_a_file_is_refused_with_the_files_name(write, file_message):
    path = write("training:\n  batch_sise: 3\n")

    assert file_message(path) == "x.yaml: training.batch_sise: unknown key; did you mean training.batch_size?"


def test_a_dotted_key_in_a_file_is_refused_with_the_way_to_write_it(write, file_message):
    path = write("training.epochs: 3")

    assert (
        file_message(path)
        == "x.yaml: training.epochs: unknown key; write epochs on a line of its own below training:"
    )


def test_an_unknown_flag_is_refused():
    with pytest.raises(UsageError, match=r"^training\.epoch: unknown key; did you mean training\.epochs\?$"):
        read_settings([], [], {"training.epoch": 1})
