"""Inputs, models, requests and configurations that cannot be used: one line and an exit code."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from lmctl.store.model_record import FORMAT_VERSION

if TYPE_CHECKING:
    from pathlib import Path
from refusals import assert_refused

GB18030 = "好的\n我爱编程\n".encode("gb18030")
# What is wrong with an input: its content (None: it is not there; a folder is made where the name says so), the
# exit code, and what the message must name.
BAD_INPUTS = {
    "missing": (None, 66, "no such file"),
    "folder": (None, 66, "is a folder; expected a text file"),
    "empty": (b"", 65, "expected text"),
    "blank": (b"\n  \n\t\n", 65, "no words"),
    "binary": (b"ELF\n\x01\0\x02", 65, "line 2, byte 5: a NUL byte"),
    "latin": (b"good\nna\xefve\n", 65, "line 2, byte 7: not valid utf-8 (0xef)"),
    "gb18030": (GB18030, 65, "line 1, byte 0: not valid utf-8 (0xba)"),
}
# Every way to read a text; {} is the text. predict answers an empty file with nothing, and blank lines.
READERS = {
    "prepare": ("prepare", "{}", "-o", "prepared"),
    "prepare --stdout": ("prepare", "--stdout", "{}"),
    "train": ("train", "{}", "-o", "model"),
    "train --dry-run": ("train", "{}", "-o", "model", "--dry-run"),
    "predict": ("predict", "-m", "bundle", "-f", "{}"),
    "eval": ("eval", "-m", "bundle", "{}"),
    "validation": ("prepare", "good.txt", "-o", "prepared", "--valid", "{}"),
}
NOTHING_TO_SAY_OF = {
    ("prepare --stdout", "empty"),
    ("prepare --stdout", "blank"),
    ("predict", "empty"),
    ("predict", "blank"),
}


@pytest.fixture
def workplace(tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a text and a model in it, to work in."""
    (tmp_path / "good.txt").write_bytes(b"the cat sat\nthe dog sat\n")
    (tmp_path / "bundle").symlink_to(bundle)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("reader", "problem"),
    [
        (reader, problem)
        for reader in READERS
        for problem in BAD_INPUTS
        if (reader, problem) not in NOTHING_TO_SAY_OF
    ],
)
def test_an_input_that_cannot_be_used_is_named_in_one_line(call, workplace, reader, problem):
    content, code, reason = BAD_INPUTS[problem]
    if problem == "folder":
        (workplace / problem).mkdir()
    elif content is not None:
        (workplace / problem).write_bytes(content)

    finished = call(*(part.format(problem) for part in READERS[reader]))

    assert_refused(finished, code)
    assert finished.out == "" or reader == "prepare --stdout"
    if problem in ("empty", "blank"):
        # What is missing depends on what was wanted: text, words, something to score or to validate on.
        assert "expected text" in finished.err or "no words" in finished.err
    else:
        assert f"{problem}: " in finished.err
        assert reason in finished.err


def test_a_process_ends_with_the_code_and_the_line_and_no_traceback(lmctl, workplace):
    (workplace / "latin.txt").write_bytes(b"good\nna\xefve\n")

    finished = lmctl("eval", "-m", "bundle", "latin.txt", cwd=workplace)

    assert finished.code == 65
    assert finished.out == ""
    assert finished.err == (
        "lmctl: latin.txt: line 2, byte 7: not valid utf-8 (0xef); "
        "if the text has another encoding, name it with --encoding; --errors replace|skip reads on\n"
    )


