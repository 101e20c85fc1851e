"""Tries of KenLM -> the n-grams of their ARPA file, and the numbers of KenLM.

`model.arpa` is a 4-gram model of 18 sentences of corpora/, written by `lmctl export --prune-entropy 1.2e-3`. KenLM
0.3.0 (commit 4cb443e) made the tries of it, by `build_binary trie` with the options

    plain.trie       none
    arrays.trie      -a 255: compressed pointers
    quantised.trie   -q 4 -b 3
    both.trie        -q 3 -b 4 -a 255
"""

import gzip
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from arpa_texts import log10_prob

from lmctl.errors import DataError
from lmctl.families.arpa.importing import ArpaReading, read_arpa
from lmctl.families.arpa.kenlm.trie import KenlmTrie, is_kenlm_trie
from lmctl.families.arpa.text import ArpaText
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.ngram.tables import open_tables

HERE = Path(__file__).parent
TRIES = ("plain", "arrays", "quantised", "both")
# Bytes of the header (KenLM's lm/binary_format.cc: Sanity, FixedWidthParameters).
ORDER, TYPE, HAS_WORDS, VERSION, COUNTS = 88, 96, 100, 104, 108


def trie_of(name):
    return HERE / f"{name}.trie"


def ngrams_of(file):
    """The n-grams of a file, with their numbers as float32."""
    return {
        tuple(file.words[number] for number in words): (np.float32(log10_prob), np.float32(log10_backoff))
        for section in file.sections
        for words, log10_prob, log10_backoff in zip(
            section.words.reshape(-1, section.order).tolist(),
            section.log10_probs,
            section.log10_backoffs,
            strict=True,
        )
    }


@pytest.mark.parametrize("name", ["plain", "arrays"])
def test_a_trie_has_the_ngrams_of_its_arpa_file(name):
    of_arpa = ngrams_of(ArpaText(str(HERE / "model.arpa")))

    of_trie = ngrams_of(KenlmTrie(str(trie_of(name))))

    assert {ngram: of_trie[ngram] for ngram in of_arpa} == of_arpa
    # KenLM adds the last words of "<s> the dog" and of "slept on the mat", with the probability of backing off:
    # the back-off of "the" and "dog"; the back-off of "on the" and "the mat".
    added = {ngram: of_trie[ngram] for ngram in set(of_trie) - set(of_arpa)}
    assert added == {
        ("the", "dog"): (pytest.approx(-0.27540025 - 1.6659045), 0),
        ("on", "the", "mat"): (pytest.approx(0 - 1.5332014), 0),
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        # kenlm 0.3.0: Model(file).full_scores("the cat sat on the mat ."), and of "编程 是 人类 创造 的 zebra".
        "plain": (
            (-0.150203, -0.391905, -0.247804, -0.296378, -0.435096, -1.533201, -1.145725, -0.048657),
            (-2.569554, -0.296378, -0.895692, -0.297315, -0.297315, -2.485488, -1.967775),
        ),
        "quantised": (
            (-0.217755, -0.484618, -0.248222, -0.296378, -0.544311, -1.533201, -1.145725, -0.217755),
            (-2.569554, -0.296378, -0.904746, -0.297315, -0.297315, -2.485488, -1.967775),
        ),
        "both": (
            (-0.241319, -0.28577, -0.248222, -0.296565, -0.420813, -0.943869, -1.145725, -0.241319),
            (-2.569554, -0.296565, -0.994064, -0.297315, -0.297315, -2.485488, -1.967775),
        ),
    }.items(),
)
def test_a_model_of_a_trie_has_the_numbers_of_kenlm(tmp_path, name, expected):
    vocabulary, sizes = read_arpa(str(trie_of(name)), tmp_path)
    model = NgramLanguageModel(open_tables(tmp_path, sizes))

    for sentence, scores in zip(("the cat sat on the mat .", "编程 是 人类 创造 的 zebra"), expected, strict=True):
        words = ["<s>", *sentence.split(), "</s>"]
        found = [log10_prob(vocabulary, model, words[:end], words[end]) for end in range(1, len(words))]
        assert found == pytest.approx(scores, abs=2e-6)


