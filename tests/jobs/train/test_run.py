"""A network is trained, and published."""

import hashlib
import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from folders import contents
from waiting import LONGEST_SECONDS

import lmctl
from lmctl.config import config_from_yaml, read_settings
from lmctl.errors import DataError, DeviceError, DivergenceError, InputMissingError, MissingExtraError
from lmctl.jobs.train.run import train
from lmctl.query.evaluation import evaluate_file
from lmctl.store.bundle import open_bundle
from lmctl.store.verification import verify_bundle

FOUR_SENTENCES = "我爱编程。\n编程是一种艺术。\n艺术是人类创造的。\n创造是人类的天赋。\n"


def test_four_sentences_are_learned_and_asked(cpu, tmp_path):
    (tmp_path / "four.txt").write_text(FOUR_SENTENCES, encoding="utf-8")
    asked = read_settings(assignments=["preset=tiny", "validation.fraction=0", "device.placement=cpu"])

    trained = train([str(tmp_path / "four.txt")], tmp_path / "model", asked)

    assert trained.preset == "tiny"
    model = lmctl.load(tmp_path / "model")
    # By maximum likelihood, 是 always follows 编程 at the start of a sentence, and 。 follows 我爱编程.
    first, *_ = model.predict("编程")
    assert first.word == "是"
    assert first.prob > 0.5
    assert model.predict("我爱编程")[0].word == "。"
    assert model.log_probs("编程")[model.vocabulary.encode(["是"])[0]] == pytest.approx(first.logprob, abs=1e-6)
    # 17 words and 4 ends, each far more probable than one of the 13 tokens at random.
    scores = [model.score(line) for line in FOUR_SENTENCES.splitlines()]
    assert sum(len(score.token_ids) for score in scores) == trained.tokens // trained.epochs
    assert sum(score.total_log_prob for score in scores) > -21 * math.log(3)


@pytest.mark.usefixtures("eagerly")
def test_each_run_publishes_the_next_generation(text, tmp_path, settings):
    first = train([text], tmp_path / "model", settings())
    content_of_first = contents(Path(first.published))

    second = train([text], tmp_path / "model", settings("training.seed=2"))

    assert first.published == str(tmp_path / "model/generations/000001")
    assert second.published == str(tmp_path / "model/generations/000002")
    assert (tmp_path / "model/current").resolve() == Path(second.published)
    assert contents(Path(first.published)) == content_of_first
    assert list((tmp_path / "model/work").iterdir()) == []
    for published in (first.published, second.published):
        verify_bundle(Path(published))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("assignments", "error"),
    [
        (("training.optimizer=sgd", "training.learning_rate=1e38"), DivergenceError),
        (("device.placement=gpu:99",), DeviceError),
    ],
)
def test_a_run_that_fails_leaves_the_published_model(text, tmp_path, assignments, error, settings):
    first = train([text], tmp_path / "model", settings())
    before = contents(Path(first.published))

    with pytest.raises(error):
        train([text], tmp_path / "model", settings(*assignments))

    assert (tmp_path / "model/current").resolve() == Path(first.published)
    assert contents(Path(first.published)) == before
    assert [path.name for path in (tmp_path / "model/generations").iterdir()] == ["000001"]
    assert list((tmp_path / "model/work").iterdir()) == []


@pytest.mark.usefixtures("eagerly")
def test_the_result_of_a_run_and_the_record_of_its_bundle(text, valid, tmp_path, settings):
    trained = train([text], tmp_path / "model", settings(f"validation.file={valid}", "training.seed=7"))

    bundle = open_bundle(Path(trained.published))
    record = bundle.record
    # 23 words in 4 sentences, an epoch; 9 distinct words and two specials.
    assert trained.tokens == record.training.tokens == 2 * 27
    assert trained.vocabulary_size == record.sizes.vocabulary_size == 11
    assert (trained.epochs, record.training.seed) == (2, 7)
    assert (record.corpus.train.words, record.corpus.train.sentences) == (23, 4)
    # The blank line is dropped; zebra and gnu are unknown among 6 + 3 + 11 words.
    assert (record.corpus.valid.words, record.corpus.valid.sentences, record.corpus.valid.oov) == (20, 3, 2)
    assert trained.valid_oov_rate == pytest.approx(2 / 20)
    assert [source.name for source in record.corpus.sources] == [text, valid]

    history = bundle.history()
    assert [epoch["epoch"] for epoch in history] == [1, 2]
    assert [epoch["tokens"] for epoch in history] == [27, 54]
    assert history[-1]["step"] == trained.steps == record.training.steps
    best = history[trained.best_epoch - 1]
    assert best["best"]
    assert best["valid_perplexity"] == min(epoch["valid_perplexity"] for epoch in history)

    metrics = bundle.metrics()
    # The figure is the one of `eval`. The figure of an epoch is measured in the columns of a batch.
    found = evaluate_file(lmctl.load(tmp_path / "model"), valid, state="carry")
    # <unk> was never seen in training, so it does not count.
    assert not trained.valid_includes_oov
    assert trained.valid_perplexity == pytest.approx(found.perplexity_excluding_oov)
    assert metrics["valid"]["perplexity"] == trained.valid_perplexity
    assert best["valid_perplexity"] == pytest.approx(trained.valid_perplexity, rel=0.05)
    assert metrics["valid"]["perplexity"] == pytest.approx(math.exp(metrics["valid"]["cross_entropy_nats"]))
    assert metrics["valid"]["vocabulary_size"] == 11
    assert metrics["valid"]["oov_rate"] == pytest.approx(2 / 20)
    assert metrics["valid"]["state"] == trained.valid_state == "carry"
    assert metrics["train"] == {"perplexity": trained.train_perplexity}

    config = config_from_yaml(bundle.read("config.yaml").decode())
    assert (config.training.seed, config.training.epochs, config.text.segmenter) == (7, 2, "space")
    assert sum(weight.size for weight in bundle.weights().values()) == trained.parameters