# What `-m` may name by mistake, the exit code, and what is said of it; info reads neither weights nor vocabulary.
BAD_MODELS = {
    "nowhere": (66, "nowhere: no such model"),
    "good.txt": (66, "good.txt: is a file; expected a model folder"),
    "folder": (66, "folder: not a model"),
    "altered": (65, "altered/model.json: damaged"),
    "newer": (65, "newer/model.json: bundle format 99"),
    "damaged": (65, "damaged/weights.safetensors: damaged"),
    "cut": (65, "cut/vocabulary.tsv: damaged"),
    "incomplete": (65, "incomplete/vocabulary.tsv: expected a file of this bundle"),
}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (command, name)
        for command in ("predict", "eval", "verify", "info")
        for name in BAD_MODELS
        if command != "info" or name not in ("damaged", "cut", "incomplete")
    ],
)
def test_what_is_no_sound_model_is_refused_by_name(call, workplace, command, name):
    (workplace / "folder").mkdir()
    for copy in ("damaged", "cut", "altered", "newer", "incomplete"):
        shutil.copytree(workplace / "bundle", workplace / copy)
    weights = bytearray((workplace / "damaged/weights.safetensors").read_bytes())
    weights[-5] ^= 1
    (workplace / "damaged/weights.safetensors").write_bytes(weights)
    vocabulary = (workplace / "cut/vocabulary.tsv").read_bytes()
    (workplace / "cut/vocabulary.tsv").write_bytes(vocabulary[:-4])
    record = (workplace / "altered/model.json").read_text()
    (workplace / "altered/model.json").write_text(record.replace('"layers": 2', '"layers": 3'))
    newer = record.replace(f'"format_version": {FORMAT_VERSION}', '"format_version": 99')
    (workplace / "newer/model.json").write_text(newer)
    (workplace / "incomplete/vocabulary.tsv").unlink()
    arguments = {
        "predict": ("predict", "-m", name, "the"),
        "eval": ("eval", "-m", name, "good.txt"),
        "info": ("info", name),
        "verify": ("verify", name),
    }

    assert_refused(call(*arguments[command]), *BAD_MODELS[name])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("prepare", "good.txt"), "missing -o DIR (or --stdout to print segmented text)"),
        (
            ("prepare", "good.txt", "--stdout", "-o", "x"),
            "--stdout prints text and -o writes a corpus; use one of them",
        ),
        (("prepare", "good.txt", "-o", "x", "--jobs", "0"), "--jobs"),
        (("train", "-"), "a model trained on standard input needs a name: -o MODEL"),
        (("train", "good.txt", "-o", "bundle"), "is a bundle, which never changes"),
        (
            ("train", "good.txt", "--device", "tpu"),
            "--device: expected auto, cpu, gpu, gpu:N or gpus, got 'tpu'",
        ),
        (
            ("train", "good.txt", "--embedding-dim", "0"),
            "--embedding-dim: expected a whole number of at least 1",
        ),
        (("train", "good.txt", "--epochs", "many"), "--epochs: expected a whole number of at least 1, got 'many'"),
        (("train", "good.txt", "--set", "training.epochs"), "--set: expected section.key=value"),
        (("train", "good.txt", "--encoding", "klingon"), "text.encoding: expected the name of a text encoding"),
        (("predict", "-m", "bundle", "-k", "0", "x"), "-k: expected a whole number of at least 1, got 0"),
        (
            ("predict", "-m", "bundle", "--threshold", "2", "x"),
            "--threshold: expected a number from 0 to 1, got 2",
        ),
        (
            ("predict", "-m", "bundle", "--format", "xml", "x"),
            "--format: expected table, plain, words, tsv or jsonl, got 'xml'",
        ),
        (("predict", "-m", "bundle", "-f", "good.txt", "x"), "TEXT and -f both give contexts; use one of them"),
        (
            ("predict", "-m", "bundle", "--json", "--format", "tsv", "x"),
            "--json is the same as --format jsonl, got --format tsv; use one of them",
        ),
        (
            ("eval", "-m", "bundle", "--format", "kenlm", "--json", "good.txt"),
            "got --format kenlm; use one of them",
        ),
        (("export", "bundle", "--to", "gguf"), "--to: expected arpa, got 'gguf'"),
        (("info", "bundle", "-m", "other"), "MODEL (bundle) and -m (other) both name a model; use one of them"),
        (("predict", "-m", "bundle", "-q", "-v", "x"), "--quiet and --verbose contradict each other"),
        (("eval", "-m", "bundle", "--accuracy-at", "0", "good.txt"), "expected whole numbers from 1"),
        (("eval", "-m", "bundle", "--accuracy-at", "a,b", "good.txt"), "such as 1,5,10, got 'a,b'"),
        (
            ("eval", "-m", "bundle", "--max-perplexity", "0.5", "good.txt"),
            "--max-perplexity: expected a number of at least 1, got 0.5",
        ),
        (("eval", "-m", "bundle", "-", "-"), 'standard input ("-") is named more than once'),
        (("eval", "-m", "bundle", "--encoding", "klingon", "good.txt"), "klingon: unknown text encoding"),
    ],
)
def test_a_request_that_makes_no_sense_is_a_usage_error(call, workplace, arguments, reason):
    assert_refused(call(*arguments), 2, reason)