def test_a_trie_and_its_arpa_file_become_the_same_tables(tmp_path):
    # float32 rounds once more: by 2^-24 of a number at most, and the natural logarithm by as much.
    tables = {}
    for name in ("model.arpa", "plain.trie", "arrays.trie"):
        (tmp_path / name).mkdir()
        vocabulary, sizes = read_arpa(str(HERE / name), tmp_path / name)
        tables[name] = (vocabulary.words, sizes, open_tables(tmp_path / name, sizes))

    assert tables["plain.trie"][:2] == tables["arrays.trie"][:2]
    assert tables["plain.trie"][0] == tables["model.arpa"][0]
    assert tables["model.arpa"][1].ngrams == [86, 124, 30, 1]
    assert tables["plain.trie"][1].ngrams == [86, 125, 31, 1]
    of_arpa, of_plain, of_arrays = (opened for _, _, opened in tables.values())
    for order in (1, 2, 3, 4):
        np.testing.assert_array_equal(of_plain.log_probs[order], of_arrays.log_probs[order])
    np.testing.assert_allclose(of_plain.log_probs[1], of_arpa.log_probs[1], rtol=1.2e-7)
    np.testing.assert_allclose(of_plain.backoffs[1], of_arpa.backoffs[1], rtol=1.2e-7)
    # KenLM's -0, of contexts without n-grams, became 0.
    assert not any(np.signbit(values[values == 0]).any() for values in of_plain.backoffs.values())


def test_every_byte_is_told(tmp_path):
    told = []

    read_arpa(str(trie_of("arrays")), tmp_path, on_bytes=told.append)

    assert sum(told) == trie_of("arrays").stat().st_size


def changed(name, *changes):
    """The bytes of a trie with some replaced; a change is an offset and bytes."""
    content = bytearray(trie_of(name).read_bytes())
    for offset, new in changes:
        content[offset : offset + len(new)] = new
    return bytes(content)