@pytest.mark.usefixtures("eagerly")
def test_without_validation_the_last_epoch_is_the_best(text, tmp_path, settings):
    trained = train([text], tmp_path / "model", settings())

    assert trained.best_epoch == trained.epochs == 2
    assert (trained.valid_perplexity, trained.valid_oov_rate, trained.valid_state) == (None, None, None)
    assert open_bundle(Path(trained.published)).metrics()["valid"] is None


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("oov", ["in training too", "in validation alone"])
@pytest.mark.parametrize(("state", "batch_size"), [("reset", 3), ("carry", 1)])
def test_the_validation_perplexity_is_the_one_that_eval_finds(
    text, valid, tmp_path, state, batch_size, oov, settings
):
    in_training = oov == "in training too"

    trained = train(
        [text],
        tmp_path / "model",
        settings(
            f"validation.file={valid}",
            f"validation.state={state}",
            f"training.batch_size={batch_size}",
            "training.num_steps=4",
            "training.init_scale=1",
            f"vocabulary.min_count={2 if in_training else 1}",
        ),
    )

    found = evaluate_file(lmctl.load(tmp_path / "model"), valid, state=state)
    assert found.oov > 0
    assert trained.valid_oov_rate == pytest.approx(found.oov_rate)
    # Training has no <unk>, so validation leaves out the cost of <unk>.
    expected = found.perplexity if in_training else found.perplexity_excluding_oov
    assert trained.valid_perplexity == pytest.approx(expected, rel=1e-4)
    assert abs(found.perplexity / found.perplexity_excluding_oov - 1.0) > 1e-3


@pytest.mark.usefixtures("eagerly")
def test_the_files_of_killed_runs_are_removed(published, tmp_path, again):
    model = tmp_path / "model"
    for place in (".unfinished-abc/finished", ".unfinished-abc/corpus", "notes"):
        (model / "work" / place).mkdir(parents=True)
        (model / "work" / place / "file").write_text("left")
    (model / "work/unfinished.json").write_text('{"lmctl":"unfinished","scratch":".unfinished-abc","files":[]}')

    again(force=True)

    # A folder that the journal does not name is not lmctl's.
    assert [path.name for path in (model / "work").iterdir()] == ["notes"]
    assert sorted(path.name for path in model.iterdir()) == [
        *("current", "generations", "lock", "request.json", "runs.jsonl", "work")
    ]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("tied", ["true", "false"])
def test_an_adaptive_softmax_is_validated_as_eval_scores_it(text, tmp_path, tied, settings):
    # 2,500 words that occur once each: more than the smallest head takes.
    rare = tmp_path / "rare.txt"
    rare.write_text("".join(f"w{number} the cat\n" for number in range(2500)))
    valid = tmp_path / "valid.txt"
    valid.write_text("the cat sat\nw7 w2400 w1200\nw2499 the\n")

    trained = train(
        [text, str(rare)],
        tmp_path / "model",
        settings(
            f"validation.file={valid}",
            "validation.state=reset",
            "model.softmax=adaptive",
            f"model.tied={tied}",
            "training.init_scale=1",
            "training.steps=30",
        ),
    )

    model = lmctl.load(tmp_path / "model")
    clusters = model.bundle.record.sizes.clusters
    assert sum(cluster.words for cluster in clusters) == len(model.vocabulary)
    assert [cluster.width for cluster in clusters] == [8, 4, 2, 1]
    found = evaluate_file(model, str(valid), state="reset")
    assert trained.valid_perplexity == pytest.approx(found.perplexity_excluding_oov, rel=1e-4)
    # Several of the targets are in the later clusters, and all words together have probability 1.
    assert max(model.vocabulary.encode(["w7", "w2400", "w1200", "w2499"])) > clusters[0].words
    assert np.exp(model.log_probs("the cat").astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-5)


