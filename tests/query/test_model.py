import dataclasses

import msgspec
import numpy as np
import pytest

import lmctl
from lmctl.errors import DataError, InputMissingError, UsageError
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.query.model import Model, load, verify_model
from lmctl.query.whole_words import WordPredictor
from lmctl.store.bundle import open_bundle
from lmctl.store.writing import amend_bundle, weights_file, write_bundle
from lmctl.text.subword_training import train_subwords


def test_a_bundles_folder_is_loaded(tmp_path, make_bundle):
    model = lmctl.load(make_bundle(tmp_path / "bundle"))

    assert model.vocabulary.words[:4] == ("<unk>", "</s>", "the", "cat")
    assert len(model.predict("the", k=2)) == 2


def test_a_cache_remembers_as_many_words_as_are_asked_for(tmp_path, make_bundle):
    folder = make_bundle(tmp_path / "bundle")
    with pytest.raises(UsageError, match="no cache was tuned for this model"):
        lmctl.load(folder, cache=7)
    parameters = CacheParameters(weight=0.25, theta=2.0)
    amend_bundle(open_bundle(folder), cache=parameters)

    found = lmctl.load(folder, cache=7).language_model

    assert isinstance(found, CachedLanguageModel)
    assert (found.size, found.parameters) == (7, parameters)
    assert not isinstance(lmctl.load(folder).language_model, CachedLanguageModel)
    larger = lmctl.load(folder, cache=7).with_cache(9).language_model
    assert isinstance(larger, CachedLanguageModel)
    assert (larger.size, type(larger.model)) == (9, type(found.model))


def test_a_missing_model_cannot_be_loaded(tmp_path):
    with pytest.raises(InputMissingError, match="no such model"):
        load(tmp_path / "nothing")


def test_log_probs_are_a_distribution_over_the_vocabulary(model):
    for context in ("", "the", "the zebra sat"):
        log_probs = model.log_probs(context)
        assert log_probs.shape == (9,)
        assert np.exp(log_probs.astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-6)


def test_predict_leaves_out_the_specials(model):
    found = model.predict("the", k=50)

    assert {prediction.word for prediction in found} == set(model.vocabulary.words[2:])
    expected = dict(zip(model.vocabulary.words, model.log_probs("the").tolist(), strict=True))
    assert [prediction.logprob for prediction in found] == pytest.approx(
        sorted((expected[word] for word in model.vocabulary.words[2:]), reverse=True), abs=1e-6
    )


def test_predict_answers_five_words_unless_asked(model):
    assert len(model.predict("")) == 5


def test_predict_keeps_to_candidates(model):
    log_probs = dict(zip(model.vocabulary.words, model.log_probs("the").tolist(), strict=True))

    found = model.predict("the", candidates=["zebra", "sat", "cat"])

    assert {each.word: each.logprob for each in found} == pytest.approx(
        {word: log_probs[word] for word in ("sat", "cat")}, abs=1e-6
    )


def test_predict_finds_whole_words_of_a_model_of_pieces(make_model):
    trained = train_subwords(["我爱编程", "编程爱我"], 20, "bpe")
    model = make_model(words=("▁", "我", "爱", "编", "程"), segmenter="sentencepiece", subword_model=trained)

    assert model.predict("我", k=3, words=True) == WordPredictor(model, k=3).answer(["我"])[0].predictions


def test_predict_refuses_whole_words_of_a_model_of_words(model):
    with pytest.raises(UsageError, match="its tokens are words already"):
        model.predict("the", words=True)


def test_a_blank_line_scores_as_a_lone_sentence_end(model):
    score = model.score("")

    assert score.token_ids == [1]
    assert score.log_probs == pytest.approx([model.log_probs("")[1]], abs=1e-6)


def test_text_is_cut_as_the_training_text_was(make_model):
    model = make_model(words=("the", "c", "a", "t"), segmenter="char", lowercase=True)

    text = model.encode("A c\u0301T")

    # Lower-cased, c and its accent composed, and cut into characters without the white space.
    assert text.words == ["a", "\u0107", "t"]
    assert text.token_ids == [4, 0, 5]
    assert text.characters == 4


def test_stop_words_are_left_out_of_a_query(make_model):
    model = make_model(stop_words=("the",))

    assert model.encode("the cat on the mat").words == ["cat", "on", "mat"]


def test_literal_specials_in_a_text_are_unknown_words(model):
    assert model.encode("<unk> </s> <s> the").token_ids == [0, 0, 0, 2]


def test_another_version_of_the_segmenter_is_warned_of(tmp_path, make_bundle, caplog):
    bundle = open_bundle(make_bundle(tmp_path / "bundle", words=("\u7f16\u7a0b",), segmenter="jieba"))
    segmenter = bundle.record.recipe.segmenter
    older = msgspec.structs.replace(
        bundle.record.recipe, segmenter=type(segmenter)(name="jieba", engine="rjieba", engine_version="0.0.1")
    )
    bundle.record = msgspec.structs.replace(bundle.record, recipe=older)

    assert Model(bundle).encode("\u7f16\u7a0b").token_ids == [2]

    (message,) = caplog.messages
    assert message == (
        f"this model was trained with rjieba 0.0.1, but rjieba {segmenter.engine_version} is installed: "
        "some words may be cut differently"
    )


