"""Options, configurations and paths that cannot be used: one line and an exit code."""

import pytest
from refusals import assert_refused


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
        (
            ("export", "bundle", "--to", "gguf"),
            "--to: expected onnx, onnx-step, keras, litert, arpa, words, ",
        ),
        (("info", "bundle", "-m", "other"), "MODEL (bundle) and -m (other) both name a model; use one of them"),
        (("predict", "-m", "bundle", "-q", "-v", "x"), "--quiet and --verbose contradict each other"),
        (("eval", "-m", "bundle", "--accuracy-at", "0", "good.txt"), "expected whole numbers from 1"),
        (("eval", "-m", "bundle", "--accuracy-at", "a,b", "good.txt"), "such as 1,5,10, got 'a,b'"),
        (
            ("eval", "-m", "bundle", "--max-perplexity", "0.5", "good.txt"),
            "--max-perplexity: expected a number of at least 1, got 0.5",
        ),
        (("eval", "-m", "bundle", "-", "-"), 'standard input ("-") is named more than once'),
        (("eval", "-m", "bundle", "--encoding", "klingon", "good.txt"), "--encoding: expected the name of a text"),
        # A variable of the shell that is not set is no encoding; nor does an argument hide the mistake.
        (("eval", "-m", "bundle", "--encoding", "", "good.txt"), "such as gb18030, got ''"),
        (("predict", "-m", "bundle", "--encoding", "klingon", "the"), "such as gb18030, got 'klingon'"),
        (("import", "good.txt", "-o", "new", "--encoding", ""), "such as gb18030, got ''"),
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
def test_a_path_that_cannot_be_written_is_named_and_no_file_changes(call, workplace, arguments, named):
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
    # `-o "$FOLDER"` gives an empty path if the variable is not set.
    before = sorted(path.name for path in workplace.iterdir())

    assert_refused(call(*arguments), 2, "expected a path, got ''; is a variable of the shell not set?")

    assert sorted(path.name for path in workplace.iterdir()) == before