def test_without_tensorflow_the_extra_is_named_and_nothing_is_made(text, tmp_path, monkeypatch, settings):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "tensorflow" else find_spec(name, *rest)
    )

    with pytest.raises(MissingExtraError, match=r"pip install 'lmctl\[train\]'"):
        train([text], tmp_path / "model", settings())

    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, InputMissingError, "corpus.txt"),
        ("", DataError, "corpus.txt: empty"),
        ("\n\n", DataError, "nothing to train on; the text has no words"),
    ],
)
def test_a_corpus_without_words_publishes_nothing(cpu, tmp_path, text, error, message, settings):
    corpus = tmp_path / "corpus.txt"
    if text is not None:
        corpus.write_text(text)

    with pytest.raises(error, match=message):
        train([str(corpus)], tmp_path / "model", settings())

    assert not (tmp_path / "model/current").exists()


RUN = """
import sys
from pathlib import Path
from lmctl.config import read_settings
from lmctl.jobs.train.run import train
print(train([sys.argv[1]], Path(sys.argv[2]), read_settings(assignments=sys.argv[3:])).published)
"""


@pytest.fixture
def run_in_another_process(text, tiny):
    """`run_in_another_process(model, *assignments)`: the bundle that a run in another process published."""

    def run(model, *assignments):
        arguments = [sys.executable, "-c", RUN, text, str(model), *tiny, *assignments]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=LONGEST_SECONDS)
        return Path(done.stdout.strip())

    return run


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(cpu, text, valid, tmp_path, settings, run_in_another_process):
    asked = (f"validation.file={valid}", "model.dropout=0.4")

    here = Path(train([text], tmp_path / "here", settings(*asked)).published)
    there = run_in_another_process(tmp_path / "there", *asked)

    for name in ("weights.safetensors", "vocabulary.tsv", "characters.tsv", "metrics.json", "config.yaml"):
        assert hashlib.sha256((here / name).read_bytes()).hexdigest() == (
            hashlib.sha256((there / name).read_bytes()).hexdigest()
        ), name


@pytest.fixture
def gpu(cpu):
    """A GPU for another process, because this process computes on the CPU."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        pytest.skip("needs a GPU")


@pytest.mark.gpu
@pytest.mark.slow
def test_a_network_trained_on_a_gpu_answers_as_it_did_there(gpu, valid, tmp_path, run_in_another_process):
    asked = (f"validation.file={valid}", "validation.state=reset")

    published = run_in_another_process(tmp_path / "model", *asked, "device.placement=gpu")

    assert json.loads((published / "model.json").read_bytes())["training"]["device"].startswith("GPU 0")
    stated = open_bundle(published).metrics()["valid"]["perplexity"]
    found = evaluate_file(lmctl.load(published), valid, state="reset")
    assert found.perplexity_excluding_oov == pytest.approx(stated, rel=1e-3)


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("dropconnect", ["0", "0.5"])
def test_a_gpu_trains_as_the_processor_does(gpu, valid, tmp_path, dropconnect, run_in_another_process):
    # keras.layers.LSTM, which uses cuDNN on a GPU, against lmctl's own loop. With DropConnect both run the loop.
    asked = (f"validation.file={valid}", "training.epochs=4", f"model.weight_dropout={dropconnect}")

    histories = [
        open_bundle(run_in_another_process(tmp_path / place, *asked, f"device.placement={place}")).history()
        for place in ("cpu", "gpu")
    ]

    for on_cpu, on_gpu in zip(*histories, strict=True):
        assert on_gpu["train_perplexity"] == pytest.approx(on_cpu["train_perplexity"], rel=1e-3)
        assert on_gpu["valid_perplexity"] == pytest.approx(on_cpu["valid_perplexity"], rel=1e-3)


@pytest.mark.gpu
@pytest.mark.slow
def test_two_runs_on_a_gpu_give_the_same_bytes(gpu, tmp_path, run_in_another_process):
    first, second = (
        run_in_another_process(
            tmp_path / name, "device.placement=gpu", "model.dropout=0.4", "validation.fraction=0"
        )
        for name in ("first", "second")
    )

    assert (first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes()
