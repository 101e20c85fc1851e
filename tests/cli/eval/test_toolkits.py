"""`lmctl eval` in the formats of KenLM's query and SRILM's ngram -ppl."""

from __future__ import annotations

import math
import re

import pytest
from scored import log10, summary

# Patterns that scripts of KenLM users search in the output of `query`.
KENLM = {
    "including": r"^Perplexity including OOVs:\t(\S+)$",
    "excluding": r"^Perplexity excluding OOVs:\t(\S+)$",
    "oovs": r"^OOVs:\t(\d+)$",
    "tokens": r"^Tokens:\t(\d+)$",
}
# Patterns that scripts of SRILM users search in the output of `ngram -ppl`.
SRILM_COUNTS = re.compile(r"^file (\S+): (\d+) sentences, (\d+) words, (\d+) OOVs$", re.MULTILINE)
SRILM_FIGURES = re.compile(r"^(\d+) zeroprobs, logprob= (\S+) ppl= (\S+) ppl1= (\S+)$", re.MULTILINE)


def test_kenlm_summary_is_read_by_a_kenlm_users_expressions(call, bundle, text):
    finished = call("eval", "-m", bundle, "--format", "kenlm", text)

    found = {name: re.search(pattern, finished.out, re.MULTILINE).group(1) for name, pattern in KENLM.items()}
    # KenLM's query answers the blank line, too.
    figures = summary(call, "-m", bundle, "--blank-lines", "keep", text)
    assert len(finished.lines) == 4
    assert found == {
        "including": f"{figures['perplexity']:.10g}",
        "excluding": f"{figures['perplexity_excluding_oov']:.10g}",
        "oovs": "1",
        "tokens": "15",
    }


def test_kenlm_sentences_and_words_add_up_to_the_summary(call, bundle, text, scores):
    sentences = call("eval", "-m", bundle, "--format", "kenlm", "--level", "sentence", text)
    words = call("eval", "-m", bundle, "--format", "kenlm", "--level", "word", text)

    # There is a line for every line of the text, so that `paste` can join them. The third one is blank.
    assert [sentences.lines[place] for place in (0, 1, 3)] == [
        f"Total: {log10(score.total_log_prob):.6g} OOV: {score.oov}" for score in scores
    ]
    assert len(sentences.lines) == len(words.lines) == 4 + 4
    assert words.lines[2].startswith("</s>=1 2 ")
    assert sentences.lines[4:] == words.lines[4:]
    *tokens, total = words.lines[1].split("\t")
    assert total == sentences.lines[1]
    assert [token.split(" ")[:2] for token in tokens] == [
        ["the=2", "2"],
        ["zebra=0", "3"],
        ["sat=4", "4"],
        ["</s>=1", "5"],
    ]
    assert [token.split(" ")[2] for token in tokens] == [f"{log10(nats):.6g}" for nats in scores[1].log_probs]


def test_srilm_summary_follows_srilms_formulas(call, bundle, text, scores):
    finished = call("eval", "-m", bundle, "--format", "srilm", text)

    name, sentences, words, oovs = SRILM_COUNTS.search(finished.out).groups()
    zeroprobs, logprob, ppl, ppl1 = map(float, SRILM_FIGURES.search(finished.out).groups())
    assert len(finished.lines) == 2
    assert (name, sentences, words, oovs, zeroprobs) == (str(text), "3", "11", "1", 0)
    known = sum(score.total_log_prob for score in scores) - float(scores[1].log_probs[1])
    assert logprob == pytest.approx(log10(known), rel=1e-5)
    assert ppl == pytest.approx(10 ** (-logprob / (11 - 1 + 3)), rel=1e-4)
    assert ppl1 == pytest.approx(10 ** (-logprob / (11 - 1)), rel=1e-4)


def test_srilm_words_are_as_debug_2_prints_them(call, bundle, text, scores):
    finished = call("eval", "-m", bundle, "--format", "srilm", "--level", "word", text)

    known = [f"{math.exp(nats):.6g} [ {log10(nats):.6g} ]" for nats in scores[1].log_probs]
    start = finished.lines.index("the zebra sat")
    assert finished.lines[start + 1 : start + 6] == [
        f"\tp( the | <s> ) \t= [2gram] {known[0]}",
        "\tp( <unk> | the ...) \t= [OOV] 0 [ -inf ]",
        f"\tp( sat | <unk> ...) \t= [4gram] {known[2]}",
        f"\tp( </s> | sat ...) \t= [5gram] {known[3]}",
        "1 sentences, 3 words, 1 OOVs",
    ]
    assert len(SRILM_FIGURES.findall(finished.out)) == 3 + 1


def test_srilm_sentences_have_their_own_figures(call, bundle, text):
    finished = call("eval", "-m", bundle, "--format", "srilm", "--level", "sentence", text)

    blocks = finished.out.split("\n\n")
    assert [block.split("\n")[0] for block in blocks[:3]] == ["the cat sat on the mat .", "the zebra sat", "dog"]
    assert blocks[2].split("\n")[1] == "1 sentences, 1 words, 0 OOVs"
    _, logprob, ppl, ppl1 = map(float, SRILM_FIGURES.search(blocks[2]).groups())
    assert (ppl, ppl1) == (pytest.approx(10 ** (-logprob / 2), rel=1e-4), pytest.approx(10**-logprob, rel=1e-4))
    assert SRILM_COUNTS.match(blocks[3])


def test_a_text_of_oovs_alone_has_no_ppl1(call, bundle, write):
    text = write("unknown.txt", b"zebra\nyak\n")

    finished = call("eval", "-m", bundle, "--format", "srilm", text)

    assert finished.lines[1].endswith(" ppl1= undefined")
    found = summary(call, "-m", bundle, text)
    assert found["ppl1"] is None
    assert (found["oov"], found["oov_rate"]) == (2, 1.0)
    rows = call("eval", "-m", bundle, "--format", "tsv", text).rows
    assert dict(zip(*rows, strict=True))["ppl1"] == "inf"


