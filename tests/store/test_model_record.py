"""model.json: refused records, and the messages."""

import hashlib
import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmctl.errors import DataError
from lmctl.store.bundle import open_bundle
from lmctl.store.model_record import FORMAT_VERSION
from lmctl.store.verification import verify_bundle
from lmctl.store.writing import amend_bundle


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        (FORMAT_VERSION + 1, "upgrade lmctl"),
        (99, "upgrade lmctl"),
        (FORMAT_VERSION - 1, "make the model again with lmctl train, import or mix"),
        (0, "make the model again with lmctl train, import or mix"),
    ],
)
def test_another_format_version_is_named_as_such(bundle, version, advice, refused):
    # A newer format may have keys that this version does not know, and no valid hash by its rules.
    document = json.loads((bundle / "model.json").read_bytes())
    (bundle / "model.json").write_text(json.dumps(document | {"format_version": version, "something": "new"}))

    message = refused(open_bundle, bundle, "model.json")
    assert f"bundle format {version} is {'older' if version < FORMAT_VERSION else 'newer'} than" in message
    assert message.endswith(advice)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lmctl_version", "0.0.0"),
        ("sha256", "0" * 64),
        ("sha256", ""),
        ("files", {}),
        ("files.weights.safetensors.bytes", 1),
        ("sizes.layers", 3),
        ("training.seed", 2),
        ("recipe.lowercase", True),
        ("recipe.segmenter.name", "char"),
    ],
)
def test_an_edited_record_is_refused(bundle, key, value, refused):
    document = json.loads((bundle / "model.json").read_bytes())
    place, last = document, key
    while last not in place:
        first = max((name for name in place if last.startswith(f"{name}.")), key=len)
        place, last = place[first], last.removeprefix(f"{first}.")
    assert place[last] != value
    place[last] = value
    (bundle / "model.json").write_text(json.dumps(document))

    assert "does not have the hash it states" in refused(open_bundle, bundle, "model.json")


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"null",
        b'{"format_version": "3"}',
        b'{"format_version": %d}' % FORMAT_VERSION,
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_record_that_is_none_is_refused(bundle, content, refused):
    (bundle / "model.json").write_bytes(content)

    assert "damaged" in refused(open_bundle, bundle, "model.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_bit_of_the_record_can_be_flipped(bundle, sound, where, bit, refused):
    content = bytearray((sound / "model.json").read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    (bundle / "model.json").write_bytes(content)

    refused(open_bundle, bundle, "model.json")


def test_a_family_that_is_not_known_is_named(bundle, refused):
    document = json.loads((bundle / "model.json").read_bytes())
    document["sizes"]["family"] = "gpt"
    (bundle / "model.json").write_text(json.dumps(document))

    message = refused(open_bundle, bundle, "model.json")

    assert "family 'gpt': expected one that is installed: lstm, " in message


@pytest.mark.parametrize(
    "name", ["../secret.txt", "/etc/passwd", "a/../../b", "", ".", "a\\b", "a\0b", "model.json"]
)
def test_a_file_outside_of_the_bundle_is_neither_read_nor_called_sound(bundle, name, refused):
    secret = bundle.parent / "secret.txt"
    secret.write_bytes(b"secret")
    for content in (b"secret", b"another"):
        digest = hashlib.sha256(content).hexdigest()
        document = json.loads((bundle / "model.json").read_bytes())
        document["files"][name] = {"bytes": len(content), "sha256": digest}
        del document["sha256"]
        document["sha256"] = hashlib.sha256(msgspec.json.encode(document)).hexdigest()
        (bundle / "model.json").write_bytes(msgspec.json.encode(document))

        # The message is the same for every hash, so that it does not reveal the content of the file.
        message = refused(verify_bundle, bundle, "model.json")
        assert "expected names within the folder" in message
        assert "ok" not in message.split()


def test_members_of_a_family_that_has_none_are_refused(make_bundle, tmp_path):
    bundle = open_bundle(make_bundle(tmp_path / "bundle"))

    with pytest.raises(DataError, match=r"model\.json: damaged; expected no members for family lstm, got 2$"):
        amend_bundle(bundle, members=2)
