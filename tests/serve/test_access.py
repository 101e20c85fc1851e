from __future__ import annotations

import pytest

from lmctl.errors import DataError, InputMissingError, UnsafeFileError
from lmctl.serve.access import is_loopback, read_token

TOKEN = "0123456789abcdef"  # noqa: S105


@pytest.fixture
def write(tmp_path):
    def write_token(content=f"{TOKEN}\n", mode=0o600):
        path = tmp_path / "token"
        path.write_text(content)
        path.chmod(mode)
        return path

    return write_token


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_the_token_is_the_content_of_the_file_without_its_line_end(write, mode):
    assert read_token(write(mode=mode)) == TOKEN.encode()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o602])
def test_a_file_that_others_can_read_or_write_is_refused(write, mode):
    with pytest.raises(UnsafeFileError, match=rf"others can .* \(mode {mode:o}\); `chmod 600 .*token`") as raised:
        read_token(write(mode=mode))
    assert raised.value.exit_code == 77


def test_a_link_leads_to_the_file_whose_mode_counts(write, tmp_path):
    (tmp_path / "link").symlink_to(write(mode=0o644))
    with pytest.raises(UnsafeFileError):
        read_token(tmp_path / "link")


@pytest.mark.parametrize("content", ["", "\n", "short", "a" * 1025, f"{TOKEN} {TOKEN}", f"{TOKEN}é"])
def test_a_file_without_a_token_is_refused(write, content):
    with pytest.raises(DataError, match="expected a token of 16 to 1024 visible ASCII characters"):
        read_token(write(content))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputMissingError, match="no such file; make one"):
        read_token(tmp_path / "token")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("::", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback(host, expected):
    assert is_loopback(host) == expected
