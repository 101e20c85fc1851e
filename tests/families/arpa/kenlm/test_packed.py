import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.families.arpa.kenlm.packed import PADDING_BYTES, WIDEST_FIELD_BITS, PackedRecords


@given(st.binary(min_size=40, max_size=90), st.integers(0, 7), st.integers(1, 120), st.data())
def test_fields_are_those_of_one_long_integer(content, start, bits, data):
    count = (len(content) - start - PADDING_BYTES) * 8 // bits
    records = PackedRecords(np.frombuffer(content, np.uint8), start, bits, count)
    first = data.draw(st.integers(0, bits - 1))
    width = data.draw(st.integers(0, min(bits - first, WIDEST_FIELD_BITS)))
    # The records as one integer, of which the first record is the lowest part.
    whole = int.from_bytes(content[start:], "little")

    found = records.field(first, width)

    assert found.tolist() == [whole >> (number * bits + first) & ((1 << width) - 1) for number in range(count)]


@pytest.mark.parametrize(("bits", "count", "expected"), [(10, 4, 5 + 8), (8, 3, 3 + 8), (7, 1, 1 + 8)])
def test_records_end_at_a_byte_and_have_padding(bits, count, expected):
    # KenLM's lm/trie.cc, BitPacked::BaseSize.
    assert PackedRecords(np.zeros(20, np.uint8), 0, bits, count).size_bytes == expected
