"""The folder of a prepared corpus: files of killed preparations, of other programs and of two preparations."""

import json

import pytest
from folders import contents
from preparing import ALICE, CHINESE, config

from lmctl import files
from lmctl.corpus.prepared import PreparedCorpus
from lmctl.errors import LockedError, UsageError
from lmctl.jobs.prepare import prepare
from lmctl.scratch import Scratch
from lmctl.store.lock import locked


def contents_of_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class KilledError(BaseException):
    """Simulates a kill: no handler cleans up."""


@pytest.mark.parametrize("at", ["announce", "write_bytes"])
def test_a_preparation_removes_the_files_of_a_killed_one(write, tmp_path, monkeypatch, at):
    folder = tmp_path / "corpus"
    text = write("text.txt", ALICE)
    prepare([text], folder, config())
    before = contents(folder)
    owner = Scratch if at == "announce" else files
    original = getattr(owner, at)

    def kill(first, *rest, **options):
        # The kill comes after the journal has named the files, or after all files are in place but corpus.json.
        if at == "announce" or first.name == "corpus.json":
            raise KilledError
        original(first, *rest, **options)

    def rmtree(*_args):
        raise KilledError

    other = write("other.txt", CHINESE)
    with monkeypatch.context() as patched:
        patched.setattr(owner, at, kill)
        patched.setattr("lmctl.scratch.shutil.rmtree", rmtree)
        with pytest.raises(KilledError):
            prepare([other], folder, config())
    left = contents_of_files(folder)
    assert before.items() <= left.items()
    assert len(left) == len(before) + (1 if at == "announce" else 4)

    prepare([text], folder, config())

    assert contents(folder) == before


MINE = (
    *(".train.txt.swp", ".corpus.bak", ".corpus.json.abc", ".vocabulary.notes", ".holder.json.x", "notes.txt"),
    *("train.0123456789abcdef.npy", "valid.0123456789abcdef.txt", ".preparing-abc/000000.words"),
    *(".unfinished-abc/x", ".valid.d/work", "lock", "holder.json", "corpus.json.old"),
)


def test_no_foreign_file_of_any_name_is_removed_or_changed(write, tmp_path):
    folder = tmp_path / "corpus"
    for name in MINE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")

    for text in (ALICE, CHINESE, ALICE):
        prepare([write("text.txt", text)], folder, config())

    assert {name: (folder / name).read_text() for name in MINE} == dict.fromkeys(MINE, "mine")
    names = set(PreparedCorpus.open(folder).record.files.values())
    assert {path.name for path in folder.iterdir()} == {name.split("/")[0] for name in MINE} | names | {
        "corpus.json"
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("corpus.json", "{}"),
        ("corpus.json", ""),
        ("corpus.json", '{"files": {"train": "notes.txt"}}'),
        ("corpus.json", "-> notes.txt"),
        ("unfinished.json", '{"scratch": "notes.txt"}'),
        ("unfinished.json", "-> notes.txt"),
    ],
)
def test_a_file_of_others_in_the_place_of_a_record_is_refused_and_stays(write, tmp_path, name, content):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    if content.startswith("-> "):
        (folder / name).symlink_to(content[3:])
    else:
        (folder / name).write_text(content)
    before = {path.name: path.read_text() for path in folder.iterdir()}

    with pytest.raises(
        UsageError, match=f"^{folder / name}: expected .*, got another file.* name another folder with -o"
    ):
        prepare([write("text.txt", ALICE)], folder, config())

    assert before.items() <= {path.name: path.read_text() for path in folder.iterdir()}.items()


def test_a_record_that_names_files_outside_its_folder_has_none_of_them_removed(write, tmp_path):
    folder = tmp_path / "corpus"
    prepare([write("text.txt", ALICE)], folder, config())
    record = json.loads((folder / "corpus.json").read_text())
    record["files"]["train"], record["files"]["valid"] = "../mine.txt", "notes.txt"
    (folder / "corpus.json").write_text(json.dumps(record))
    for path in (tmp_path / "mine.txt", folder / "notes.txt"):
        path.write_text("mine")

    prepare([write("text.txt", CHINESE)], folder, config())

    assert (tmp_path / "mine.txt").read_text() == (folder / "notes.txt").read_text() == "mine"


def test_of_two_preparations_in_one_folder_the_second_is_refused(write, tmp_path):
    folder = tmp_path / "corpus"
    text = write("text.txt", ALICE)
    prepare([text], folder, config())
    before = contents(folder)

    with locked(folder), pytest.raises(LockedError, match=r"corpus: another run holds its lock"):
        prepare([write("other.txt", CHINESE)], folder, config())

    assert contents(folder) == before
