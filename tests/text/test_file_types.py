import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.text.file_types import HEAD_BYTES, check_is_text, file_type


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return file.getvalue()


def saved(save, *args, **kwargs):
    file = io.BytesIO()
    save(file, *args, **kwargs)
    return file.getvalue()


def tarred():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.arpa"))
    return file.getvalue()


KINDS = {
    # KenLM, lm/binary_format.cc.
    b"mmap lm http://kheafield.com/code format version 5\n\0": "KenLM binary",
    b"mmap lm http://kheafield.com/code incomplete\n": "unfinished KenLM binary",
    b"mmap lm http://kheafield.com/code format version 4\n\0": "KenLM binary of an older version",
    # lm/model_type.hh: probing hash tables, and a trie with quantization and array-compressed pointers.
    b"mmap lm http://kheafield.com/code format version 5\n"
    + bytes(45)
    + b"\0\0\0\0": "KenLM binary of hash tables",
    b"mmap lm http://kheafield.com/code format version 5\n" + bytes(45) + b"\5\0\0\0": "KenLM trie",
    # IRSTLM, src/lmtable.cpp.
    b"blmt 3       103      30\n": "IRSTLM binary",
    b"QblmtI 3 10 20 30\n": "IRSTLM binary",
    b"iARPA\n\n\\data\\\nngram 1=\t4\n": "iARPA",
    b"\nqARPA 3 256 256 256\n": "qARPA",
    # SRILM, lm/src/NgramLM.cc.
    b"SRILM_BINARY_NGRAM_002\nmaxorder: 3\n": "SRILM binary",
    # pocketsphinx, ngram_model_trie.c; sphinxbase, ngram_model_dmp.c.
    b"Trie Language Model\x03\x07\x04": "Sphinx trie",
    b"\x11\0\0\0Darpa Trigram LM\0": "Sphinx DMP",
    b"\0\0\0\x11Darpa Trigram LM\0": "Sphinx DMP",
    # MITLM, src/util/FastIO.h: 0x20081201.
    (0x20081201).to_bytes(8, "little"): "MITLM binary",
    # OpenFst, fst.h: 2125659606.
    (2125659606).to_bytes(4, "little") + b"\x06\0\0\0vector": "OpenFst",
    b"\0B<Nnet> ": "Kaldi binary",
    # fastText, src/fasttext.cc: 793712314, version 12.
    (793712314).to_bytes(4, "little") + b"\x0c\0\0\0": "fastText",
    b"506 10\nthe -0.01 0.02 0.1 0 0 0 0 0 0 0\n": "word vectors",
    b"506 10\nthe " + bytes(range(40)): "word vectors",
    b"the 0.418 0.24968 -0.41242 0.1217 0.34527 -0.044457 -0.49688 -0.17862\n": "word vectors",
    b"version: 10\nfile format: 1\n": "RNNLM",
    # HDF5 file format specification, III.A.
    b"\x89HDF\r\n\x1a\n\0": "HDF5",
    zipped("archive/data.pkl", "archive/version"): "zip archive of PyTorch",
    zipped("metadata.json", "config.json", "model.weights.h5"): "zip archive of Keras",
    zipped("[Content_Types].xml"): "office document",
    zipped("model.arpa"): "zip archive",
    saved(np.savez, a=np.zeros(2)): "NumPy arrays",
    saved(np.save, np.zeros(2)): "NumPy array",
    pickle.dumps({"a": [1, 2]}): "pickle",
    pickle.dumps(np.zeros(2), protocol=2): "pickle",
    # torch/serialization.py before 1.6: a pickled magic number.
    pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2): "PyTorch",
    (200).to_bytes(8, "little") + b'{"__metadata__":{}}': "safetensors",
    b"GGUF\x03\0\0\0": "GGUF",
    b"\x08\x08\x12\x07pytorch\x1a\x051.5.0": "ONNX",
    b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02": "SentencePiece",
    b"\xac\xed\0\x05sr\0": "Java",
    gzip.compress(b"text"): "gzip",
    bz2.compress(b"text"): "bzip2",
    lzma.compress(b"text"): "xz",
    b"\x28\xb5\x2f\xfd\x04": "Zstandard",
    # RFC 8878, 3.1.2: the skippable frame with which pzstd starts.
    (0x184D2A50).to_bytes(4, "little") + b"\x04\0\0\0": "Zstandard",
    b"\x04\x22\x4d\x18\x64": "LZ4",
    # LZ4's frame format, "Legacy frame": lz4 -l.
    (0x184C2102).to_bytes(4, "little"): "LZ4",
    lzma.compress(b"text", lzma.FORMAT_ALONE): "an LZMA stream",
    lzma.compress(b"text" * 100_000, lzma.FORMAT_ALONE, preset=9): "an LZMA stream",
    # The LZMA SDK writes the size of the text, here 5 bytes, in place of ones.
    b"\x5d\0\0\0\x01" + (5).to_bytes(8, "little") + b"\0": "an LZMA stream",
    b"\x89LZO\0\r\n\x1a\n\x10\x30": "lzop",
    # Snappy's framing_format.txt, 4.1.
    b"\xff\x06\0\0sNaPpY": "Snappy",
    b"LRZI\0\x06": "lrzip",
    tarred(): "tar archive",
    b"%PDF-1.7\n": "PDF",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "Git LFS",
    b"<!DOCTYPE html>\n<html>": "HTML",
    "\\data\\\n".encode("utf-16"): "UTF-16",
    b"\x7fELF\x02": "program",
}


@pytest.mark.parametrize("head", KINDS, ids=KINDS.values())
def test_files_of_other_programs_are_named(head):
    kind = file_type(head[:HEAD_BYTES])

    assert kind is not None
    assert KINDS[head] in kind.name
    assert kind.name.isprintable()


def test_a_sentencepiece_model_is_named_with_the_key_that_takes_it():
    kind = file_type(b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02")
    assert kind is not None
    assert kind.way_in == "--segmenter sentencepiece --set text.model_file=FILE cuts a text with it"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\\data\\\nngram 1=4\n",
        b"\n# a comment\n\\data\\\n",
        b"ARPA\n\n\\data\\\n",
        b"the cat sat on the mat\n",
        "编程 是 一 件 事\n".encode(),
        "中文".encode("gb18030"),
        b"PK is two letters\n",
        b"GGUF is a format\n",
        b"BZh and LZIP and PAR1 and ID3 are letters\n",
        b"3 4\nfive six seven\n",
        b"1.5 2.5\n3 4\n",
        b"x" * 257 + b"ustar is a word\n",
        b"the TFL3\n",
    ],
)
def test_text_is_nothing_in_particular(text):
    assert file_type(text) is None


def test_a_file_that_is_no_text_is_refused_by_name():
    with pytest.raises(DataError, match=r"^a\.pdf: is a PDF document, not text; convert it to plain text$"):
        check_is_text(b"%PDF-1.7\n%\xe2\xe3", "a.pdf")


@pytest.mark.parametrize(
    "text", [b"506 10\nthe -0.01 0.02 0.1\n", b"<html>\n", b"iARPA\n", "text".encode("utf-16")]
)
def test_text_of_other_programs_is_text(text):
    check_is_text(text, "text.txt")
