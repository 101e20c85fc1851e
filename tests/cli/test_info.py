"""`lmctl info`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lmctl.store.bundle import open_bundle
from lmctl.store.writing import amend_bundle, encode_metrics


@pytest.fixture
def model(make_bundle, tmp_path):
    """A model of two generations; the second one is current."""
    for number in (1, 2):
        make_bundle(tmp_path / f"model/generations/{number:06d}", seed=number)
    (tmp_path / "model/current").symlink_to(Path("generations/000002"))
    return tmp_path / "model"


def test_text_has_a_name_and_a_value_on_each_line(call, bundle):
    finished = call("info", bundle)

    rows = dict(finished.rows)
    assert (finished.code, finished.err) == (0, "")
    assert rows["folder"] == str(bundle)
    assert rows["family"] == "lstm, 2 x 4 units, embedding 3"
    assert rows["softmax"] == "full"
    assert rows["vocabulary"] == "9 words, <unk> and </s> included"
    assert rows["segmenter"] == "space"
    assert rows["sources"] == "corpus.txt"
    assert rows["train"].startswith("perplexity 9.50")
    assert rows["valid"] == "no validation text"
    assert "seed 1" in rows["training"]


def test_text_says_which_words_share_a_table(call, make_bundle, tmp_path):
    clusters = [{"words": 4, "width": 4}, {"words": 3, "width": 2}, {"words": 2, "width": 1}]

    rows = dict(call("info", make_bundle(tmp_path / "bundle", sizes={"clusters": clusters})).rows)

    assert rows["softmax"] == "adaptive, 4 words x 4 + 3 words x 2 + 2 words x 1"


def test_figures_of_the_family_are_a_row_each(call, make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    own = {"kl_nats_per_sentence": 3.906, "samples": 64.0, "bound_perplexity": None, "bound_tokens": 1990}
    metrics = bundle / "metrics.json"
    amend_bundle(
        open_bundle(bundle), {"metrics.json": encode_metrics(json.loads(metrics.read_text()) | {"own": own})}
    )

    rows = dict(call("info", bundle).rows)

    assert rows["kl nats per sentence"] == "3.91"
    assert rows["samples"] == "64"
    assert rows["bound perplexity"] == "unknown"
    assert rows["bound tokens"] == "1,990"
    assert json.loads(call("info", bundle, "--json").out)["metrics"]["own"] == own


def test_json_is_the_record_the_folder_and_the_metrics(call, bundle):
    found = json.loads(call("info", bundle, "--json").out)

    record = json.loads((bundle / "model.json").read_text())
    assert found == {
        "folder": str(bundle),
        **record,
        "metrics": {"valid": None, "train": {"perplexity": 9.5}},
    }


def test_text_of_an_ngram_model_has_its_order_smoothing_and_counts(call, counted):
    rows = dict(call("info", counted).rows)

    assert rows["family"] == "ngram, order 3, kneser-ney"
    # the cat sat on mat . dog and two specials; by hand, bigrams: </s> the, the cat/mat/dog, cat sat/., ...
    sizes = open_bundle(counted / "generations/000002").record.sizes
    assert rows["n-grams"] == " + ".join(map(str, sizes.ngrams))
    assert sizes.ngrams[:2] == [9, 11]
    assert rows["corpus"] == "16 tokens in 2 lines; 0.00 % OOV"
    assert "training" not in rows
    assert "cache" not in rows


def test_text_of_a_mixture_has_its_members_and_weights(call, mixture):
    finished = call("info", mixture)

    rows = dict(finished.rows)
    bundle = open_bundle(mixture / "generations/000001")
    first, second = bundle.record.sizes.weights
    assert (finished.code, finished.err) == (0, "")
    assert rows["family"] == f"mixture of 2, weights {first:.4f}, {second:.4f}"
    assert rows["member 0"] == "ngram, order 2, kneser-ney (members/0)"
    assert rows["member 1"] == "ngram, order 3, kneser-ney (members/1)"
    valid = bundle.metrics()["valid"]
    assert rows["valid"].startswith(f"perplexity {valid['perplexity']:.2f} including OOVs (state carry, ")


def test_a_member_has_its_own_perplexity_and_says_whether_oovs_count(call, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = write("text.txt", b"the cat sat on the mat .\nthe dog sat on the cat .\n")
    valid = write("valid.txt", b"sat on the dog sat on the mat bird\n")
    for order in ("2", "3"):
        call("train", text, "-o", order, "--preset", "ngram", "--set", f"model.order={order}", "--valid", valid)
    call("mix", "2", "3", "-o", "mixed", "--valid", valid)

    rows = dict(call("info", "mixed").rows)

    # The training text has no unknown words, so they are left out in validation. A mixture is tuned on all words.
    alone = open_bundle(Path("2/generations/000001")).metrics()["valid"]["perplexity"]
    assert rows["member 0"] == (
        f"ngram, order 2, kneser-ney, alone perplexity {alone:.2f} excluding OOVs (members/0)"
    )
    assert " including OOVs " in rows["valid"]


def test_text_has_the_cache_if_one_was_tuned(call, cached):
    assert dict(call("info", cached).rows)["cache"] == "weight 0.5000, theta 1, with --cache"


@pytest.mark.parametrize("family", ["counted", "mixture"])
def test_json_of_any_family_is_its_record(call, request, family):
    model = request.getfixturevalue(family)

    found = json.loads(call("info", model, "--json").out)

    bundle = open_bundle((model / "current").resolve())
    assert found == {
        "folder": found["folder"],
        **json.loads((bundle.folder / "model.json").read_text()),
        "metrics": bundle.metrics(),
    }
    assert found["sizes"]["family"] == {"counted": "ngram", "mixture": "mixture"}[family]


@pytest.mark.parametrize(
    ("name", "generation"), [("{}", 2), ("{}@1", 1), ("{}@2", 2), ("{}/generations/000001", 1), ("{}/current", 2)]
)
def test_a_model_means_its_current_generation_unless_one_is_named(call, model, name, generation):
    found = json.loads(call("info", name.format(model), "--json").out)

    assert found["training"]["seed"] == generation


def test_a_generation_that_is_not_there_is_missing_and_the_others_are_listed(call, model):
    finished = call("info", f"{model}@7")

    assert finished.code == 66
    assert finished.err == f"lmctl: {model}@7: no such generation; there are: 1, 2\n"


def test_a_model_whose_current_generation_is_gone_is_damaged(call, model):
    (model / "current").unlink()
    (model / "current").symlink_to(Path("generations/000009"))

    finished = call("info", model)

    assert finished.code == 65
    assert finished.err == (
        f"lmctl: {model}/current: leads to generation 000009, which is missing; "
        f"`lmctl rollback {model} --to 2` makes another one current\n"
    )


def test_a_model_with_nothing_published_is_missing(call, tmp_path):
    (tmp_path / "new/generations").mkdir(parents=True)

    finished = call("info", tmp_path / "new")

    assert finished.code == 66
    assert finished.err == f"lmctl: {tmp_path}/new: nothing has been published there yet\n"


def test_the_model_may_come_from_the_variable(call, bundle, monkeypatch):
    monkeypatch.setenv("LMCTL_MODEL", str(bundle))

    assert dict(call("info").rows)["folder"] == str(bundle)