@pytest.mark.parametrize("command", ["prepare", "train"])
@pytest.mark.parametrize(
    ("yaml", "reason"),
    [
        ("model:\n  embeding_dim: 8\n", "model.embeding_dim: unknown key; did you mean model.embedding_dim?"),
        ("modle:\n  layers: 1\n", "did you mean model.layers?"),
        ("vocabulary:\n  size: lots\n", "vocabulary.size: expected a whole number of at least 3, got 'lots'"),
        ("model:\n  embedding_dim: 0\n", "model.embedding_dim: expected a whole number of at least 1, got 0"),
        ("model: [\n", "line 2, column 1: not valid YAML"),
        ("model:\n  layers: 1\n  layers: 2\n", "layers"),
        ("just words\n", "expected sections such as training:, got 'just words'"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused_before_anything_else(
    call, workplace, command, yaml, reason
):
    (workplace / "wrong.yaml").write_text(yaml)

    finished = call(command, "good.txt", "-o", "made", "-c", "wrong.yaml")

    assert_refused(finished, 2, "wrong.yaml: ", reason)
    assert not (workplace / "made").exists()


@pytest.mark.parametrize(("name", "reason"), [("none.yaml", "no such"), ("folder", "got a folder")])
def test_a_configuration_that_is_not_there_is_a_missing_input(call, workplace, name, reason):
    (workplace / "folder").mkdir()

    assert_refused(call("train", "good.txt", "-o", "made", "-c", name), 66, f"{name}: ", reason)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (
            ("prepare", "good.txt", "-o", "good.txt/below"),
            "good.txt/below: good.txt is not a folder",
        ),
        (
            ("prepare", "good.txt", "-o", "/dev/null/below"),
            "/dev/null/below: /dev/null is not a folder",
        ),
        (("prepare", "good.txt", "-o", "good.txt"), "good.txt: is a file; expected a folder"),
        (
            ("train", "good.txt", "-o", "good.txt/below"),
            "good.txt/below: good.txt is not a folder",
        ),
        (
            ("train", "good.txt", "-o", "/dev/null/below"),
            "/dev/null/below: /dev/null is not a folder",
        ),
        (
            ("eval", "-m", "bundle", "good.txt", "-o", "good.txt/below"),
            "good.txt/below: good.txt is not a folder",
        ),
        (
            ("eval", "-m", "bundle", "good.txt", "-o", "/dev/null/below"),
            "/dev/null/below: /dev/null is not a folder",
        ),
        (
            ("eval", "-m", "bundle", "good.txt", "-o", "nowhere/metrics.json"),
            "nowhere/metrics.json: there is no folder nowhere; make it first",
        ),
        (("eval", "-m", "bundle", "good.txt", "-o", "nowhere/a/b"), "nowhere/a/b: there is no folder nowhere/a;"),
        (("eval", "-m", "bundle", "good.txt", "-o", "."), ".: is a folder; name a file"),
    ],
)
def test_what_cannot_be_written_is_named_and_nothing_else_is_touched(call, workplace, arguments, named):
    before = sorted(path.name for path in workplace.iterdir())

    assert_refused(call(*arguments), 74, named)

    assert sorted(path.name for path in workplace.iterdir()) == before
    assert (workplace / "good.txt").read_bytes() == b"the cat sat\nthe dog sat\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("prepare", "good.txt", "-o", ""),
        ("prepare", "", "-o", "prepared"),
        ("train", "good.txt", "-o", ""),
        ("train", ""),
        ("train", "good.txt", "--log-json", ""),
        ("train", "good.txt", "--status-file", ""),
        ("train", "good.txt", "-c", ""),
        ("predict", "-m", "", "the"),
        ("predict", "-m", "bundle", "-f", ""),
        ("predict", "-m", "bundle", "--candidates", "", "the"),
        ("eval", "-m", "bundle", ""),
        ("eval", "-m", "", "good.txt"),
        ("eval", "-m", "bundle", "good.txt", "-o", ""),
        ("info", ""),
        ("info", "-m", ""),
        ("mix", "bundle", "", "--valid", "good.txt", "-o", "mixed"),
        ("mix", "bundle", "bundle", "--valid", "", "-o", "mixed"),
        ("mix", "bundle", "bundle", "--valid", "good.txt", "-o", ""),
        ("export", "bundle", "--to", "arpa", "-o", ""),
        ("import", "", "-o", "imported"),
        ("import", "good.txt", "-o", ""),
    ],
)
def test_an_empty_path_does_not_mean_the_working_folder(call, workplace, arguments):
    # As of `-o "$FOLDER"`, if the variable is not set.
    before = sorted(path.name for path in workplace.iterdir())

    assert_refused(call(*arguments), 2, "expected a path, got ''; is a variable of the shell not set?")

    assert sorted(path.name for path in workplace.iterdir()) == before


