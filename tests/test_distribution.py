"""The distribution: the sdist, the wheel made from it, and lmctl installed from that wheel."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from lmctl.training.loading import NEWEST_PYTHON

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SUPPORTED = sorted(
    tuple(map(int, classifier.rpartition(" ")[2].split(".")))
    for classifier in PROJECT["classifiers"]
    if classifier.startswith("Programming Language :: Python :: 3.")
)
RUNNING = sys.version_info[:2]

pytestmark = pytest.mark.slow


def run(*arguments, cwd, **changes):
    """Run a program, and return its output. Its environment has no settings of this Python."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LMCTL_"))}
    done = subprocess.run(
        list(map(str, arguments)),
        cwd=cwd,
        env=environment | changes,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that `python -m build` makes from it."""
    pytest.importorskip("build", reason="needs the extra dev")
    pytest.importorskip("hatchling", reason="needs the extra dev")
    folder = tmp_path_factory.mktemp("built")
    # Nothing is downloaded without isolation, because the backend is a development tool.
    run(sys.executable, "-m", "build", "--no-isolation", "-o", folder, ROOT, cwd=folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def names_in_sdist(sdist):
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def tracked():
    """Every file that git tracks or would add; links to folders are followed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: what belongs into the sdist is what git holds")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_dir():
            yield from (f"{name}/{below.relative_to(path)}" for below in path.rglob("*") if below.is_file())
        elif path.exists():
            yield name


def test_the_sdist_holds_all_that_a_checkout_holds(built):
    assert names_in_sdist(built[0]) - {"PKG-INFO"} == {*tracked()}


def test_the_wheel_holds_the_package_with_its_presets_and_types(built):
    with zipfile.ZipFile(built[1]) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    package = {name for name in names_in_sdist(built[0]) if name.startswith("lmctl/")}
    assert names == package
    assert {
        "lmctl/py.typed",
        "lmctl/configs/ngram.yaml",
        "lmctl/configs/spaces/ngram.yaml",
        "lmctl/configs/schema.json",
    } <= names
    assert {f"lmctl/corpora/{name}.txt" for name in ("en", "zh", "four-sentences")} <= names


def interpreter(version):
    """A Python of a version; the test is skipped if the machine has none."""
    if version == RUNNING:
        return sys.executable
    name = f"python{version[0]}.{version[1]}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for found in (
        shutil.which(name),
        *sorted(map(str, pyenv.glob(f"{name.removeprefix('python')}.*/bin/python3"))),
    ):
        # A shim may exist although its Python does not.
        if (
            found
            and subprocess.run([found, "-c", "import venv"], capture_output=True, check=False).returncode == 0
        ):
            return found
    pytest.skip(f"this machine has no {name}")


def first_day(lmctl, folder):
    """Train n-grams of a text of the package with a preset of the package, and query them, in a new folder."""
    folder.mkdir()
    versions = dict(line.split(" ", 1) for line in run(lmctl, "--version", cwd=folder).splitlines())
    assert versions["lmctl"] == built_version()
    package = Path(versions["package"])
    assert package.is_relative_to(lmctl.parents[1])
    asked = ("train", package / "corpora/four-sentences.txt", "-c", package / "configs/ngram.yaml", "--quiet")
    printed = run(lmctl, *asked, "--min-count", "1", cwd=folder)
    assert printed == "models/four-sentences/generations/000001\n"
    assert run(lmctl, "predict", "编程", "-k", "1", "--format", "words", cwd=folder) == "是\n"
    assert run(lmctl, "verify", cwd=folder) == "models/four-sentences/generations/000001: ok\n"


def built_version():
    """The version that the checkout states."""
    return re.search(r'__version__ = "(.*)"', (ROOT / "lmctl/version.py").read_text(encoding="utf-8"))[1]


@pytest.mark.parametrize(
    "version",
    dict.fromkeys([SUPPORTED[0], NEWEST_PYTHON, SUPPORTED[-1]]),
    ids=lambda version: ".".join(map(str, version)),
)
def test_wheel_and_sdist_work_on_the_oldest_and_the_newest_python(built, tmp_path, version):
    sdist, wheel = built
    run(interpreter(version), "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    pip = (tmp_path / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")

    run(*pip, "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)
    first_day(tmp_path / "venv/bin/lmctl", tmp_path / "wheel")
    run(*pip, "--force-reinstall", "--no-deps", sdist, cwd=tmp_path)
    first_day(tmp_path / "venv/bin/lmctl", tmp_path / "sdist")


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """An environment of the running Python: lmctl from the wheel, other packages from this environment."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    pip = (folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-deps", "--no-index", built[1], cwd=folder)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    # An editable install is found by a .pth file, which is not read from there.
    here = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "others.pth").write_text("\n".join(here) + "\n")
    return folder / "venv"


@pytest.mark.long
def test_a_network_is_trained_by_an_installed_wheel(installed, tmp_path):
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("needs the extra train")
    (tmp_path / "text.txt").write_text("the cat sat on the mat .\n" * 20)
    asked = ("--epochs", "1", "--embedding-dim", "4", "--hidden-units", "4", "--min-count", "1")

    run(installed / "bin/lmctl", "train", "text.txt", "--quiet", *asked, cwd=tmp_path)

    found = run(installed / "bin/lmctl", "predict", "the", "-k", "1", "--format", "words", cwd=tmp_path)
    assert found.strip() in {"the", "cat", "sat", "on", "mat", "."}
    where = run(installed / "bin/python", "-c", "import lmctl; print(lmctl.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed)


# A program of a user. mypy must know all of its types.
USER = """
import lmctl

model = lmctl.load("models/news")
for found in model.predict("the cat", k=3):
    word: str = found.word
    prob: float = found.prob
    logprob: float = found.logprob
reveal_type(model.predict("the cat"))
reveal_type(model.score("the cat"))
reveal_type(model.log_probs("the cat"))
model.predict(3)
"""


@pytest.mark.long
def test_a_type_checker_sees_the_interface(installed, tmp_path):
    pytest.importorskip("mypy", reason="needs the extra dev")
    (tmp_path / "user.py").write_text(USER)

    asked = (
        "--strict",
        "--cache-dir",
        tmp_path / "cache",
        "--python-executable",
        installed / "bin/python",
        "user.py",
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *map(str, asked)],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    ).stdout

    revealed = [
        line.partition('Revealed type is "')[2].rstrip('"') for line in checked.splitlines() if "Reveal" in line
    ]
    assert revealed[0] == "list[lmctl.query.prediction.Prediction]"
    assert revealed[1] == "lmctl.query.sentence_scores.SentenceScore"
    assert revealed[2].startswith("numpy.ndarray["), checked
    errors = [line for line in checked.splitlines() if ": error: " in line]
    assert len(errors) == 1, checked
    assert 'Argument 1 to "predict" of "Model" has incompatible type "int"' in errors[0]
