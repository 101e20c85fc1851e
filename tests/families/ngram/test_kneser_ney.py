import math
from pathlib import Path

import numpy as np
import pytest

from lmctl.families.ngram.columns import Pieces, write_pieces
from lmctl.families.ngram.kneser_ney import Discounts

CORPUS = Path(__file__).parents[3] / "corpora/en.txt"

TEXT = "a b a b c\na b c\nb c\nc a b d\n\na b a b c\n"

# Output of KenLM's lmplz (commit 4cb443e, -o 3 --discount_fallback) for TEXT. The discounts of unigrams are 0.2,
# 1.4 and 3, of bigrams degenerate, of trigrams 5/9, 1/3 and 17/9.
LMPLZ = """\
-0.86530143\t<unk>\t0
0\t<s>\t-0.30103
-0.86530143\t</s>\t0
-0.86530143\ta\t-0.30103
-0.7191734\tb\t-0.30103
-0.7191734\tc\t-0.30103
-0.67966485\td\t-0.30103
-0.81954396\t<s> </s>\t0
-0.49732465\tc </s>\t0
-0.24551268\td </s>\t0
-0.49732465\t<s> a\t-0.20091486
-0.7140338\tb a\t-0.77815133
-0.49732465\tc a\t-0.25527254
-0.74766195\t<s> b\t-0.25527254
-0.22515137\ta b\t-0.33445376
-0.74766195\t<s> c\t-0.25527254
-0.4616091\tb c\t-0.3258536
-0.6391313\tb d\t-0.25527254
-0.1687509\tb c </s>
-0.11912869\tb d </s>
-0.435081\ta b a
-0.2067601\t<s> c a
-0.1276769\t<s> a b
-0.030315876\tb a b
-0.11055679\tc a b
-0.19629467\t<s> b c
-0.46203256\ta b c
-0.7438956\ta b d
"""

# The same with --prune 0 1 1: bigrams and trigrams that occur once are left out.
LMPLZ_PRUNED = """\
-0.86530143\t<unk>\t0
0\t<s>\t-0.12493875
-0.86530143\t</s>\t0
-0.86530143\ta\t-0.30103
-0.7191734\tb\t-0.20412
-0.7191734\tc\t-0.12493875
-0.67966485\td\t0
-0.45312095\tc </s>\t0
-0.45312095\t<s> a\t-0.20091486
-0.67731094\tb a\t-0.77815133
-0.22515137\ta b\t-0.26999578
-0.4325993\tb c\t-0.3258536
-0.15855993\tb c </s>
-0.40818146\ta b a
-0.1276769\t<s> a b
-0.030315876\tb a b
-0.41620886\ta b c
"""

# -o 1 --discount_fallback.
LMPLZ_UNIGRAMS = """\
-1.3631779\t<unk>
0\t<s>
-0.65104645\t</s>
-0.65104645\ta
-0.57949424\tb
-0.7367586\tc
-1.1983677\td
"""


