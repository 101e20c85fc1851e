from __future__ import annotations

import pytest

from lmctl.config import read_settings
from lmctl.config.documents import LARGEST_DOCUMENT_BYTES
from lmctl.errors import InputMissingError, StorageError, UsageError


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("training: [", "line 1, column 12: not valid YAML: expected the node content, but found '<stream end>'"),
        ("a: b: c", "line 1, column 5: not valid YAML: mapping values are not allowed here"),
        (
            "model:\n\tlayers: 1",
            r"line 2, column 1: not valid YAML: found character '\t' that cannot start any token",
        ),
        ("model:\n  layers: \x07", "line 2, column 11: not valid YAML: character U+0007 is not allowed"),
        ('text:\n  encoding: "\\UFFFFFFFF"', "not valid YAML: a number or an escape is out of range"),
        (f"%YAML 1.{'1' * 5000}\n---\n", "not valid YAML: a number or an escape is out of range"),
        ("training:\n  epochs: 3\n  epochs: 4", "line 3, column 3: key 'epochs' is given twice"),
        ("model: {}\nmodel: {}", "line 2, column 1: key 'model' is given twice"),
        ("- model", "expected sections such as training:, got a list"),
        ("model", "expected sections such as training:, got 'model'"),
        ("model: 3", "model: expected a mapping of keys, got 3"),
        ("model: [layers]", "model: expected a mapping of keys, got a list"),
        ("? [a]\n: 3", "line 1, column 3: expected a name as a key"),
        ("preset: tiny\n---\npreset: zh", "line 2, column 1: expected one YAML document, got another after ---"),
        (
            "model: &a {layers: 1}",
            "line 1, column 8: anchors (&) and aliases (*) are not supported; write the value out",
        ),
        ("model: *a", "line 1, column 8: anchors (&) and aliases (*) are not supported; write the value out"),
        (
            "preset: !!python/object/apply:os.getcwd []",
            "line 1, column 9: tags (!) are not supported; write the value alone",
        ),
        ("model: {layers: !!int '1'}", "line 1, column 17: tags (!) are not supported; write the value alone"),
        ("!!str preset: tiny", "line 1, column 1: tags (!) are not supported; write the value alone"),
        (f"model: {'[' * 5000}", "line 1, column 15: nested too deeply"),
        (b"model:\n  layers: \xff1", "line 2: expected UTF-8 text, got byte 0xff"),
        ("model: {}".encode("utf-16"), "line 1: expected UTF-8 text, got byte 0xff"),
        (
            b"#" * (LARGEST_DOCUMENT_BYTES + 1),
            "expected a configuration of at most 200000 bytes, got a larger file",
        ),
    ],
)
def test_a_document_that_is_no_configuration_is_refused_on_one_line(write, content, expected, file_message):
    assert file_message(write(content)) == f"x.yaml: {expected}"


@pytest.mark.parametrize("content", ["", "\n", "# nothing\n", "---\n", "training:\n  # epochs: 3\n", "{}"])
def test_an_empty_document_or_section_sets_nothing(write, content):
    assert read_settings([write(content)], [], {}).explicit == {}


def test_a_byte_order_mark_and_crlf_are_no_trouble(write):
    path = write(b"\xef\xbb\xbfmodel:\r\n  layers: 3\r\n")

    assert read_settings([path], [], {}).resolve().model.layers == 3


def test_an_assignment_that_is_not_yaml_is_refused(message):
    assert message("model.layers={").startswith("--set model.layers: line 1, column 2: not valid YAML: ")


def test_a_missing_file_and_a_folder_are_missing_input(tmp_path, write):
    write("", "plain.yaml")
    for path, expected in [
        ("absent.yaml", "absent.yaml: no such configuration file"),
        ("plain.yaml/x.yaml", "plain.yaml/x.yaml: no such configuration file"),
        (".", ".: expected a configuration file, got a folder"),
    ]:
        with pytest.raises(InputMissingError) as caught:
            read_settings([path], [], {})
        assert str(caught.value) == expected


def test_a_file_that_cannot_be_read_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match=r"cannot read the configuration: File name too long$"):
        read_settings([str(tmp_path / ("x" * 300))], [], {})


def test_a_file_name_that_no_file_can_have_is_a_usage_error():
    with pytest.raises(UsageError, match=r"^'a\\x00b': expected the path of a configuration file$"):
        read_settings(["a\0b"], [], {})
