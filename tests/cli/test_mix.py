"""`lmctl mix`."""

from __future__ import annotations

import json

import pytest

from lmctl.store.bundle import open_bundle
from lmctl.store.lock import locked

# In this text, both bigrams and trigrams get some weight.
VALID = b"sat on the dog sat on the mat\n"


@pytest.fixture
def valid(write):
    return write("valid.txt", VALID)


def test_the_output_is_the_path_of_the_published_generation(call, counted, valid, tmp_path):
    finished = call("mix", f"{counted}@1", f"{counted}@2", "--valid", valid, "-o", tmp_path / "model")

    assert (finished.code, finished.err) == (0, "")
    assert finished.out == f"{tmp_path}/model/generations/000001\n"
    assert call("verify", tmp_path / "model").code == 0
    listed = call("models", tmp_path / "model", "--json")
    assert json.loads(listed.out)["family"] == "mixture"


def test_json_has_weights_and_perplexities(call, counted, valid, tmp_path):
    names = [f"{counted}@1", f"{counted}@2"]
    found = json.loads(call("mix", *names, "--valid", valid, "-o", tmp_path / "model", "--json").out)

    assert " ".join(found) == ("published model members perplexity tokens vocabulary_size oov_rate state cache")
    bundle = open_bundle(tmp_path / "model/generations/000001")
    assert [member["model"] for member in found["members"]] == names
    assert [member["weight"] for member in found["members"]] == bundle.record.sizes.weights
    assert (found["tokens"], found["vocabulary_size"], found["oov_rate"]) == (9, 9, 0.0)
    # eval gives the same perplexities for the members and the mixture.
    for name, perplexity in [
        *((member["model"], member["perplexity"]) for member in found["members"]),
        (tmp_path / "model", found["perplexity"]),
    ]:
        evaluated = json.loads(call("eval", "-m", name, "--state", "carry", "--json", valid).out)
        assert perplexity == pytest.approx(evaluated["perplexity"], rel=1e-6)
    assert found["perplexity"] <= min(member["perplexity"] for member in found["members"]) * (1 + 1e-6)


def test_on_a_terminal_the_members_are_shown(on_terminal, counted, valid, tmp_path):
    code, shown = on_terminal(
        "mix", "-q", f"{counted}@1", f"{counted}@2", "--valid", valid, "-o", tmp_path / "model"
    )

    assert code == 0
    lines = shown.splitlines()
    assert lines[0] == f"{tmp_path}/model/generations/000001"
    assert lines[1].split() == ["model", "weight", "perplexity"]
    # Names are shortened in the middle, because they differ at their ends.
    assert [line.split()[0][-8:] for line in lines[2:4]] == [f"{counted}@{number}"[-8:] for number in (1, 2)]
    assert lines[4].startswith("mixture")


def test_on_a_terminal_an_infinite_perplexity_is_inf_as_in_every_table(on_terminal, call, write, tmp_path):
    # -99 stands for a probability of 0.
    for name, log10 in (("never", -99), ("sometimes", -0.7)):
        unigrams = f"-99\t<s>\n-1\t<unk>\n-0.2\t</s>\n-0.5\ta\n{log10}\tb\n"
        arpa = write(f"{name}.arpa", f"\\data\\\nngram 1=5\n\n\\1-grams:\n{unigrams}\n\\end\\\n".encode())
        assert call("import", arpa, "-o", tmp_path / name).code == 0
    names = (tmp_path / "never", tmp_path / "sometimes")
    code, shown = on_terminal("mix", "-q", *names, "--valid", write("ab.txt", b"a b\n"), "-o", tmp_path / "model")

    assert code == 0
    # a, b and </s>: 0.5, 0.7 and 0.2, a third each.
    assert [line.split()[-2:] for line in shown.splitlines()[2:4]] == [
        ["0.0000", "inf"],
        ["1.0000", f"{10 ** ((0.5 + 0.7 + 0.2) / 3):.2f}"],
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("{counted}", "--valid", "valid.txt"), 2, "a mixture needs two models or more, got 1"),
        (("{counted}", "{counted}", "--valid", "typo.txt"), 66, "typo.txt: no such file"),
        (("{counted}", "nowhere", "--valid", "valid.txt"), 66, "nowhere: no such model"),
        (("{counted}", "{counted}", "--valid", "empty.txt"), 65, "empty.txt: nothing to tune on; expected text"),
        (("{counted}", "{counted}"), 2, "missing --valid FILE (text that the weights are tuned on)"),
    ],
)
def test_models_that_cannot_be_mixed_are_refused_in_one_line(
    call, counted, bundle, valid, write, tmp_path, monkeypatch, arguments, code, message
):
    monkeypatch.chdir(tmp_path)
    write("empty.txt", b"\n \n")

    finished = call("mix", *(each.format(counted=counted, bundle=bundle) for each in arguments), "-o", "model")

    assert (finished.code, finished.out, finished.err.count("\n")) == (code, "", 1)
    assert finished.err.startswith(f"lmctl: {message.format(counted=counted, bundle=bundle)}")
    assert not (tmp_path / "model").exists()


def test_a_model_that_is_being_trained_is_left_alone(call, counted, valid, tmp_path):
    arguments = ("mix", f"{counted}@1", f"{counted}@2", "--valid", valid, "-o", tmp_path / "model")
    call(*arguments)
    with locked(tmp_path / "model"):
        finished = call(*arguments)

    assert (finished.code, finished.out, finished.err.count("\n")) == (75, "", 1)
    assert [path.name for path in (tmp_path / "model/generations").iterdir()] == ["000001"]
