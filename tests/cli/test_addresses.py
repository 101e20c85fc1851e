"""Texts at addresses on the command line: every command reads them as files, and none shows a secret."""

import gzip

import pytest
from refusals import assert_refused
from web_texts import Page, serving_texts

from lmctl.text import addresses, remote

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

TEXT = b"the cat sat on the mat .\nthe dog sat .\n\nthe zebra sat on the cat .\n"
RECORDS = b'{"body": "the cat sat on the mat ."}\n{"body": "the dog sat ."}\n'
SECRETS = ("hunter2", "X-Amz", "alice")


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(addresses, "_whole", {})
    monkeypatch.setattr(remote, "_found", {})


@pytest.fixture
def web():
    with serving_texts() as texts:
        yield texts


@pytest.fixture
def memory(workplace):
    """A store with the files of the folder `workplace`, where commands run."""
    (workplace / "text.txt").write_bytes(TEXT)
    (workplace / "text.txt.gz").write_bytes(gzip.compress(TEXT))
    (workplace / "records.jsonl").write_bytes(RECORDS)
    (workplace / "movie.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nthe cat sat\n")
    (workplace / "gb.txt").write_bytes("我爱编程。\n".encode("gb18030"))
    (workplace / "words.txt").write_bytes(b"cat\ndog\n")
    system = fsspec.filesystem("memory")
    system.store.clear()
    for file in workplace.iterdir():
        if file.is_file():
            system.pipe_file(f"/{file.name}", file.read_bytes())
    yield system
    system.store.clear()


@pytest.mark.parametrize(
    "arguments",
    [
        ("prepare", "--stdout", "text.txt"),
        ("prepare", "--stdout", "text.txt.gz"),
        ("prepare", "--stdout", "--field", "body", "records.jsonl"),
        ("prepare", "--stdout", "movie.srt"),
        ("prepare", "--stdout", "--encoding", "gb18030", "gb.txt"),
        ("prepare", "--stdout", "--stop-words", "words.txt", "text.txt"),
        ("eval", "-m", "bundle", "--level", "word", "text.txt"),
        ("eval", "-m", "bundle", "--format", "kenlm", "text.txt.gz"),
        ("surprisal", "-m", "bundle", "text.txt"),
        ("predict", "-m", "bundle", "-f", "text.txt"),
        ("predict", "-m", "bundle", "--candidates", "words.txt", "the"),
        ("rank", "-m", "bundle", "-f", "text.txt"),
        ("generate", "-m", "bundle", "-f", "text.txt", "--seed", "1", "--words", "3"),
        ("embed", "-m", "bundle", "-f", "words.txt"),
    ],
    ids=" ".join,
)
def test_a_command_answers_as_for_the_file(call, memory, arguments):
    of_file = call(*arguments)
    texts = [name for name in arguments if "." in name]

    of_address = call(*(f"memory://{name}" if name in texts else name for name in arguments))

    assert of_file.code == 0, of_file.err
    assert of_file.out
    assert of_address.out.replace("memory://", "") == of_file.out
    assert (of_address.code, of_address.err) == (0, "")


def test_file_is_a_path_of_this_machine(call, memory, workplace):
    assert call("prepare", f"file://{workplace}/text.txt", "-o", "one", "-q").code == 0
    assert call("prepare", "text.txt", "-o", "two", "-q").code == 0
    assert (workplace / "one" / "corpus.json").read_bytes() == (workplace / "two" / "corpus.json").read_bytes()


def test_a_default_model_is_called_as_the_text(call, memory, workplace):
    done = call("train", "memory://text.txt", "--preset", "ngram", "--valid-fraction", "0", "--no-gate", "-q")
    assert (done.code, done.err) == (0, "")
    assert (workplace / "models" / "text" / "current").is_symlink()


