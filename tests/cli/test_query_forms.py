"""Queries are lines: a file in another form is refused, and not read as lines of text."""

import pytest

JSON_LINES = b'{"id": 7, "text": "the cat"}\n'
SRT = b"1\n00:00:01,000 --> 00:00:02,000\nthe cat\n"
HOW = "expected lines of text, as `lmctl prepare --stdout --segmenter space {}FILE` prints them\n"
FORMS = {
    "jsonl by its first line": ("q.txt", JSON_LINES, "JSON Lines with the field text; ", "--field FIELD "),
    "jsonl by its name": ("q.jsonl", b"[\n", "JSON Lines; ", "--field FIELD "),
    "csv": ("q.csv", b"id,text\n1,the\n", "a table with the columns 'id', 'text'; ", "--column COLUMN "),
    "tsv": ("q.tsv", b"id\ttext\n1\tthe\n", "a table with the columns 'id', 'text'; ", "--column COLUMN "),
    "srt by its first lines": ("q.txt", SRT, "subtitles; ", ""),
    "vtt by its name": ("q.vtt", b"the cat\n", "subtitles; ", ""),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("command", ["predict", "fill", "generate", "rank", "embed", "neighbors"])
def test_another_form_is_refused_in_one_line(call, bundle, write, command, form):
    name, content, what, option = FORMS[form]
    path = write(name, content)
    finished = call(command, "-m", bundle, "-f", path)
    assert (finished.code, finished.err) == (65, f"lmctl: {path}: {what}{HOW.format(option)}")


@pytest.mark.parametrize(("content", "what", "option"), [(JSON_LINES, *FORMS["jsonl by its first line"][2:])])
def test_standard_input_is_checked_too(lmctl, bundle, content, what, option):
    finished = lmctl("predict", "-m", bundle, stdin=content)
    assert (finished.code, finished.out) == (65, "")
    assert finished.err == f"lmctl: standard input: {what}{HOW.format(option)}"


def test_prepare_prints_the_lines_that_the_message_promises(lmctl, call, bundle, write):
    lines = call(
        "prepare", "--stdout", "--segmenter", "space", "--field", "text", write("q.jsonl", JSON_LINES)
    ).out
    assert lines == "the cat\n"
    assert lmctl("predict", "-m", bundle, stdin=lines.encode()).out == call("predict", "-m", bundle, "the cat").out


def test_surprisal_names_its_option(call, bundle, write):
    path = write("q.jsonl", JSON_LINES)
    finished = call("surprisal", "-m", bundle, path)
    assert finished.code == 65
    assert finished.err == (
        f"lmctl: {path}: JSON Lines with the field text; name the field that has the text with --text-column\n"
    )
    contexts = call("surprisal", "-m", bundle, "--context-file", path, write("q.txt", b"the\n"))
    assert (contexts.code, contexts.err) == (
        65,
        f"lmctl: {path}: JSON Lines with the field text; {HOW.format('--field FIELD ')}",
    )


def test_references_of_another_form_are_refused(call, bundle, write):
    path, lists = write("references.jsonl", JSON_LINES), write("lists.txt", b"0 ||| the cat ||| a= 1 ||| 1\n")
    finished = call("rescore", "-m", bundle, "--references", path, lists)
    assert finished.code == 65
    assert finished.err == (f"lmctl: {path}: JSON Lines with the field text; {HOW.format('--field FIELD ')}")


@pytest.mark.parametrize("line", ['{"the"', "{ the cat }", "1", "[the cat]"])
def test_lines_that_only_begin_like_another_form_are_answered(call, bundle, write, line):
    finished = call("predict", "-m", bundle, "-f", write("q.txt", f"{line}\nthe\n".encode()))
    assert (finished.code, len(finished.lines)) == (0, 2)


def test_an_argument_may_be_anything(call, bundle):
    assert call("predict", "-m", bundle, '{"text": "the cat"}').code == 0