def assert_same_entries(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        # lmplz computes in float32.
        assert found[name] == pytest.approx(values, abs=2e-6), name


@pytest.mark.parametrize(
    ("order", "pruning", "expected"),
    [(3, (), LMPLZ), (3, (0, 1), LMPLZ_PRUNED), (3, (0, 1, 1), LMPLZ_PRUNED), (1, (), LMPLZ_UNIGRAMS)],
)
def test_the_tables_of_a_tiny_text_are_those_of_lmplz(
    estimate_text, entries, arpa_entries, order, pruning, expected
):
    vocabulary, tables = estimate_text(TEXT, order=order, smoothing="kneser-ney", pruning=pruning)

    assert_same_entries(entries(vocabulary, tables), arpa_entries(expected))


def test_the_tables_of_a_text_with_discounts_of_its_own_are_those_of_lmplz(estimate_text, entries):
    # Lines of lmplz -o 3 --prune 0 0 1 for corpora/en.txt, one of each kind, chosen by hand.
    expected = {
        "<unk>": (-3.51694, 0.0),
        "</s>": (-3.1197639, -0.72923046),
        "the": (-1.3995823, -0.19009045),
        ". </s>": (-0.0025442631, 0.0),
        "in the": (-0.22363712, -0.14735973),
        "train the": (-1.3340502, 0.0),
        "the cat": (-2.451545, -0.32044563),
        "the dog": (-2.9449613, 0.0),
        "<s> in the": (-0.036052182, 0.0),
        "the cat sat": (-0.27244186, 0.0),
        "of the day": (-1.2025495, 0.0),
        "in the autumn": (-1.846918, 0.0),
    }

    vocabulary, tables = estimate_text(
        CORPUS.read_text(encoding="utf-8"), order=3, smoothing="kneser-ney", pruning=(0, 0, 1)
    )

    # lmplz counts <s> among the unigrams.
    assert tables.sizes.ngrams == [1035 - 1, 3121, 427]
    found = entries(vocabulary, tables)
    assert_same_entries({name: found[name] for name in expected}, expected)


def test_discounts_follow_from_counts_of_counts(tmp_path):
    # Chen & Goodman 1998, equation 26: Y = n1 / (n1 + 2 n2); D1 = 1 - 2 Y n2/n1, D2 = 2 - 3 Y n3/n2,
    # D3+ = 3 - 4 Y n4/n3. With n = 10, 5, 4, 3: Y = 1/2, D = 1/2, 4/5, 3/2.
    counts = np.repeat([0, 1, 2, 3, 4, 7], [9, 10, 5, 4, 3, 2])
    column = Pieces(write_pieces(tmp_path, "counts", counts), counts.dtype)

    assert Discounts.of(2, column).amounts == pytest.approx((0, 1 / 2, 4 / 5, 3 / 2))


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ([2, 2, 3, 4], "no n-gram has an adjusted count of 1"),
        ([1, 2, 4], "no n-gram has an adjusted count of 3"),
        # Y = 1/3, D2 = 2 - 3 * 1/3 * 3/1.
        ([1, 2, 3, 3, 3], "the discount of a count of 2 would be -1.00"),
        # D3+ = 3 - 4 * 1/3 * 3/1.
        ([1, 2, 3, 4, 4, 4], "the discount of a count of 3 would be -1.00"),
    ],
)
def test_degenerate_counts_of_counts_fall_back_to_the_discounts_of_lmplz(tmp_path, caplog, counts, reason):
    column = Pieces(write_pieces(tmp_path, "counts", np.array(counts)), np.int64)
    caplog.set_level("DEBUG")

    assert Discounts.of(4, column).amounts == (0, 0.5, 1, 1.5)
    assert f"order 4: {reason}" in caplog.text


def test_the_shares_of_a_context_and_its_back_off_weight():
    # Two contexts, with counts 1, 2, 5 and 3, 1. Discounts 1/2, 1, 3/2: the first one's n-grams have 1/2, 1 and
    # 7/2 of 8 and leave 3 of 8; of the second one's the last was pruned, so it leaves 3/2 + 1 of 4.
    own, left = Discounts((0, 0.5, 1, 1.5)).shares(
        np.array([1, 2, 5, 3, 1], dtype=np.uint32), np.array([True, True, True, True, False]), np.array([0, 3])
    )

    assert own[:4].tolist() == [0.5 / 8, 1 / 8, 3.5 / 8, 1.5 / 4]
    assert left.tolist() == [3 / 8, 2.5 / 4]


def test_a_unigram_counts_as_often_as_words_stand_before_it(estimate_text):
    # "x" stands four times after "a", "y" once after each of "a", "b" and "c", so "y" is the more probable (the
    # example of San Francisco, Chen & Goodman 1998, section 2.7).
    vocabulary, tables = estimate_text("a x\na x\na x\na x\na y\nb y\nc y\n", order=2, smoothing="kneser-ney")

    x, y = vocabulary.encode(["x", "y"])
    # Bigrams: <s> a, b, c; a x; a, b, c y; x, y </s>. So 9 different left neighbours: x has 1, y 3, </s> 2, and
    # a, b, c have 1 each. No unigram has a count of 4, and n = 4, 1, 1: Y = 2/3, D = 2/3, 0, 3.
    # The uniform 1/7 has 4 * 2/3 + 0 + 3 of 9.
    left = (4 * 2 / 3 + 3) / 9
    assert tables.log_probs[1][x] == pytest.approx(math.log((1 - 2 / 3) / 9 + left / 7), abs=1e-6)
    assert tables.log_probs[1][y] == pytest.approx(math.log(left / 7), abs=1e-6)
