"""The imports of a command: queries run without TensorFlow, and start fast."""

from __future__ import annotations

import subprocess
import sys

import pytest
from waiting import LONGEST_SECONDS

# Prints the exit code of a command, and the names of the modules in sys.modules.
LIST_MODULES = r"""
import sys
from lmctl import cli
code = cli.run(sys.argv[1:])
sys.stderr.write("\n".join([str(code), *sys.modules]))
"""


@pytest.fixture
def without_tensorflow(tmp_path, clean_environment):
    """An environment in which importing TensorFlow or Keras raises."""
    folder = tmp_path / "poison"
    folder.mkdir()
    for name in ("tensorflow", "keras"):
        (folder / f"{name}.py").write_text(f'raise RuntimeError("{name} was imported")\n')
    return clean_environment(PYTHONPATH=str(folder))


# Modules that read texts, configurations and the records of runs, and those that write models.
NOT_FOR_QUERIES = {
    "base64", "bz2", "csv", "email", "hmac", "html", "importlib.metadata", "json", "lzma",
    "multiprocessing", "random", "secrets", "shlex", "shutil", "subprocess", "tempfile",
    "lmctl.config", "lmctl.corpus.id_stream", "lmctl.corpus.prepared", "lmctl.jobs", "lmctl.query.evaluation",
    "lmctl.query.filling", "lmctl.query.generation", "lmctl.scratch", "lmctl.store.copies", "lmctl.store.figures",
    "lmctl.store.generations", "lmctl.store.lock", "lmctl.store.other_files", "lmctl.store.runs",
    "lmctl.store.verification", "lmctl.text.compression", "lmctl.text.dictionary_segmentation",
    "lmctl.text.encodings", "lmctl.text.engines", "lmctl.text.file_types", "lmctl.text.formats",
    "lmctl.text.literals", "lmctl.text.reading", "lmctl.text.remote", "lmctl.text.sources",
    "lmctl.text.user_dictionary",
    "lmctl.text.word_lists", "lmctl.training",
}  # fmt: skip


def imported(arguments, environment, cwd=None):
    """The exit code of a command and the top-level modules it imported."""
    code, modules = all_imported(arguments, environment, cwd)
    return code, {name.split(".")[0] for name in modules}


def all_imported(arguments, environment, cwd=None):
    """The exit code of a command and all modules it imported."""
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        timeout=LONGEST_SECONDS,
        check=True,
    )
    code, *modules = done.stderr.split()
    return int(code), set(modules)


def test_the_poison_works(lmctl, without_tensorflow, corpora, tmp_path):
    finished = lmctl("train", corpora / "four-sentences.txt", "-o", tmp_path / "model", env=without_tensorflow)

    assert finished.code == 70
    assert "was imported" in finished.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("train", "--help"),
        ("predict", "-m", "{bundle}", "the cat"),
        ("fill", "-m", "{bundle}", "the ___"),
        ("generate", "-m", "{bundle}", "the"),
        ("embed", "-m", "{bundle}", "the cat"),
        ("neighbors", "-m", "{bundle}", "cat"),
        ("eval", "-m", "{bundle}", "{text}"),
        ("compare", "{counted}@1", "{counted}@2", "{text}"),
        ("info", "{bundle}"),
        ("report", "{mixture}", "-o", "-"),
        ("eval", "-m", "{bundle}", "{text}", "--report", "page.html"),
        ("verify", "{bundle}"),
        ("prepare", "{text}", "-o", "prepared", "-q"),
        ("prepare", "--stdout", "{text}"),
        ("train", "{text}", "-o", "model", "--dry-run", "-q"),
        ("train", "{text}", "-o", "model", "--set", "preset=ngram", "-q"),
        ("mix", "{counted}@1", "{counted}@2", "--valid", "{text}", "-o", "model", "-q"),
        ("predict", "-m", "{mixture}", "the cat"),
        ("export", "{counted}", "--to", "arpa"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_only_training_a_network_imports_tensorflow(
    lmctl, without_tensorflow, bundle, counted, mixture, write, tmp_path, arguments
):
    text = write("text.txt", b"the cat sat on the mat .\nthe cat sat .\n")

    finished = lmctl(
        *(part.format(bundle=bundle, counted=counted, mixture=mixture, text=text) for part in arguments),
        env=without_tensorflow,
        cwd=tmp_path,
    )

    assert (finished.code, finished.err) == (0, "")
    assert finished.out


@pytest.mark.parametrize(
    ("arguments", "banned"),
    [
        (("--help",), {"numpy", "msgspec", "yaml", "rich", "jieba", "rjieba", "tensorflow", "multiprocessing"}),
        (
            ("--version",),
            {"numpy", "msgspec", "yaml", "rich", "jieba", "rjieba", "sentencex", "tensorflow", "keras"},
        ),
        (("predict", "-m", "{bundle}", "the cat"), {"yaml", "rich", "jieba", "rjieba", "tensorflow", "keras"}),
        (
            ("eval", "-m", "{bundle}", "{text}"),
            {"yaml", "rich", "jieba", "rjieba", "tensorflow", "keras", "fsspec"},
        ),
        (("info", "{bundle}"), {"yaml", "rich", "jieba", "rjieba", "tensorflow", "keras"}),
        (
            ("prepare", "{text}", "-o", "{text}.prepared", "-q"),
            {"yaml", "rich", "jieba", "rjieba", "tensorflow", "fsspec", "aiohttp"},
        ),
    ],
    ids=["help", "version", "predict", "eval", "info", "prepare"],
)
def test_a_command_imports_only_what_it_needs(clean_environment, bundle, write, arguments, banned):
    text = write("text.txt", b"the cat sat on the mat .\n")

    code, modules = imported([part.format(bundle=bundle, text=text) for part in arguments], clean_environment())

    assert code == 0
    assert "lmctl" in modules
    assert modules & banned == set()


@pytest.mark.parametrize("model", ["bundle", "counted", "mixture"])
def test_predict_imports_no_module_that_reads_texts_or_writes_models(clean_environment, request, model):
    folder = request.getfixturevalue(model)

    code, modules = all_imported(["predict", "-m", folder, "the cat"], clean_environment())

    assert code == 0
    assert modules & NOT_FOR_QUERIES == set()


def test_predict_for_a_chinese_model_imports_one_engine(clean_environment, make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "zh", words=("编程", "艺术"), segmenter="jieba")

    code, modules = imported(["predict", "-m", bundle, "编程"], clean_environment())

    assert code == 0
    assert modules & {"jieba", "rjieba", "yaml", "rich", "tensorflow"} == {"rjieba"}


def test_predict_for_a_model_of_words_imports_an_engine_of_chinese_only_for_chinese(
    clean_environment, make_bundle, tmp_path
):
    bundle = make_bundle(tmp_path / "words", words=("don't", "编程"), segmenter="words")
    engines = {"jieba", "rjieba", "unicode_segmentation_rs", "email"}

    _, english = imported(["predict", "-m", bundle, "don't"], clean_environment())
    code, chinese = imported(["predict", "-m", bundle, "编程"], clean_environment())

    assert code == 0
    assert english & engines == {"unicode_segmentation_rs"}
    assert chinese & engines == {"unicode_segmentation_rs", "rjieba"}


def test_importing_lmctl_costs_nothing(clean_environment):
    script = "import sys, lmctl; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=clean_environment(), check=True
    )

    assert not {"numpy", "click", "msgspec"} & set(done.stdout.replace("'", "").strip("[]\n").split(", "))