# The output of KenLM (4cb443e) and SRILM (1.7.3, ngram -ppl -debug 2) for this model and text. The n-grams that
# are found have 1 or 2 words. SRILM leaves out words of probability 0, and skips the blank line.
TOOLKITS_ARPA = r"""\data\
ngram 1=5
ngram 2=4

\1-grams:
-99	<s>	-0.2
-0.9	</s>
-0.6	red	-0.3
-0.5	fox	-0.1
-99	saw	-0.2

\2-grams:
-0.2	<s> red
-0.1	red fox
-0.3	fox saw
-99	fox red

\end\
"""
TOOLKITS_TEXT = b"red fox saw\n\nsaw red fox red\nblue fox blue\n"
KENLM_LINES = """\
red 2 -0.2	fox 2 -0.1	saw 2 -0.3	</s> 1 -1.1	Total: -1.7 OOV: 0
</s> 1 -1.1	Total: -1.1 OOV: 0
saw 1 -99.2	red 1 -0.8	fox 2 -0.1	red 2 -99	</s> 1 -1.2	Total: -200.3 OOV: 0
blue 1 -100.2	fox 1 -0.5	blue 1 -100.1	</s> 1 -0.9	Total: -201.69998 OOV: 2
""".splitlines()
SRILM_LINES = """\
red fox saw
	p( red | <s> ) 	= [2gram] 0.6309573 [ -0.2 ]
	p( fox | red ...) 	= [2gram] 0.7943282 [ -0.1 ]
	p( saw | fox ...) 	= [2gram] 0.5011872 [ -0.3 ]
	p( </s> | saw ...) 	= [1gram] 0.07943282 [ -1.1 ]
1 sentences, 3 words, 0 OOVs
0 zeroprobs, logprob= -1.7 ppl= 2.660725 ppl1= 3.686945

saw red fox red
	p( saw | <s> ) 	= [1gram] 0 [ -inf ]
	p( red | saw ...) 	= [1gram] 0.1584893 [ -0.8 ]
	p( fox | red ...) 	= [2gram] 0.7943282 [ -0.1 ]
	p( red | fox ...) 	= [2gram] 0 [ -inf ]
	p( </s> | red ...) 	= [1gram] 0.06309573 [ -1.2 ]
1 sentences, 4 words, 0 OOVs
2 zeroprobs, logprob= -2.1 ppl= 5.011872 ppl1= 11.22018

blue fox blue
	p( <unk> | <s> ) 	= [OOV] 0 [ -inf ]
	p( fox | <unk> ...) 	= [1gram] 0.3162278 [ -0.5 ]
	p( <unk> | fox ...) 	= [OOV] 0 [ -inf ]
	p( </s> | <unk> ...) 	= [1gram] 0.1258925 [ -0.9 ]
1 sentences, 3 words, 2 OOVs
0 zeroprobs, logprob= -1.4 ppl= 5.011872 ppl1= 25.11886

""".splitlines()


@pytest.fixture
def imported(call, write, tmp_path):
    """The model of TOOLKITS_ARPA."""
    call("import", write("toolkits.arpa", TOOLKITS_ARPA.encode()), "-o", tmp_path / "imported", "-q")
    return tmp_path / "imported"


def test_kenlms_format_is_the_output_of_kenlm(call, imported, write):
    finished = call("eval", "-m", imported, "--format", "kenlm", "--level", "word", write("t", TOOLKITS_TEXT))

    assert [re.sub(r"=\d+ ", " ", line) for line in finished.lines[:4]] == KENLM_LINES
    # KenLM adds up in float32, so its last digits differ.
    assert finished.lines[6:] == ["OOVs:\t2", "Tokens:\t14"]
    including, excluding = (float(line.split("\t")[1]) for line in finished.lines[4:6])
    assert including == pytest.approx(10 ** ((1.7 + 1.1 + 200.3 + 201.7) / 14), rel=1e-5)
    assert excluding == pytest.approx(10 ** ((1.7 + 1.1 + 200.3 + 1.4) / 12), rel=1e-5)


def test_srilms_format_is_the_output_of_srilm(call, imported, write):
    text = write("t", TOOLKITS_TEXT)

    finished = call("eval", "-m", imported, "--format", "srilm", "--level", "word", text)

    for line, theirs in zip(finished.lines[:-2], SRILM_LINES, strict=True):
        numbers, expected = (re.findall(r"-?\d+\.\d+", each) for each in (line, theirs))
        assert re.sub(r"-?\d+\.\d+", "", line) == re.sub(r"-?\d+\.\d+", "", theirs)
        assert list(map(float, numbers)) == pytest.approx(list(map(float, expected)), rel=1e-6)
    assert finished.lines[-2:-1] == [f"file {text}: 3 sentences, 10 words, 2 OOVs"]
    assert SRILM_FIGURES.match(finished.lines[-1]).groups()[0] == "2"
    assert [float(figure) for figure in SRILM_FIGURES.match(finished.lines[-1]).groups()[1:]] == pytest.approx(
        [-5.2, 3.78249, 7.356423], rel=1e-6
    )


@pytest.mark.parametrize(("blank_lines", "answers"), [((), 4), (("--blank-lines", "drop"), 3)])
def test_kenlms_format_answers_blank_lines_unless_told_otherwise(call, imported, write, blank_lines, answers):
    text = write("t", TOOLKITS_TEXT)

    finished = call("eval", "-m", imported, "--format", "kenlm", "--level", "sentence", *blank_lines, text)

    assert len(finished.lines) == answers + 4
