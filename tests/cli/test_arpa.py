"""`lmctl export` and `lmctl import`."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

KENLM = Path(__file__).parents[1] / "families/arpa/kenlm"


@pytest.fixture
def arpa(call, counted, tmp_path):
    """The ARPA file of `counted`."""
    assert call("export", counted, "--to", "arpa", "-o", tmp_path / "model.arpa").code == 0
    return tmp_path / "model.arpa"


def test_a_model_goes_through_a_pipe_and_answers_as_before(lmctl, call, counted, tmp_path):
    exported = lmctl("export", counted, "--to", "arpa")
    imported = lmctl("import", "-", "-o", tmp_path / "model", stdin=exported.out.encode())

    assert (exported.code, exported.err) == (0, "")
    assert exported.out.startswith("\\data\\\nngram 1=10\n")
    assert (imported.code, imported.err) == (0, "")
    assert imported.out == f"{tmp_path}/model/generations/000001\n"
    # Equally probable words may be in another order.
    after, before = (
        sorted([line, word, number] for line, _, word, number in found.rows[1:])
        for found in (
            call("predict", "-m", model, "-k", "9", "--format", "tsv", "the cat", "the dog sat", "")
            for model in (tmp_path / "model", counted)
        )
    )
    assert after == before
    assert len(before) == 21


def test_the_list_of_words_has_the_unigrams_of_the_arpa_file(call, counted, arpa):
    # pyctcdecode 0.5.0 takes a word of its list that is not a unigram for unknown.
    unigrams = arpa.read_text().partition("\\1-grams:\n")[2].partition("\n\n")[0]
    words = [line.split("\t")[1] for line in unigrams.splitlines()]

    assert words[:3] == ["<s>", "<unk>", "</s>"]
    assert call("export", counted, "--to", "words").lines == words[3:]


def test_a_file_has_the_same_bytes_as_a_pipe(lmctl, counted, arpa):
    assert lmctl("export", counted, "--to", "arpa").out == arpa.read_text(encoding="utf-8")


def test_no_terminal_is_written_full(on_terminal, counted):
    code, shown = on_terminal("export", counted, "--to", "arpa")

    assert code == 2
    assert shown.startswith("lmctl: standard output is a terminal; write to a file with -o")
    assert "ngram 1=" not in shown


def test_a_folder_that_is_missing_is_named(call, counted, tmp_path):
    finished = call("export", counted, "--to", "arpa", "-o", tmp_path / "nowhere/model.arpa")

    assert (finished.code, finished.out) == (74, "")
    assert finished.err == (
        f"lmctl: {tmp_path}/nowhere/model.arpa: there is no folder {tmp_path}/nowhere; make it first\n"
    )


def test_a_model_that_is_no_ngram_model_is_refused(call, bundle, tmp_path):
    finished = call("export", bundle, "--to", "arpa", "-o", tmp_path / "model.arpa")

    assert (finished.code, finished.out, finished.err.count("\n")) == (2, "", 1)
    assert finished.err.endswith(": --to arpa takes a model of family ngram or mixture, got family lstm\n")
    assert not (tmp_path / "model.arpa").exists()


def test_a_damaged_file_is_refused_by_its_line(call, arpa, tmp_path):
    lines = arpa.read_text().splitlines(keepends=True)
    arpa.write_text("".join([*lines[:7], "nonsense\n", *lines[8:]]))

    finished = call("import", arpa, "-o", tmp_path / "model")

    assert (finished.code, finished.out) == (65, "")
    assert finished.err.startswith(f"lmctl: {arpa}: line 8: expected a log10 probability, 1 word,")
    assert finished.err.count("\n") == 1
    assert not (tmp_path / "model/current").exists()


def test_flags_say_how_queries_are_cut(call, arpa, tmp_path):
    call("import", arpa, "-o", tmp_path / "model", "--segmenter", "char", "--normalize", "nfkc", "--lowercase")

    rows = dict(call("info", tmp_path / "model").rows)
    assert rows["family"] == "ngram, order 3, arpa"
    assert rows["segmenter"] == "char"
    assert rows["text"] == "Unicode form nfkc, blank lines dropped, lower-cased"


def test_an_imported_model_validates_nothing_and_lists_so(call, arpa, tmp_path):
    call("import", arpa, "-o", tmp_path / "model")

    (row,) = call("models", tmp_path / "model").rows[1:]
    # An imported model has no figures, no number of tokens, and no preset.
    assert row[1:] == ["1", "*", "", "", "", "9", "", "ngram", "", ""]


def test_log_probabilities_above_0_are_read_if_asked(call, arpa, tmp_path):
    arpa.write_text(re.sub(r"^-[0-9.]+\tcat\t", "0.002\tcat\t", arpa.read_text(), flags=re.MULTILINE))

    refused = call("import", arpa, "-o", tmp_path / "model")
    taken = call("import", arpa, "-o", tmp_path / "model", "--positive-log-probs", "zero")

    assert (refused.code, taken.code) == (65, 0)
    assert refused.err.endswith(
        "expected a log10 probability of 0 or less, got 0.002; --positive-log-probs zero takes those above as 0\n"
    )
    assert "took 1 log10 probabilities of 1-grams above 0, of up to 0.002, as 0" in taken.err


def test_a_trie_of_kenlm_is_imported(call, tmp_path):
    trie = KENLM / "both.trie"

    imported = call("import", trie, "-o", tmp_path / "model", "--quiet")

    assert (imported.code, imported.out) == (0, f"{tmp_path}/model/generations/000001\n")
    assert dict(call("info", tmp_path / "model").rows)["family"] == "ngram, order 4, arpa"
    (tmp_path / "text.txt").write_text("the cat sat on the mat .\n")
    scores = call("eval", "-m", tmp_path / "model", tmp_path / "text.txt", "--level", "word", "--format", "tsv")
    # kenlm 0.3.0, Model("both.trie").full_scores("the cat sat on the mat ."): the first two words.
    assert [row[6] for row in scores.rows[1:3]] == ["-0.241319", "-0.285770"]


def test_special_words_are_named(call, arpa, tmp_path):
    arpa.write_text(arpa.read_text().replace("</s>", "STOP").replace("<s>", "GO").replace("<unk>", "OTHER"))

    missing = call("import", arpa, "-o", tmp_path / "model")
    named = call(
        *("import", arpa, "-o", tmp_path / "model", "--unk", "OTHER", "--bos", "GO", "--eos", "STOP", "--quiet")
    )

    assert (missing.code, named.code) == (65, 0)
    assert missing.err.endswith("no </s> among the unigrams; name the word that ends a sentence with --eos\n")
    assert not {"OTHER", "GO", "STOP"} & set((tmp_path / "model/current/vocabulary.tsv").read_text().split())


def test_the_unknown_word_is_exported_as_asked(call, counted, tmp_path):
    # pocketsphinx (5.1.1, ngram_model.c) reads only <UNK> as the unknown word.
    call("export", counted, "--to", "arpa", "--unknown", "<UNK>", "-o", tmp_path / "model.arpa")

    text = (tmp_path / "model.arpa").read_text()
    assert "\t<UNK>\t" in text
    assert "<unk>" not in text
    assert call("import", tmp_path / "model.arpa", "-o", tmp_path / "model").code == 0


def test_progress_is_shown_on_a_terminal(on_terminal, counted, arpa, tmp_path):
    exported = on_terminal("export", counted, "--to", "arpa", "-o", tmp_path / "again.arpa")
    imported = on_terminal("import", arpa, "-o", tmp_path / "model")

    assert exported[0] == imported[0] == 0
    assert "writing" in exported[1]
    assert "n-grams" in exported[1]
    assert "making the model" in imported[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_import_leaves_no_new_folder(command, clean_environment, arpa, tmp_path, number):
    process = subprocess.Popen(
        [*command, "import", "-", "-o", str(tmp_path / "models/new")],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    process.stdin.write(arpa.read_bytes()[:200])
    process.stdin.flush()
    # The scratch folder exists when the run holds the lock and reads.
    while not list(tmp_path.glob("models/new/work/.unfinished-*")):
        assert process.poll() is None
        time.sleep(0.01)

    process.send_signal(number)

    _, said = process.communicate()
    assert process.returncode == 128 + number
    assert said.decode() == {signal.SIGINT: "lmctl: interrupted\n", signal.SIGTERM: "lmctl: terminated\n"}[number]
    assert not (tmp_path / "models").exists()
