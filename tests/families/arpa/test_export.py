import io
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.arpa.export import decimal, write_arpa
from lmctl.families.arpa.words import WordSpelling
from lmctl.families.ngram.runtime import NgramLanguageModel

CORPUS = Path(__file__).parents[3] / "corpora/en.txt"


def arpa_of(vocabulary, tables):
    file = io.BytesIO()
    write_arpa(tables, WordSpelling(vocabulary.words), file)
    return file.getvalue().decode()


def rounded(text):
    """The text with its fractions to four decimal places."""
    return re.sub(r"-?[0-9]+\.[0-9]+", lambda match: f"{float(match[0]):.4f}", text)


def test_the_bigrams_of_a_tiny_text_as_arpa(estimate_text):
    # "a b", "b": maximum likelihood; log10 1/2 = -0.3010, 2/5 = -0.3979, 1/5 = -0.6990. A back-off of 0 and a
    # probability of 0 are -99, and so is the probability of <s>.
    expected = r"""\data\
ngram 1=5
ngram 2=4

\1-grams:
-99	<s>	-99
-99	<unk>	0
-0.3979	</s>	0
-0.3979	b	-99
-0.6990	a	-99

\2-grams:
-0.3010	<s> b
-0.3010	<s> a
0	b </s>
0	a b

\end\
"""

    vocabulary, tables = estimate_text("a b\nb\n", order=2, smoothing="mle")

    assert rounded(arpa_of(vocabulary, tables)).replace("-99.0\t", "-99\t") == expected


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-99.0, "-99"),
        (-0.60205999, "-0.60205999"),
        (-0.0001, "-0.0001"),
        (-9.5e-05, "-0.000095"),
        (-1.23456789e-07, "-0.000000123456789"),
        (1e-30, "0." + 29 * "0" + "1"),
        (-1.5e10, "-15000000000"),
    ],
)
def test_numbers_have_no_exponent(number, text):
    assert decimal(number) == text
    assert np.float32(decimal(number)) == np.float32(number)


def test_unigrams_alone_have_no_backoffs(estimate_text):
    # There are no contexts, so there is no back-off, not even of <s>.
    text = arpa_of(*estimate_text("a\n", order=1, smoothing="mle"))

    assert [line.split("\t")[1:] for line in text.splitlines()[4:-2]] == [["<s>"], ["<unk>"], ["</s>"], ["a"]]


@pytest.mark.skipif(shutil.which("query") is None, reason="needs KenLM's query on the PATH")
@pytest.mark.parametrize("order", [2, 5])
def test_kenlm_finds_the_perplexity_that_we_find(tmp_path, estimate_text, order):
    lines = CORPUS.read_text(encoding="utf-8").splitlines(keepends=True)
    training, held_out = "".join(lines[:400]), "".join(lines[400:])
    vocabulary, tables = estimate_text(training, order=order, smoothing="kneser-ney")
    (tmp_path / "model.arpa").write_text(arpa_of(vocabulary, tables), encoding="utf-8")

    program = ["query", "-v", "summary", str(tmp_path / "model.arpa")]
    output = subprocess.run(program, input=held_out, capture_output=True, text=True, check=True).stdout
    theirs = float(re.search(r"including OOVs:\s+([0-9.]+)", output)[1])

    tokens = [
        token for line in held_out.splitlines() for token in (*vocabulary.encode(line.split()), SENTENCE_END_ID)
    ]
    inputs, targets = np.array([SENTENCE_END_ID, *tokens[:-1]])[:, None], np.array(tokens)[:, None]
    model = NgramLanguageModel(tables)
    scores, _ = model.score(inputs, targets, np.array([len(tokens)]), model.null_state(1))
    assert math.exp(-scores.log_probs.mean()) == pytest.approx(theirs, rel=1e-6)