WORDS_START = trie_of("plain").read_bytes().index(b"<unk>\0")
FAULTS = {
    "a program that built it without words": (
        changed("plain", (HAS_WORDS, b"\0")),
        r"a KenLM trie without its words \(build_binary -v\); import the ARPA file that it was built from",
    ),
    "a later version": (changed("plain", (VERSION, b"\2")), "a KenLM trie of version 2; lmctl reads version 1"),
    "another byte order": (changed("plain", (60, b"\1")), "damaged KenLM trie: its test values"),
    "an order of 1": (changed("plain", (ORDER, b"\1")), "damaged KenLM trie: order 1; expected 2 to 20"),
    "many n-grams": (changed("plain", (COUNTS + 8, b"\xff" * 7)), "damaged KenLM trie: n-gram counts"),
    "more n-grams than there are": (changed("plain", (COUNTS + 8, b"\xff")), "damaged KenLM trie: cut off after"),
    "another number of words": (changed("plain", (COUNTS, b"\x50")), "damaged KenLM trie: the number of hashes"),
    "codes of 26 bits": (changed("both", (COUNTS + 32 + 4 + 8 + 8 * 87 + 1, b"\x1a")), "codes of 26 and 4 bits"),
    "a word too few": (
        trie_of("plain").read_bytes()[:-10],
        "damaged KenLM trie: its last part is not a list of 87 words that starts with <unk>; cut off",
    ),
    "no words": (trie_of("plain").read_bytes()[:WORDS_START], "damaged KenLM trie: cut off after"),
    "half of it": (trie_of("plain").read_bytes()[: WORDS_START // 2], "damaged KenLM trie: cut off after"),
    "a header alone": (trie_of("plain").read_bytes()[:100], "damaged KenLM trie: cut off after 100 bytes"),
    # model_type.hh: 0 and 1 are hash tables.
    "hash tables": (
        changed("plain", (TYPE, b"\0")),
        r"is a KenLM binary of hash tables \(probing\), not an ARPA file; KenLM cannot turn it back: import the",
    ),
    "an older version of binary files": (changed("plain", (49, b"4")), "is a KenLM binary of an older version, "),
    "an unfinished file": (
        b"mmap lm http://kheafield.com/code incomplete\n" + bytes(200),
        "is an unfinished KenLM binary, ",
    ),
    "a compressed trie": (
        gzip.compress(trie_of("plain").read_bytes()),
        "is a KenLM trie, not an ARPA file; lmctl import FILE reads it, if it is not compressed and not in a pipe",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path, fault):
    content, message = FAULTS[fault]
    path = tmp_path / "model.binary"
    path.write_bytes(content)

    with pytest.raises(DataError, match=message) as error:
        read_arpa(str(path), tmp_path)

    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", TRIES)
def test_a_byte_that_was_changed_is_an_error_or_a_number(tmp_path, name):
    content = trie_of(name).read_bytes()
    dice = random.Random(name)  # noqa: S311
    path = tmp_path / "model.binary"
    refused = 0

    for _ in range(300):
        path.write_bytes(changed(name, (dice.randrange(len(content)), dice.randbytes(1))))
        try:
            found = KenlmTrie(str(path)) if is_kenlm_trie(str(path)) else None
        except DataError:
            refused += 1
        else:
            assert found is None or [len(section) for section in found.sections] == [87, 125, 31, 1]

    # A changed probability, back-off, hash or letter is none that could be noticed.
    assert refused > 20


@pytest.mark.parametrize("name", TRIES)
def test_a_trie_that_was_cut_off_is_refused(tmp_path, name):
    content = trie_of(name).read_bytes()
    path = tmp_path / "model.binary"

    for size in range(120, len(content), 61):
        path.write_bytes(content[:size])
        with pytest.raises(DataError, match="damaged KenLM trie: "):
            KenlmTrie(str(path))


def test_numbers_that_cannot_be_are_named(tmp_path):
    path = tmp_path / "model.binary"
    unigrams = COUNTS + 32 + 4 + 8 + 8 * 87
    path.write_bytes(changed("plain", (unigrams + 16 * 5, struct.pack("<f", 0.25))))
    with pytest.raises(
        DataError, match=r"n-gram 6 of a KenLM trie: expected a log10 probability of 0 or less, got"
    ):
        read_arpa(str(path), tmp_path)
    assert KenlmTrie(str(path), positive=True).sections[0].log10_probs[5] == 0
    path.write_bytes(changed("plain", (unigrams + 16 * 5 + 4, struct.pack("<f", float("nan")))))
    with pytest.raises(DataError, match="n-gram 6 of a KenLM trie: expected a log10 back-off, got nan"):
        KenlmTrie(str(path))
    path.write_bytes(changed("plain", (unigrams + 16 * 5 + 4, struct.pack("<f", 39))))
    with pytest.raises(DataError, match="n-gram 6 of a KenLM trie: expected log10 back-offs of all orders"):
        KenlmTrie(str(path))


def test_the_encoding_of_words_is_named(tmp_path):
    words = KenlmTrie(str(trie_of("plain"))).words
    path = tmp_path / "model.binary"
    spelled = "".join(f"{word}\0" for word in words).encode("gb18030")
    path.write_bytes(trie_of("plain").read_bytes()[:WORDS_START] + spelled)

    with pytest.raises(
        DataError, match=r"word [0-9]+ is not valid UTF-8; name the encoding of the file with --enc"
    ):
        read_arpa(str(path), tmp_path)
    vocabulary, _ = read_arpa(str(path), tmp_path, ArpaReading(encoding="gb18030"))
    assert {"编程", "人类"} < set(vocabulary.words)