def test_a_family_that_cannot_be_loaded_is_left_out_with_a_warning(lmctl, tmp_path):
    metadata = tmp_path / "broken-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[lmctl.families]\nbroken = no_such_package:FAMILY\n")

    finished = lmctl("export", "--help", env={"PYTHONPATH": str(tmp_path)})

    assert (finished.code, finished.err.count("\n")) == (0, 1)
    assert finished.err.startswith("lmctl: warning: family broken: no_such_package:FAMILY cannot be loaded: ")
    assert "--to [arpa]" in finished.out


def test_an_empty_context_names_no_model_even_in_the_folder_of_one(call, workplace, monkeypatch):
    monkeypatch.chdir(workplace / "bundle")

    assert call("predict", "-m", ".", "").out == call("predict", "", "-m", ".").out
    assert_refused(call("predict", ""), 66, "no models yet")


@pytest.mark.parametrize("problem", ["empty", "blank", "binary", "latin"])
def test_a_prepared_corpus_survives_a_failed_preparation_in_its_place(call, workplace, problem):
    assert call("prepare", "good.txt", "-o", "prepared").code == 0
    before = {path.name: path.read_bytes() for path in (workplace / "prepared").iterdir()}
    (workplace / problem).write_bytes(BAD_INPUTS[problem][0])

    assert call("prepare", problem, "-o", "prepared").code == 65

    assert {path.name: path.read_bytes() for path in (workplace / "prepared").iterdir()} == before


def test_a_metrics_file_survives_an_evaluation_that_fails(call, workplace):
    (workplace / "metrics.json").write_text("old")
    (workplace / "bad.txt").write_bytes(b"the cat\n\xff\n")

    assert call("eval", "-m", "bundle", "good.txt", "bad.txt", "-o", "metrics.json").code == 65

    assert (workplace / "metrics.json").read_text() == "old"


def test_an_argument_that_is_not_text_is_bad_data(lmctl, bundle):
    finished = lmctl("predict", "-m", bundle, "fine", b"the \xff cat")

    assert_refused(finished, 65, "TEXT 2: byte 4: not valid UTF-8 (0xff)")
    assert finished.out == ""
