import errno
import os
import stat
from pathlib import Path

import pytest

from lmctl import files

# RFC 6234's test vector: the hash of "abc".
SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new.txt"
    with files.written_whole(path) as file:
        file.write(b"whole")
        file.flush()
        assert not path.exists()

    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stays_until_the_block_ends(tmp_path):
    path = tmp_path / "old.txt"
    path.write_bytes(b"old")
    with files.written_whole(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"

    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_failure_leaves_the_old_file_and_no_temporary(tmp_path, error, old):
    path = tmp_path / "old.txt"
    if old is not None:
        path.write_bytes(old)

    with pytest.raises(error), files.written_whole(path) as file:  # noqa: PT012
        file.write(b"half of the n")
        raise error

    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == ([("old.txt", old)] if old else [])


def test_a_failed_rename_leaves_no_temporary(tmp_path):
    folder = tmp_path / "is a folder"
    folder.mkdir()

    with pytest.raises(IsADirectoryError):
        files.write_bytes(folder, b"content")

    assert list(tmp_path.iterdir()) == [folder]


def test_a_full_disk_is_named_by_the_file_that_was_to_be_written(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught, files.written_whole(tmp_path / "big.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "big.txt")

    with pytest.raises(OSError, match="elsewhere"), files.written_whole(tmp_path / "big.txt"):
        (tmp_path / "elsewhere").read_bytes()


def test_a_device_without_room_is_named():
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        files.write_bytes(Path("/dev/full"), b"content")


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.write_bytes(tmp_path / "missing" / "file", b"content")


@pytest.mark.parametrize("name", ["x" * 255, "语" * 85])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, name):
    files.write_bytes(tmp_path / name, b"new")

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"new"


def test_a_link_is_replaced_and_its_target_stays(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)

    files.write_bytes(link, b"new")

    assert not link.is_symlink()
    assert (target.read_bytes(), link.read_bytes()) == (b"old", b"new")


def test_the_file_can_be_read_and_sought_while_it_is_written(tmp_path):
    with files.written_whole(tmp_path / "file") as file:
        file.write(b"0000 body")
        file.seek(0)
        file.write(b"head")
        file.seek(0)
        assert file.read() == b"head body"

    assert (tmp_path / "file").read_bytes() == b"head body"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600), (0o000, 0o666)])
def test_permission_bits_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        files.write_bytes(tmp_path / "file", b"")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_everything_is_synced_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    sync = os.fsync

    def watched(descriptor):
        seen.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        seen.append("renamed" if path.exists() else "not renamed")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    files.write_bytes(path, b"content")

    assert seen == ["file", "not renamed", "folder", "renamed"]


def test_text_is_written_as_utf_8_with_its_line_ends_untouched(tmp_path):
    files.write_text(tmp_path / "file", "猫\r\n\n")

    assert (tmp_path / "file").read_bytes() == b"\xe7\x8c\xab\r\n\n"


def test_sha256_of_a_file_is_the_hash_of_its_content(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")

    assert files.sha256_of(tmp_path / "file") == SHA256_OF_ABC


def test_a_pipe_is_written_and_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        files.write_bytes(tmp_path / "pipe", b"through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_pipe_in_the_place_of_a_file_of_lmctls_own_is_refused(tmp_path):
    place = tmp_path / "note.json"
    os.mkfifo(place)

    with pytest.raises(FileExistsError, match=r"note\.json"):
        files.write_bytes(place, b"x", beside=tmp_path)
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file whose reading fails")
def test_a_file_that_fails_while_it_is_read_is_named():
    # Address 0 is not mapped: the file opens, and the first read fails with EIO.
    with pytest.raises(OSError, match="/proc/self/mem") as caught:
        files.sha256_of(Path("/proc/self/mem"))
    assert caught.value.errno == errno.EIO


def test_a_new_folder_is_synced_in_each_folder_above_that_is_new_too(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync_folder", synced.append)

    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").is_dir()
    assert synced == [tmp_path, tmp_path / "a"]


def test_a_file_in_the_place_of_a_new_folder_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"")

    with pytest.raises(FileExistsError, match="/a'"):
        files.make_folder(tmp_path / "a")


def test_a_tree_is_synced_with_all_its_files_and_folders(tmp_path, monkeypatch):
    (tmp_path / "members" / "0").mkdir(parents=True)
    (tmp_path / "members" / "0" / "model.json").write_bytes(b"{}")
    (tmp_path / "link").symlink_to("nowhere")
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )

    files.sync_tree(tmp_path)

    names = ("members/0/model.json", "members/0", "members", "")
    assert synced == [str(tmp_path / name) for name in names]