def test_other_tables_of_the_same_version_are_warned_of(tmp_path, make_bundle, caplog):
    bundle = open_bundle(make_bundle(tmp_path / "bundle", words=("\u7f16\u7a0b",), segmenter="jieba"))
    segmenter = dataclasses.replace(bundle.record.recipe.segmenter, tables_sha256="0" * 64)
    recipe = msgspec.structs.replace(bundle.record.recipe, segmenter=segmenter)
    bundle.record = msgspec.structs.replace(bundle.record, recipe=recipe)

    assert Model(bundle).encode("\u7f16\u7a0b").token_ids == [2]

    name = f"rjieba {segmenter.engine_version}"
    assert caplog.messages == [
        (
            f"this model was trained with {name}, but {name} with another dictionary or hidden Markov model is "
            "installed: some words may be cut differently"
        )
    ]


def test_other_word_boundaries_are_warned_of(tmp_path, make_bundle, caplog):
    bundle = open_bundle(make_bundle(tmp_path / "bundle", words=("don't",), segmenter="words"))
    segmenter = dataclasses.replace(bundle.record.recipe.segmenter, tables_sha256="0" * 64)
    recipe = msgspec.structs.replace(bundle.record.recipe, segmenter=segmenter)
    bundle.record = msgspec.structs.replace(bundle.record, recipe=recipe)

    assert Model(bundle).encode("don't!").token_ids == [2, 0]

    name = f"rjieba {segmenter.engine_version}"
    assert caplog.messages == [
        (
            f"this model was trained with {name}, but {name} with other word boundaries is installed: "
            "some words may be cut differently"
        )
    ]


def test_the_same_segmenter_is_not_warned_of(make_model, caplog):
    make_model(words=("\u7f16\u7a0b",), segmenter="jieba").encode("\u7f16\u7a0b")

    assert caplog.messages == []


def test_a_sound_bundle_is_verified(tmp_path, make_bundle):
    verify_model(make_bundle(tmp_path / "bundle"))


@pytest.mark.parametrize("name", ["vocabulary.tsv", "weights.safetensors", "metrics.json", "characters.tsv"])
def test_verification_names_the_file_that_is_damaged(tmp_path, make_bundle, name):
    path = make_bundle(tmp_path / "bundle") / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)

    with pytest.raises(DataError, match=f"{name}: damaged"):
        verify_model(tmp_path / "bundle")


def test_verification_finds_weights_that_make_no_model(tmp_path, make_bundle):
    sound = open_bundle(make_bundle(tmp_path / "sound"))
    contents = {name: sound.read(name) for name in sound.record.files}
    weights = {name: weight for name, weight in sound.weights().items() if name != "softmax.bias"}
    write_bundle(tmp_path / "bundle", sound.record, contents | {"weights.safetensors": weights_file(weights)})

    with pytest.raises(DataError, match=r"weight softmax\.bias is missing"):
        verify_model(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda model: model.predict("the", 2.0), "k is 2.0; expected a whole number of at least 1"),
        (lambda model: model.fill("the ___", "2"), "k is '2'; expected a whole number of at least 1"),
        # A text of 2.5 words would never end; this one would have two.
        (lambda model: model.generate(words=2.0), "words is 2.0; expected a whole number of at least 1"),
        (lambda model: model.generate(sentences=1.5), "sentences is 1.5; expected a whole number of at least 1"),
        (lambda model: model.generate(samples=None), "samples is None; expected a whole number of at least 1"),
        (lambda model: model.generate(top_k=1.5), "top_k is 1.5; expected a whole number of at least 1"),
        (lambda model: model.generate(beam=1.5), "the beam is 1.5; expected a whole number of at least 1"),
        (lambda model: model.generate(seed=1.0), "the seed is 1.0; expected a whole number from 0 to 4294967295"),
        (lambda model: load(model.bundle.folder, cache=-1), "cache is -1; expected a whole number of at least 0"),
        (lambda model: model.with_cache(0), "the cache is 0; expected a whole number of at least 1"),
    ],
)
def test_a_number_that_is_not_whole_is_refused(model, ask, message):
    with pytest.raises(UsageError) as refusal:
        ask(model)
    assert str(refusal.value) == message


def test_whole_numbers_of_numpy_are_those_of_python(model):
    assert model.predict("the", np.int64(2)) == model.predict("the", 2)
    (found,) = model.generate("the", words=np.int64(2), samples=np.uint8(1), seed=np.uint32(5))
    assert [found] == model.generate("the", words=2, seed=5)
    assert type(found.seed) is int


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda model: model.predict("the", candidates="cat"), "candidates"),
        (lambda model: model.generate(stop="cat"), "stop"),
        (lambda model: model.sentence_vectors("cat"), "texts"),
    ],
)
def test_a_text_in_place_of_several_is_not_taken_for_its_characters(model, ask, name):
    with pytest.raises(UsageError, match=f"^{name} is the text 'cat'; expected a list of texts$"):
        ask(model)


def test_no_sentences_have_vectors_of_the_usual_length(model):
    assert model.sentence_vectors([]).shape == (0, model.sentence_vectors(["the cat"]).shape[1])
