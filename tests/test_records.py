from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec
import pytest

from lmctl.errors import DataError
from lmctl.records import decode_record, is_inside, open_regular, read_regular, shortened


def fifo(path):
    os.mkfifo(path)


def listen(path):
    # The path of a socket must be short, so it is bound by a relative path.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(before)


def link_to_file(path):
    path.with_name("target").write_bytes(b"x")
    path.symlink_to("target")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (fifo, "a named pipe"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "a link"),
        (lambda path: path.symlink_to(path.name), "a link"),
        (link_to_file, "a link"),
        pytest.param(listen, "a socket", marks=pytest.mark.filterwarnings("ignore::ResourceWarning")),
    ],
)
def test_a_path_that_is_no_regular_file_is_refused_and_not_opened(tmp_path, make, kind):
    path = tmp_path / "record"
    make(path)

    # Opening the named pipe would wait for a writer that never comes.
    for act in (open_regular, read_regular):
        with pytest.raises(DataError, match=f"record: expected a file, got {kind}"):
            act(path)


def test_a_device_is_refused_through_a_link_too(tmp_path):
    (tmp_path / "record").symlink_to("/dev/zero")

    with pytest.raises(DataError, match="expected a file, got a device"):
        read_regular(tmp_path / "record", follow_links=True)


def test_a_missing_file_is_not_found(tmp_path):
    (tmp_path / "dangling").symlink_to("nowhere")

    for path in (tmp_path / "record", tmp_path / "a\0b"):
        with pytest.raises(FileNotFoundError):
            read_regular(path)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "dangling", follow_links=True)


def test_a_file_is_read_up_to_its_bound_and_no_further(tmp_path):
    path = tmp_path / "record"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    link_to_file(tmp_path / "link")
    assert read_regular(tmp_path / "link", 5, follow_links=True) == b"x"
    # A hole of 1 TB takes no space on disk, and no memory here.
    os.truncate(path, 1 << 40)

    with pytest.raises(DataError, match=r"record: 1,099,511,627,776 bytes; expected at most 5"):
        read_regular(path, 5)


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    number: int


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"number":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"number": ' + b"9" * 5000 + b"}",
        b'{"number": 1e400}',
        b'{"number": NaN}',
        b'{"number": "\\ud800"}',
        b'{"number": true}',
        b'{"\xff": 1}',
        b'{"' + b"a" * 100_000 + b'": "x"}',
    ],
)
def test_an_invalid_record_is_refused_in_a_short_line(content):
    for kind in (Thing, dict[str, int]):
        with pytest.raises(DataError, match=r"^there: damaged; ") as caught:
            decode_record(content, kind, "there")
        assert len(str(caught.value)) < 200
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a", "a.b", "members/0/model.json", "..a", "中文", "a b"])
def test_names_within_a_folder(name):
    assert is_inside(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/", "/etc/passwd", "../a", "a/../b", "a/..", "./a", "a/./b", "a//b", "a/"),
        *(
            "a\\b",
            "..\\a",
            "a\0b",
            "a\nb",
            "a\x1b[2J",
            "a\u202eb",
            "\udcff",
            "a" * 256,
            "中" * 86,
            "a/" * 50 + "a",
        ),
    ],
)
def test_names_that_lead_elsewhere_or_nowhere(name):
    assert not is_inside(name)


def test_a_long_text_is_shortened():
    assert shortened("a" * 120) == "a" * 120
    assert shortened("a" * 121) == "a" * 117 + "..."
