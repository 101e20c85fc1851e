import pytest

from lmctl.errors import DataError
from lmctl.query.nbest import format_of, make_format, read_costs


def read(name, lines, **settings):
    form = make_format(name, "list", **settings)
    return form, list(form.groups(lines))


def test_moses():
    lines = ["0 ||| a b ||| LM0= -1 ||| -2.5 ||| 0-0", "", "0 ||| a ||| LM0= -2 ||| -3", "1 ||| c ||| ||| -1"]
    form, groups = read("moses", lines)

    assert [[(one.line, one.group, one.text, one.score) for one in group] for group in groups] == [
        [(1, "0", "a b", -2.5), (3, "0", "a", -3.0)],
        [(4, "1", "c", -1.0)],
    ]
    assert form.written(groups[0][0], -4.25, None) == "0 ||| a b ||| LM0= -1 lmctl= -4.250000 ||| -2.5 ||| 0-0"
    assert (
        form.written(groups[0][0], -4.25, -7.5) == "0 ||| a b ||| LM0= -1 lmctl= -4.250000 ||| -7.500000 ||| 0-0"
    )
    assert form.written(groups[1][0], -4.25, None) == "1 ||| c ||| lmctl= -4.250000 ||| -1"


def test_moses_without_features():
    form, ((one,),) = read("moses", ["7 ||| a"])
    assert one.score is None
    assert form.best(one, -1.0, None) == "7 ||| a ||| lmctl= -1.000000"


def test_kaldi():
    form, groups = read("kaldi", ["utt-a-1 x y", "utt-a-2", "b-1 z"], costs={"utt-a-1": 3, "utt-a-2": 4, "b-1": 5})

    assert [[(one.group, one.text, one.score) for one in group] for group in groups] == [
        [("utt-a", "x y", -3), ("utt-a", "", -4)],
        [("b", "z", -5)],
    ]
    # A cost is the negative of a score.
    assert form.written(groups[0][0], -2.0, None) == "utt-a-1 2.000000"
    assert form.written(groups[0][0], -2.0, -5.0) == "utt-a-1 5.000000"
    assert form.best(groups[0][0], -2.0, -5.0) == "utt-a x y"


def test_json_lines_keep_their_keys_in_order():
    line = '{"score":-1,"hyp":"a b","utt":7,"more":[1]}'
    form, ((one,),) = read("jsonl", [line], id_key="utt", text_key="hyp")
    assert (one.group, one.text, one.score) == ("7", "a b", -1.0)
    assert form.written(one, -2.5, None) == '{"score":-1,"hyp":"a b","utt":7,"more":[1],"lmctl":-2.5}'
    assert form.written(one, -2.5, -3.5) == '{"score":-3.5,"hyp":"a b","utt":7,"more":[1],"lmctl":-2.5}'


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("moses", ["0 a b"], "list: line 1: one field; expected id ||| text ||| features ||| score"),
        ("moses", ["", "0 ||| a ||| ||| x"], "list: line 2: score: expected a number, got 'x'"),
        ("moses", ["0 ||| a ||| ||| nan"], "list: line 1: score: expected a number, got 'nan'"),
        (
            "moses",
            ["0 ||| a", "1 ||| a", "0 ||| b"],
            "list: line 3: id '0' comes again after other ids; expected the lines of an id side by side",
        ),
        ("kaldi", ["utt a"], "list: line 1: id 'utt'; expected an utterance, - and a number, such as utt1-2"),
        ("kaldi", ["u-1 a", "u-1 b"], "list: line 2: id 'u-1' occurs twice"),
        ("jsonl", ["{}"], "list: line 1: no key 'id'; it has none"),
        ("jsonl", ['{"id":1,"txt":"a"}'], "list: line 1: no key 'text'; it has 'id', 'txt'"),
        ("jsonl", ['{"id":1,"text":2}'], "list: line 1: text: expected a string, got int"),
        ("jsonl", ['{"id":1,"text":"a","score":"b"}'], "list: line 1: score: expected a number, got 'b'"),
        ("jsonl", ['{"id":1,"text":"a","score":true}'], "list: line 1: score: expected a number, got 'True'"),
    ],
)
def test_a_bad_line_is_named(name, lines, message):
    with pytest.raises(DataError) as raised:
        read(name, lines)
    assert str(raised.value) == message


def test_bad_json_is_named():
    with pytest.raises(DataError, match="list: line 1: no JSON object: "):
        read("jsonl", ["[1]"])


def test_a_number_that_no_float_holds_is_refused():
    with pytest.raises(DataError, match="list: line 1: score: expected a number, got '1000"):
        read("jsonl", [f'{{"id":1,"text":"a","score":1{"0" * 400}}}'])


def test_a_hypothesis_without_a_cost_is_named():
    with pytest.raises(DataError, match="line 2: id 'u-2' has no cost"):
        read("kaldi", ["u-1 a", "u-2 b"], costs={"u-1": 1.0})


def test_costs():
    assert read_costs(["u-1 2.5", "", "u-2\t3"], "costs") == {"u-1": 2.5, "u-2": 3.0}
    for lines, message in (
        (["u-1"], "costs: line 1: 1 fields; expected an id and a cost"),
        (["u-1 1", "u-1 2"], "costs: line 2: id 'u-1' occurs twice"),
        (["u-1 x"], "costs: line 1: cost: expected a number, got 'x'"),
    ):
        with pytest.raises(DataError, match=message):
            read_costs(lines, "costs")


@pytest.mark.parametrize(
    ("line", "name"), [('{"id": 1}', "jsonl"), ("0 ||| a", "moses"), ("u-1 a b", "kaldi"), ("", "kaldi")]
)
def test_the_first_line_shows_the_format(line, name):
    assert format_of(line) == name


def test_a_score_that_rounds_to_zero_has_no_minus():
    moses, ((one,),) = read("moses", ["0 ||| a ||| ||| -1"])
    assert moses.written(one, -4e-7, -4e-7) == "0 ||| a ||| lmctl= 0.000000 ||| 0.000000"
    kaldi, ((one,),) = read("kaldi", ["a-1 x"])
    assert kaldi.written(one, 0.0, None) == "a-1 0.000000"