def test_no_record_message_or_result_has_a_secret(call, web, workplace):
    web.pages["/text.txt"] = Page(TEXT, etag='"1"', authorization="Basic YWxpY2U6aHVudGVyMg==")
    web.pages["/valid.txt"] = Page(TEXT, etag='"1"', authorization="Basic YWxpY2U6aHVudGVyMg==")
    text, valid = (
        f"{web.url.replace('//', '//alice:hunter2@')}/{name}.txt?X-Amz-Signature={name}"
        for name in ("text", "valid")
    )
    train = ("train", text, "--valid", valid, "-o", "model", "--preset", "ngram", "--no-gate")
    train += ("--log-json", "events.jsonl")

    def again():
        # A command runs in a process of its own.
        addresses.forget([text, valid])
        return call(*train, "-v")

    first, downloads = again(), web.downloads("/text.txt?X-Amz-Signature=text")
    second = again()
    assert web.downloads("/text.txt?X-Amz-Signature=text") == downloads > 0
    web.pages["/text.txt"].content, web.pages["/text.txt"].etag = TEXT + b"the dog sat on the mat .\n", '"2"'
    third = again()
    scored = call("eval", "-m", "model", text, "--format", "jsonl", "-o", "figures.json")
    web.pages["/text.txt"].authorization = "Basic other"
    addresses.forget([text, valid])
    refused = call(*train)

    assert [done.code for done in (first, second, third, scored)] == [0, 0, 0, 0]
    assert first.out == second.out
    assert third.out.strip().endswith("000002")
    assert f'"{web.url}/text.txt"' in scored.out
    assert_refused(refused, 74, f"{web.url}/text.txt: access is denied")
    shown = [done.out + done.err for done in (first, second, third, scored, refused)]
    shown += [file.read_bytes().decode("utf-8", "replace") for file in workplace.rglob("*") if file.is_file()]
    assert any(f"{web.url}/valid.txt" in each for each in shown)
    for secret in SECRETS:
        assert not [each for each in shown if secret in each]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("prepare", "good.txt", "-o", "s3://bucket/corpus"),
            2,
            "expected a path of this machine, got s3://bucket/cor",
        ),
        (("train", "good.txt", "-o", "s3://bucket/model"), 2, "expected a path of this machine"),
        (("prepare", "nosuch://a", "-o", "out"), 2, "nosuch://a: fsspec knows no protocol 'nosuch'"),
        (("prepare", "memory://none.txt", "-o", "out"), 66, "memory://none.txt: no such file"),
        (
            ("prepare", "https://h/a?x=1", "https://h/a?x=2", "-o", "out"),
            2,
            "https://h/a: is named twice, with diff",
        ),
        (("surprisal", "a.txt", "https://alice:hunter2@h/b?X-Amz=1"), 2, "unexpected argument https://h/b; see"),
        # Addresses in places where none is expected.
        (("predict", "-m", "n@https://alice:hunter2@h", "the"), 66, "n@https://h: no such model"),
        (
            ("prepare", "good.txt", "-o", "out", "--set", "vocabulary.size=https://alice:hunter2@h/x?X-Amz=1"),
            2,
            "vocabulary.size: expected a whole number of at least 3, got 'https://h/x'",
        ),
        (
            ("prepare", "https://alice:hun/ter2@h/x", "-o", "out"),
            2,
            "https://...: the port is not a number; write / ",
        ),
        (("eval", "-m", "bundle", "memory://none.txt"), 66, "memory://none.txt: no such file"),
        (
            ("import", "https://h/a.keras", "-o", "out"),
            2,
            "is read from a file, not from https://h/a.keras, an addr",
        ),
    ],
)
def test_a_wrong_address_is_refused_in_one_line(call, memory, workplace, arguments, code, message):
    before = sorted(workplace.rglob("*"))
    refused = call(*arguments)
    assert_refused(refused, code, message)
    assert not any(secret in refused.err for secret in SECRETS)
    assert sorted(workplace.rglob("*")) == before


def test_a_text_that_is_cut_off_leaves_the_model_as_it_was(call, web, workplace):
    text = "".join(f"line {number} of the text .\n" for number in range(20_000)).encode()
    web.pages["/text.txt"] = Page(text)
    train = ("train", f"{web.url}/text.txt", "-o", "model", "--preset", "ngram", "--no-gate", "-q")
    assert call(*train).code == 0
    before = {path: path.stat().st_mtime_ns for path in (workplace / "model" / "generations").rglob("*")}
    web.pages["/text.txt"] = Page(text + b"more\n", cut_after=100_000)

    refused = call(*train)

    assert_refused(refused, 74, f"{web.url}/text.txt: cut off after ")
    assert {path: path.stat().st_mtime_ns for path in (workplace / "model" / "generations").rglob("*")} == before


def test_an_arpa_file_at_an_address_is_imported(call, counted, memory, workplace):
    assert call("export", counted, "--to", "arpa", "-o", "counts.arpa", "-q").code == 0
    memory.pipe_file("/counts.arpa", (workplace / "counts.arpa").read_bytes())

    assert call("import", "counts.arpa", "-o", "of-file", "-q").code == 0
    assert call("import", "memory://counts.arpa", "-o", "of-address", "-q").code == 0
    of_file = call("predict", "-m", "of-file", "the cat")
    assert of_file.out
    assert call("predict", "-m", "of-address", "the cat") == of_file
