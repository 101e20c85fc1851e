"""The names of texts at addresses, and what of them may be shown."""

from pathlib import Path

import pytest

from lmctl.errors import UsageError
from lmctl.text import addresses
from lmctl.text.addresses import file_name, forget, is_address, known_name, local_path, public_name, public_text


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(addresses, "_whole", {})


@pytest.mark.parametrize(
    "name", ["s3://b/k", "HTTPS://h/x", "hf://datasets/a/b", "simplecache::s3://b/k", "a+b.c-1://x"]
)
def test_a_name_with_a_protocol_is_an_address(name):
    assert is_address(name)
    assert local_path(name) is None


@pytest.mark.parametrize("name", ["a.txt", "./s3://b/k", "s3:/b/k", "/x/http://h", "1s://x", "-", "::s3", ""])
def test_other_names_are_paths(name):
    assert not is_address(name)
    assert local_path(name) == Path(name)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("file:///a/b.txt", "/a/b.txt"),
        ("local:///a", "/a"),
        ("FILE:///a b", "/a b"),
        ("file://a.txt", "a.txt"),
        ("file://localhost/a/b.txt", "/a/b.txt"),
        ("file://localhost.txt", "localhost.txt"),
    ],
)
def test_file_means_a_path_of_this_machine(name, path):
    assert local_path(name) == Path(path)


def test_a_relative_path_after_file_is_never_standard_input():
    assert known_name("file://-") == "./-"
    assert known_name("file:///a/b") == "/a/b"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://bucket/a/b.txt", "s3://bucket/a/b.txt"),
        ("https://user:pw@host/a.txt", "https://host/a.txt"),
        ("https://user:p%2Fw@host:8080/a.txt?X-Amz-Signature=abc&t=1", "https://host:8080/a.txt"),
        ("https://host/a.txt#token=1", "https://host/a.txt"),
        ("http://[::1]:80/a?b", "http://[::1]:80/a"),
        ("http://u:p@[::1]/a", "http://[::1]/a"),
        ("sftp://user@host/@home/a.txt", "sftp://host/@home/a.txt"),
        ("hf://datasets/user/name@main/a.txt", "hf://datasets/user/name@main/a.txt"),
        ("gs://bucket/a#123", "gs://bucket/a#123"),
        ("s3://bucket/a?versionId=L4kq.1-x_", "s3://bucket/a?versionId=L4kq.1-x_"),
        ("s3://bucket/a?versionId=1&key=secret", "s3://bucket/a"),
        # A password with a slash, which was not escaped.
        ("https://user:p/w@host/a.txt", "https://..."),
        ("https://user:p?w@host/a.txt", "https://..."),
        ("simplecache::https://u:p@host/a?b", "simplecache::https://host/a"),
        ("zip://a.txt::https://u:p@host/a.zip?b", "zip://a.txt::https://host/a.zip"),
        ("memory://a.txt", "memory://a.txt"),
        # Before the @ stands a place, not a user.
        ("abfs://container@account.dfs.core.windows.net/a", "abfs://container@account.dfs.core.windows.net/a"),
        ("abfss://container@account/a?sig=1", "abfss://container@account/a"),
        ("github://org:repo@main/a.txt", "github://org:repo@main/a.txt"),
        ("simplecache::GitHub://org:repo@sha/a", "simplecache::GitHub://org:repo@sha/a"),
        ("git://folder:v1@a.txt", "git://folder:v1@a.txt"),
        # A gist may have a token.
        ("gist://user:token@1234/a", "gist://1234/a"),
        ("hf://gpt2@main/a.txt", "hf://gpt2@main/a.txt"),
        ("zip://a@b:c?.txt::https://u:p@host/a.zip", "zip://a@b:c?.txt::https://host/a.zip"),
        ("s3://arn:aws:s3:eu-west-1:123:accesspoint/a/k", "s3://arn:aws:s3:eu-west-1:123:accesspoint/a/k"),
        ("s3://key:secret@bucket/k", "s3://bucket/k"),
        ("a?b@c", "a?b@c"),
    ],
)
def test_the_public_name_has_no_user_and_no_query(address, shown):
    assert public_name(address) == shown
    assert public_name(shown) == shown


def test_addresses_in_a_message_are_shown_by_their_public_names():
    message = "403, url='https://u:p@h/a?sig=1' and \"s3://b/k?token=2\", at 12:30; (https://u@h/b?c); see x"
    assert public_text(message) == "403, url='https://h/a' and \"s3://b/k\", at 12:30; (https://h/b); see x"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://u:p'w@h/a?sig=x'y", "403, url='https://h/a?sig=x'y'"),
        ("https://u:p'w@h/a?sig=x'y", "403, url='https://u:p'w@h/a?sig=x'y'"),
        ("https://u:p%27w@h/a?sig=x%22y", "403, url='https://u:p'w@h/a?sig=x\"y'"),
        ("simplecache::https://u:p'w@h/a?sig=x'y", "403, url='https://h/a?sig=x'y'"),
    ],
)
def test_quotation_marks_in_a_password_or_a_query_hide_nothing_from_the_search(address, said):
    known_name(address)
    assert public_text(said) == "403, url='https://h/a'"


@pytest.mark.parametrize(
    "address",
    ["https://user:p/w@host/a", "https://user:p?w@host/a", "simplecache::https://u:p#w@h/a", "http://h:x/a"],
)
def test_a_password_whose_end_is_not_certain_is_refused(address):
    with pytest.raises(UsageError, match=r"://\.\.\.: the port is not a number; write / \? # in a user or a pass"):
        known_name(address)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.txt", "b.txt"),
        ("s3://bucket/a/b.txt.gz", "b.txt.gz"),
        ("https://u:p@host/a/b.txt?c=/d.txt", "b.txt"),
        ("https://host", ""),
        ("https://host/", ""),
        ("memory://b.txt", "b.txt"),
        ("zip://b?c@d.txt::https://h/x.zip", "b?c@d.txt"),
        ("github://org:repo@main/b.txt", "b.txt"),
        ("zip://b.txt::s3://bucket/c.zip", "b.txt"),
        ("simplecache::s3://bucket/b.txt", "b.txt"),
        ("file:///a/b.txt", "b.txt"),
    ],
)
def test_the_file_name_is_the_last_part(name, expected):
    assert file_name(name) == expected


def test_user_and_query_are_kept_for_the_one_who_reads():
    assert known_name("https://u:p@h/a?sig=1") == "https://h/a"
    assert addresses.whole_address("https://h/a") == "https://u:p@h/a?sig=1"
    assert addresses.has_kept("https://h/a")
    assert known_name("https://u:p@h/a?sig=1") == "https://h/a"
    assert addresses.whole_address("https://h/b") == "https://h/b"
    assert not addresses.has_kept("https://h/b")


@pytest.mark.parametrize(
    "names",
    [
        ("https://h/a?x=1", "https://h/a?x=2"),
        ("https://h/a", "https://h/a?x=1"),
        ("https://h/a?x=1", "https://h/a"),
    ],
)
def test_two_addresses_that_could_not_be_told_apart_are_refused(names):
    first, second = names
    known_name(first)
    with pytest.raises(
        UsageError, match=r"^https://h/a: is named twice, with different users or queries"
    ) as raised:
        known_name(second)
    assert "x=" not in str(raised.value)

    forget(names)

    assert known_name(second) == "https://h/a"
