"""`lmctl import` of networks of other programs."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy

import lmctl

WORDS = ["<eos>", "the", "cat", "sat", "<unk>"]


@pytest.fixture
def network(tmp_path):
    """A state dict of PyTorch's word-language-model example with five words, and the list of its words."""
    generator = np.random.default_rng(2)
    shapes = {
        "encoder.weight": (5, 3),
        "rnn.weight_ih_l0": (16, 3),
        "rnn.weight_hh_l0": (16, 4),
        "rnn.bias_ih_l0": (16,),
        "rnn.bias_hh_l0": (16,),
        "decoder.weight": (5, 4),
        "decoder.bias": (5,),
    }
    tensors = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    (tmp_path / "model.safetensors").write_bytes(safetensors.numpy.save(tensors))
    (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in WORDS))
    return tmp_path / "model.safetensors"


@pytest.fixture
def words(network):
    """The list of its words."""
    return network.with_name("words.txt")


def test_a_network_answers_and_is_described_as_a_model(call, network, words, tmp_path):
    imported = call("import", network, "--vocabulary", words, "-o", tmp_path / "model")

    assert (imported.code, imported.err) == (0, "")
    assert imported.out == f"{tmp_path}/model/generations/000001\n"
    assert (tmp_path / "model/current/vocabulary.tsv").read_text().split() == [
        *("<unk>", "0", "</s>", "0"),
        *("the", "0", "cat", "0", "sat", "0"),
    ]
    assert call("predict", "-m", tmp_path / "model", "-k", "9", "the cat").code == 0
    assert np.exp(lmctl.load(tmp_path / "model").log_probs("the cat")).sum() == pytest.approx(1, abs=1e-5)
    assert call("verify", tmp_path / "model").code == 0
    info = dict(call("info", tmp_path / "model").rows)
    assert info["family"] == "lstm, 1 x 4 units, embedding 3"
    assert call("models", tmp_path / "model").code == 0
    (tmp_path / "text.txt").write_text("the cat sat\nthe cat\n")
    assert call("eval", "-m", tmp_path / "model", tmp_path / "text.txt").code == 0


def test_an_imported_network_can_be_exported(call, network, words, tmp_path):
    call("import", network, "--vocabulary", words, "-o", tmp_path / "model")

    exported = call("export", tmp_path / "model", "--to", "onnx", "-o", tmp_path / "model.onnx")

    assert (exported.code, exported.err) == (0, "")


def test_a_list_with_one_word_fewer_leaves_id_0_for_padding(call, network, tmp_path):
    words = tmp_path / "four.txt"
    words.write_text("the\ncat\nsat\n</s>\n")

    imported = call("import", network, "--vocabulary", words, "-o", tmp_path / "model")

    assert imported.code == 0
    assert "no unknown word such as <unk>; its probability is next to nothing" in imported.err
    weights = safetensors.numpy.load_file(tmp_path / "model/current/weights.safetensors")
    rows = safetensors.numpy.load(network.read_bytes())["encoder.weight"]
    np.testing.assert_array_equal(weights["embedding"], [np.zeros(3), rows[4], rows[1], rows[2], rows[3]])


def test_special_words_are_named(call, network, words, tmp_path):
    words.write_text("STOP\nthe\ncat\nsat\nOTHER\n")

    named = call(
        *("import", network, "--vocabulary", words, "--unk", "OTHER", "--eos", "STOP"),
        *("-o", tmp_path / "model"),
    )

    assert (named.code, named.err) == (0, "")
    assert (tmp_path / "model/current/vocabulary.tsv").read_text().split()[::2] == [
        *("<unk>", "</s>", "the", "cat", "sat")
    ]


@pytest.mark.parametrize(
    ("listed", "arguments", "code", "message"),
    [
        ("the\ncat\n", (), 65, "words.txt: 2 words; the network has 5 token ids, of which one may be padding"),
        ("a\nb\na\nc\nd\n", (), 65, "words.txt: 'a' is on line 1 and on line 3"),
        ("a\nb c\nd\ne\nf\n", (), 65, "words.txt: line 2: expected a word, got 'b c'"),
        ("a\n\nd\ne\nf\n", (), 65, "words.txt: line 2: expected a word, got ''"),
        ("a\nb\nc\nd\ne\n", ("--unk", "X"), 2, "--unk: 'X' is not in "),
        (
            "a\nb\nc\n<unk>\nX\n",
            ("--unk", "X"),
            65,
            "words.txt: <unk> is a word beside the one that --unk or --eos",
        ),
        ("a\nb\nc\nd\ne\n", ("--bos", "a"), 2, "--bos: only an ARPA file has it, and "),
        (
            "a\nb\nc\nd\ne\n",
            ("--set", "training.epochs=3"),
            2,
            "training.epochs: has no effect on an imported model",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_no_folder(
    call, network, words, tmp_path, listed, arguments, code, message
):
    words.write_text(listed)

    finished = call("import", network, "--vocabulary", words, *arguments, "-o", tmp_path / "model", "-q")

    assert (finished.code, finished.out, finished.err.count("\n")) == (code, "", 1)
    assert message in finished.err
    assert not (tmp_path / "model").exists()


def test_files_are_read_as_their_names_or_an_option_say(call, network, words, tmp_path):
    for arguments, message in (
        ((network,), f"{network}: is a safetensors file, and has no words; give them with --vocabulary FILE"),
        (
            (words, "--vocabulary", words),
            f"--vocabulary: an ARPA file has its words; {words} is read as one (--from)",
        ),
        ((network, "--from", "keras", "--vocabulary", words), "expected a .keras or .h5 file of Keras"),
        (
            ("-", "--from", "keras", "--vocabulary", words),
            "a network of keras is read from a file, not from standard",
        ),
        ((tmp_path / "typo.keras", "--vocabulary", words), "typo.keras: no such file"),
    ):
        finished = call("import", *arguments, "-o", tmp_path / "model")

        assert finished.code in (2, 65, 66)
        assert message in finished.err
        assert finished.err.count("\n") == 1
    assert not (tmp_path / "model").exists()
