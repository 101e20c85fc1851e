"""`lmctl export` and `lmctl import`."""

from __future__ import annotations

import pytest


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
    # Words that are equally probable may come in another order.
    after, before = (
        sorted([line, word, number] for line, _, word, number in found.rows)
        for found in (
            call("predict", "-m", model, "-k", "9", "--format", "tsv", "the cat", "the dog sat", "")
            for model in (tmp_path / "model", counted)
        )
    )
    assert after == before
    assert len(before) == 21


def test_a_file_is_what_a_pipe_gets(lmctl, counted, arpa):
    assert lmctl("export", counted, "--to", "arpa").out == arpa.read_text(encoding="utf-8")


def test_no_terminal_is_written_full(on_terminal, counted):
    code, shown = on_terminal("export", counted, "--to", "arpa")

    assert code == 2
    assert shown.startswith("lmctl: standard output is a terminal; name a file with -o")
    assert "ngram 1=" not in shown


def test_what_is_no_ngram_model_is_refused(call, bundle, mixture, tmp_path):
    for model, end in (
        (bundle, "only an n-gram model can be written as ARPA text\n"),
        (mixture, f"such as its member {mixture}/generations/000001/members/0\n"),
    ):
        finished = call("export", model, "--to", "arpa", "-o", tmp_path / "model.arpa")

        assert (finished.code, finished.out, finished.err.count("\n")) == (2, "", 1)
        assert finished.err.endswith(end)
        assert not (tmp_path / "model.arpa").exists()


def test_a_damaged_file_is_refused_by_its_line(call, arpa, tmp_path):
    lines = arpa.read_text().splitlines(keepends=True)
    arpa.write_text("".join([*lines[:7], "nonsense\n", *lines[8:]]))

    finished = call("import", arpa, "-o", tmp_path / "model")

    assert (finished.code, finished.out) == (65, "")
    assert finished.err.startswith(f"lmctl: {arpa}: line 8: expected a log10 probability, 1 words")
    assert finished.err.count("\n") == 1
    assert not (tmp_path / "model/current").exists()


def test_flags_say_how_queries_are_cut(call, arpa, tmp_path):
    call("import", arpa, "-o", tmp_path / "model", "--segmenter", "char", "--normalize", "nfkc", "--lowercase")

    rows = dict(call("info", tmp_path / "model").rows)
    assert rows["family"] == "ngram, order 3, arpa"
    assert rows["segmenter"] == "char"
    assert rows["text"] == "normalized nfkc, blank lines drop, lower-cased"


def test_an_imported_model_validates_nothing_and_lists_so(call, arpa, tmp_path):
    call("import", arpa, "-o", tmp_path / "model")

    (row,) = call("models", tmp_path / "model").rows[1:]
    # Neither figures nor tokens of a text, nor a preset.
    assert row[1:] == ["1", "*", "", "", "", "9", "", "ngram", ""]
