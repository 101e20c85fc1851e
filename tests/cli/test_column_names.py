"""Tab-separated output of queries: the names of the columns stand above the rows, also above none."""

import pytest


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("predict", "--format", "tsv"), "line\trank\tword\tlogprob\n"),
        (("fill", "--format", "tsv"), "line\trank\tword\tlogprob\tlower_logprob\texact\tunseen\n"),
        (("neighbors", "--format", "tsv"), "line\trank\tword\tcosine\n"),
        (("generate", "--format", "tsv"), "line\tsample\tlogprob\tended_by\ttext\n"),
        (("rank", "--format", "tsv"), "group\trank\tline\tbits\tmargin\toov\tsentence\n"),
        (("surprisal",), "line\tid\tindex\tword\tstart\tend\tbits\toov\n"),
        # The features of this model have four numbers.
        (("embed",), "line\ttext\tv1\tv2\tv3\tv4\n"),
        (("embed", "--format", "word2vec"), "0 4\n"),
        (("embed", "--words"), "word\tv1\tv2\tv3\n"),
        (("embed", "--words", "--format", "word2vec"), "0 3\n"),
        (("predict", "--format", "tsv", "--no-header"), ""),
        (("predict",), ""),
        (("embed", "--json"), ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_empty_input_gives_the_names_of_the_columns_alone(call, bundle, write, command, expected):
    name, *options = command
    form = () if name == "surprisal" else ("-f",)

    finished = call(name, "-m", bundle, *options, *form, write("empty.txt", b""))

    assert (finished.code, finished.out, finished.err) == (0, expected, "")
