"""Recognising files of other programs by their first bytes.

If a user names such a file in place of an ARPA file, a model folder or a text, the message states the kind of the
file, and the command that converts it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmctl.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

# The most bytes that recognition needs; the magic of a tar archive stands at byte 257.
HEAD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class FileType:
    """A kind of file.

    Attributes:
        name: the kind with its article, for a message.
        way_in: how to use the file with lmctl, for a message; None: there is no way.
        binary: whether the file is not text.
    """

    name: str
    way_in: str | None = None
    binary: bool = True


_IRSTLM = "compile-lm --text=yes FILE FILE.arpa makes an ARPA file of it"
_KENLM = "KenLM cannot turn it back: import the ARPA file that it was built from"
# The one binary file of n-grams that lmctl reads.
KENLM_TRIE = FileType("a KenLM trie", "lmctl import FILE reads it, if it is not compressed and not in a pipe")
_SPHINX = "pocketsphinx_lm_convert -i FILE -o FILE.arpa -ofmt arpa makes an ARPA file of it"
_KERAS = "lmctl import --from keras --vocabulary WORDS reads LSTM networks of Keras"
_PYTORCH = "lmctl import --from pytorch --vocabulary WORDS reads PyTorch's word-language-model example"
# The file of a state dict that lmctl reads.
SAFETENSORS = FileType("a safetensors file", _PYTORCH)
_TO_TEXT = "convert it to plain text"

# The first pattern that matches the first bytes of a file decides. A comment gives the source of each pattern.
_TYPES: tuple[tuple[bytes, FileType], ...] = (
    # KenLM, lm/binary_format.cc: kMagicBytes, then test values; at byte 96 the type of lm/model_type.hh, a uint32.
    # Hash tables have only hashes of n-grams. kMagicBeforeVersion and kMagicIncomplete; lm/common/model_buffer.cc.
    (rb"mmap lm http://kheafield\.com/code format version 5\n.{45}[\2-\5]\0\0\0", KENLM_TRIE),
    (
        rb"mmap lm http://kheafield\.com/code format version 5\n.{45}[\0\1]\0\0\0",
        FileType("a KenLM binary of hash tables (probing)", _KENLM),
    ),
    (
        rb"mmap lm http://kheafield\.com/code format version [0-4]\n",
        FileType("a KenLM binary of an older version", _KENLM),
    ),
    (rb"mmap lm http://kheafield\.com/code incomplete", FileType("an unfinished KenLM binary", _KENLM)),
    (rb"mmap lm http://kheafield\.com/code", FileType("a KenLM binary", _KENLM)),
    (rb"KenLM intermediate binary file", FileType("an intermediate file of KenLM's lmplz", _KENLM)),
    # IRSTLM, src/lmtable.cpp, lmtable::load. The numbers of an iARPA file are not interpolated yet.
    (rb"Q?blmt", FileType("an IRSTLM binary", _IRSTLM)),
    (
        rb"\s*iARPA\b",
        FileType("an IRSTLM iARPA file, whose numbers are not yet interpolated", _IRSTLM, binary=False),
    ),
    (rb"\s*qARPA\b", FileType("an IRSTLM qARPA file, whose numbers are quantized", _IRSTLM, binary=False)),
    # SRILM, lm/src/NgramLM.cc, Ngram_BinaryFormatString; lm/src/NgramStats.cc for counts.
    (
        rb"SRILM_BINARY_NGRAM_",
        FileType("an SRILM binary", "ngram -lm FILE -write-lm FILE.arpa makes an ARPA file of it"),
    ),
    (
        rb"SRILM_BINARY_COUNTS_",
        FileType("a binary file of SRILM's counts", "ngram-count -read FILE -lm FILE.arpa"),
    ),
    # pocketsphinx, src/lm/ngram_model_trie.c, trie_hdr; sphinxbase, ngram_model_dmp.c: a length, then darpa_hdr.
    (rb"Trie Language Model", FileType("a Sphinx trie (.lm.bin)", _SPHINX)),
    (rb"(?:\x11\0\0\0|\0\0\0\x11)Darpa Trigram LM", FileType("a Sphinx DMP file", _SPHINX)),
    # MITLM, src/util/FastIO.h, MITLMv1: a uint64.
    (
        rb"\x01\x12\x08\x20\0\0\0\0",
        FileType("an MITLM binary", "estimate-ngram -write-lm without -write-binary writes an ARPA file"),
    ),
    # OpenFst, fst.h, kFstMagicNumber 2125659606: an int32 in either byte order.
    (
        rb"\xd6\xfd\xb2\x7e|\x7e\xb2\xfd\xd6",
        FileType(
            "an OpenFst transducer", "OpenGrm's ngramprint --ARPA FILE makes an ARPA file of an n-gram model"
        ),
    ),
    # Kaldi, base/io-funcs-inl.h: NUL and B, then a token.
    (rb"\0B<?[A-Za-z]", FileType("a Kaldi binary", "import the ARPA file that it was made from")),
    # rnnlm, rnnlmlib.cpp, saveNet.
    (rb"version: \d+\nfile format: \d", FileType("a model of the RNNLM toolkit", binary=False)),
    # fastText, src/fasttext.cc, FASTTEXT_FILEFORMAT_MAGIC_INT32 793712314.
    (rb"\xba\x16\x4f\x2f", FileType("a fastText model")),
    # HDF5 file format specification, III.A; Keras writes .h5 so.
    (rb"\x89HDF\r\n\x1a\n", FileType("an HDF5 file, such as Keras weights", _KERAS)),
    # PKWARE APPNOTE 4.3.7: the name of the first file stands at byte 30.
    (rb"PK\x03\x04.{26}[^\0]*?data\.pkl", FileType("a zip archive of PyTorch (.pt)")),
    (rb"PK\x03\x04.{26}(?:metadata|config)\.json", FileType("a zip archive of Keras (.keras)", _KERAS)),
    (rb"PK\x03\x04.{26}[^\0]{0,200}?\.npy", FileType("a zip archive of NumPy arrays (.npz)")),
    (
        rb"PK\x03\x04.{26}(?:\[Content_Types\]|_rels/|word/|mimetype)",
        FileType("an office document (zip)", _TO_TEXT),
    ),
    (rb"PK\x03\x04|PK\x05\x06", FileType("a zip archive", "unpack it first")),
    # PyTorch before 1.6, torch/serialization.py, MAGIC_NUMBER; Python's pickle protocol 2 and later (PEP 3154).
    (rb"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", FileType("a PyTorch file")),
    (
        rb"\x80[\x02-\x05][\x95(}\]cq\x8a\x8c]",
        FileType("a Python pickle", "lmctl never opens one: it can run code"),
    ),
    # safetensors: a little-endian length below 2**40, then JSON. GGUF and its forerunners: ggml's docs/gguf.md.
    (rb".{5}\0\0\0\{\s*\"", SAFETENSORS),
    (rb"(?:GGUF|lmgg|fmgg|tjgg)[\x01-\x1f]\0", FileType("a GGUF file")),
    # protobuf: the model's version is field 1, the producer's name field 2 (onnx.proto).
    (rb"\x08[\x03-\x1f]\x12.[\w.+-]{2}", FileType("an ONNX model")),
    (
        rb"\x0a.\x0a.<unk>",
        FileType(
            "a SentencePiece model",
            "--segmenter sentencepiece --set text.model_file=FILE cuts a text with it",
        ),
    ),
    (rb".{3}\0TFL3", FileType("a TensorFlow Lite model")),
    # numpy/lib/format.py; Apache Parquet and Arrow; SQLite's file format, 1.3.
    (rb"\x93NUMPY", FileType("a NumPy array")),
    (rb"PAR1[\0-\x1f]", FileType("a Parquet file", _TO_TEXT)),
    (rb"ARROW1\0", FileType("an Arrow file", _TO_TEXT)),
    (rb"SQLite format 3\0", FileType("an SQLite database", _TO_TEXT)),
    # Java Object Serialization, STREAM_MAGIC: BerkeleyLM writes its binaries so.
    (rb"\xac\xed\0\x05", FileType("a serialized Java object, such as a BerkeleyLM binary", "import an ARPA file")),
    # RFC 1952; bzip2; the .xz file format, 2.1.1.1; RFC 8878, 3.1.1 and 3.1.2 (pzstd starts with a skippable
    # frame); LZ4's frame format and its legacy frame; lzop; Snappy's framing format, 4.1; lrzip; compress; lzip.
    (rb"\x1f\x8b", FileType("a gzip stream", "gzip -dc FILE unpacks it")),
    (rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", FileType("a bzip2 stream", "bzip2 -dc FILE unpacks it")),
    (rb"\xfd7zXZ\0", FileType("an xz stream", "xz -dc FILE unpacks it")),
    # The LZMA SDK's lzma-specification.txt: lc=3, lp=0, pb=2; the dictionary's size in 4 bytes; the text's size in
    # 8 bytes, all ones if unknown; the range coder's first byte, which is 0. The format has no checksum, so damage
    # could not be detected: it is named and not read.
    (
        rb"\x5d\0.{3}(?:\xff{8}|.{5}\0{3})\0",
        FileType("an LZMA stream (.lzma)", "xz --format=lzma -dc FILE unpacks it"),
    ),
    (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", FileType("a Zstandard stream", "zstd -dc FILE unpacks it")),
    (rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18", FileType("an LZ4 stream", "lz4 -dc FILE unpacks it")),
    (rb"\x89LZO\0\r\n\x1a\n", FileType("an lzop file", "lzop -dc FILE unpacks it")),
    (rb"\xff\x06\0\0sNaPpY", FileType("a Snappy stream", "snzip -dc FILE unpacks it")),
    (rb"LRZI[\0\x01]", FileType("an lrzip file", "lrunzip FILE unpacks it")),
    (rb"\x1f\x9d", FileType("a compress (.Z) stream", "gzip -dc FILE unpacks it")),
    (rb"LZIP[\0\x01]", FileType("an lzip stream", "lzip -dc FILE unpacks it")),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07", FileType("an archive", "unpack it first")),
    (rb"(?=.{0,256}\0).{257}ustar[\0 ]", FileType("a tar archive", "unpack it first")),
    # Documents: ISO 32000-1, 7.5.2; MS-CFB 2.2; RTF.
    (rb"%PDF-", FileType("a PDF document", _TO_TEXT)),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileType("an office document", _TO_TEXT)),
    (rb"\{\\rtf", FileType("an RTF document", _TO_TEXT)),
    (
        rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|RIFF.{4}(?:WAVE|WEBP)|OggS\0|fLaC\0|ID3[\x02-\x04]",
        FileType("an image or a sound", None),
    ),
    (rb"\x7fELF", FileType("a program", None)),
    # Files in place of another file that was not downloaded.
    (
        rb"version https://git-lfs\.github\.com/spec/",
        FileType("a pointer of Git LFS in place of the file", "git lfs pull downloads it", binary=False),
    ),
    (rb"(?i)\s*<(?:!doctype html|html)\b", FileType("an HTML page", "see what was downloaded", binary=False)),
    # word2vec, word2vec.c: words and dimensions, then a word and its vector, as text or not. GloVe has no header.
    (
        rb"\d{1,9} \d{1,5}\n\S+ (?:[-+\d.e]+ ){2}|\S+(?: -?\d+\.\d+){8}",
        FileType("a file of word vectors (word2vec, fastText, GloVe)", binary=False),
    ),
    (
        rb"\d{1,9} \d{1,5}\n\S+ [^\n]*[\0-\x08\x0e-\x1f\x7f-\xff]",
        FileType("a file of word vectors (word2vec)"),
    ),
    # The Unicode Standard, 23.8: byte order marks.
    (rb"\xff\xfe|\xfe\xff", FileType("UTF-16 text", "--encoding utf-16 reads it", binary=False)),
)

_COMPILED = tuple((re.compile(pattern, re.DOTALL), kind) for pattern, kind in _TYPES)


def file_type(head: bytes) -> FileType | None:
    """The kind of a file; None: text, or a kind that is not in the table.

    Args:
        head: the first `HEAD_BYTES` bytes of the file or more, or all if it is shorter.
    """
    return next((kind for pattern, kind in _COMPILED if pattern.match(head)), None)


def described(path: Path) -> str:
    """What a file is, for a message: "is a zip archive, "; "" if its kind is not in the table.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        kind = file_type(file.read(HEAD_BYTES))
    return f"is {kind.name}, " if kind else ""


def check_is_text(head: bytes, source: str) -> None:
    """Check that a source is not a binary file of a known kind.

    Args:
        head: the first bytes of the source.
        source: name of the source for messages.

    Raises:
        DataError: it is; the message states the kind, and how to use the file.
    """
    kind = file_type(head[:HEAD_BYTES])
    if kind is not None and kind.binary:
        way_in = f"; {kind.way_in}" if kind.way_in else ""
        raise DataError(f"{source}: is {kind.name}, not text{way_in}")
