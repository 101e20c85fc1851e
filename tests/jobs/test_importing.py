"""What an import leaves of its model folder if it fails."""

import threading

import pytest

from lmctl.config import read_settings
from lmctl.errors import DataError
from lmctl.jobs.import_arpa import import_arpa
from lmctl.store.generations import ModelFolder
from lmctl.store.layout import HOLDER
from lmctl.store.lock import locked
from lmctl.store.published import is_model


def test_a_run_that_waits_for_a_failing_import_gets_a_model_folder_of_its_own(tmp_path):
    (tmp_path / "model.arpa").write_text("\\data\\\nngram 1=1\n")
    folder, began, found = tmp_path / "new", threading.Event(), []

    def wait():
        began.set()
        with locked(folder, "wait"), ModelFolder(folder).working():
            # Whether the note of the lock is there depends on which of the two ends first.
            found.extend(sorted(path.name for path in folder.iterdir() if path.name != HOLDER))

    waiting = threading.Thread(target=wait)

    def fail(_read):
        waiting.start()
        began.wait()
        raise DataError("cut off")

    with pytest.raises(DataError, match="cut off"):
        import_arpa(str(tmp_path / "model.arpa"), folder, read_settings(), on_bytes=fail)
    waiting.join()

    assert found == ["generations", "lock", "work"]


def test_a_failed_import_leaves_a_folder_in_which_others_have_made_files(tmp_path):
    (tmp_path / "model.arpa").write_text("\\data\\\nngram 1=1\n")

    def fail(_read):
        (tmp_path / "new/notes.txt").write_text("mine")
        raise DataError("cut off")

    with pytest.raises(DataError, match="cut off"):
        import_arpa(str(tmp_path / "model.arpa"), tmp_path / "new", read_settings(), on_bytes=fail)

    assert (tmp_path / "new/notes.txt").read_text() == "mine"
    assert is_model(tmp_path / "new")
