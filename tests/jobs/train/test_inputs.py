"""The inputs of a run: its texts, its model folder and its configuration."""

from pathlib import Path

import pytest

from lmctl.config import TextConfig, config_from_yaml, read_settings
from lmctl.errors import DataError, InputMissingError, UsageError
from lmctl.jobs.prepare import prepare
from lmctl.jobs.train.run import plan, train
from lmctl.jobs.watching.events import Prepared
from lmctl.store.bundle import open_bundle


@pytest.mark.parametrize(("assignments", "jobs", "expected"), [((), 0, 0), (("device.threads=1",), 0, 1)])
def test_threads_cap_the_processes_of_preparation_too(
    text, tmp_path, monkeypatch, assignments, jobs, expected, settings
):
    seen = []

    def take_note(*_, jobs, **__):
        seen.append(jobs)
        raise DataError

    monkeypatch.setattr("lmctl.jobs.train.inputs.prepare", take_note)
    with pytest.raises(DataError):
        plan([text], tmp_path / "model", settings(*assignments), jobs=jobs)
    with pytest.raises(DataError):
        plan([text], tmp_path / "model", settings(*assignments), jobs=7)

    assert seen == [expected, 7]


@pytest.mark.parametrize("key", ["engine", "user_dictionary"])
def test_a_key_that_the_chosen_segmenter_does_not_use_is_not_in_the_published_configuration(text, tmp_path, key):
    (tmp_path / "words.txt").write_text("网易\n", encoding="utf-8")
    value = {"engine": "jieba", "user_dictionary": tmp_path / "words.txt"}[key]
    asked = read_settings(assignments=["preset=ngram", "validation.fraction=0", f"text.{key}={value}"])

    published = Path(train([text], tmp_path / "model", asked).published)

    config = config_from_yaml((published / "config.yaml").read_text(), "config.yaml")
    assert (config.text.segmenter, getattr(config.text, key)) == ("space", getattr(TextConfig(), key))
    assert train([text], tmp_path / "model", asked).outcome == "unchanged"


@pytest.mark.usefixtures("eagerly")
def test_a_prepared_folder_is_trained_on_as_it_is(text, tmp_path, settings, tiny):
    prepare([text], tmp_path / "corpus", settings("text.lowercase=true").resolve(), jobs=1)

    from_folder = train([str(tmp_path / "corpus")], tmp_path / "one", read_settings(assignments=tiny))
    from_text = train([text], tmp_path / "other", settings("text.lowercase=true"))

    one, other = (open_bundle(Path(trained.published)) for trained in (from_folder, from_text))
    assert one.record.recipe.lowercase
    for name in ("weights.safetensors", "vocabulary.tsv", "characters.tsv"):
        assert one.read(name) == other.read(name)
    assert config_from_yaml(one.read("config.yaml").decode()).text.lowercase


@pytest.mark.parametrize(
    ("assignment", "key"),
    [
        ("text.lowercase=true", "text.lowercase"),
        ("text.segmenter=space", "text.segmenter"),
        ("vocabulary.size=100", "vocabulary.size"),
        ("validation.fraction=0.1", "validation.fraction"),
    ],
)
def test_settings_that_the_prepared_corpus_decides_are_refused(text, tmp_path, assignment, key, settings):
    corpus = str(tmp_path / "corpus")
    prepare([text], tmp_path / "corpus", settings().resolve(), jobs=1)

    with pytest.raises(UsageError, match=f"{key}: .*corpus is prepared already"):
        train([corpus], tmp_path / "model", read_settings(assignments=[assignment, "device.placement=cpu"]))


@pytest.mark.usefixtures("eagerly")
def test_without_a_name_the_model_is_named_after_its_first_source(text, tmp_path, monkeypatch, settings):
    monkeypatch.chdir(tmp_path)

    trained = train([text], None, settings())
    again = train(["text.txt"], None, settings("training.seed=2"))

    assert trained.published == "models/text/generations/000001"
    assert again.published == "models/text/generations/000002"


@pytest.mark.usefixtures("eagerly")
def test_a_default_name_that_another_corpus_has_is_refused(text, tmp_path, monkeypatch, settings):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/text.md").write_text(Path(text).read_text())
    first = train([text], None, settings())

    with pytest.raises(UsageError, match=r"models/text was trained on other sources \(.*/text.txt\)"):
        train(["elsewhere/text.md"], None, settings())
    with pytest.raises(UsageError, match="was trained on other sources"):
        train([text, "elsewhere/text.md"], None, settings())

    assert (tmp_path / "models/text/current").resolve() == tmp_path / first.published
    # A corpus with a name may be replaced.
    second = train(["elsewhere/text.md"], Path("models/text"), settings())
    assert second.published == "models/text/generations/000002"


def test_standard_input_needs_a_name(settings):
    with pytest.raises(UsageError, match="needs a name: -o MODEL"):
        train(["-"], None, settings())


def test_a_plan_says_what_training_would_do_and_keeps_nothing(text, tmp_path, settings):
    asked = settings("model.embedding_dim=5", "model.tied=false")

    planned = plan([text], tmp_path / "model", asked)

    assert planned.model == tmp_path / "model"
    assert (planned.training_tokens, planned.valid_tokens) == (27, 0)
    # Embedding 11 * 5, LSTM 4 * 8 * (5 + 8 + 1), softmax 11 * (8 + 1).
    assert planned.parameters == 55 + 448 + 99
    assert planned.config.preset == "tiny"
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_preset_auto_is_chosen_by_the_number_of_training_tokens(text, tmp_path):
    planned = plan([text], tmp_path / "model", read_settings(assignments=["validation.fraction=0"]))

    assert planned.config.preset == "tiny"
    assert planned.config.model.layers == 1


def test_an_input_that_is_missing_leaves_no_folder_behind(tmp_path):
    with pytest.raises(InputMissingError, match="no such file"):
        train([str(tmp_path / "typo.txt")], tmp_path / "model", read_settings([], [], {}))

    assert not (tmp_path / "model").exists()


def test_a_prepared_corpus_brings_the_settings_it_was_prepared_with(tmp_path):
    (tmp_path / "text.txt").write_text("a b c d e\n" * 9)
    settings = read_settings([], ["vocabulary.size=4", "validation.fraction=0"], {})
    prepare([str(tmp_path / "text.txt")], tmp_path / "prepared", settings.resolve())

    planned = plan([str(tmp_path / "prepared")], tmp_path / "model", read_settings([], [], {}))

    assert (planned.config.vocabulary.size, planned.config.validation.fraction) == (4, 0)
    assert planned.config.text.segmenter == "space"


def test_a_source_without_a_name_of_its_own_needs_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="needs a name: -o MODEL"):
        plan(["/dev/null"], None, read_settings([], [], {}))


def test_a_prepared_folder_may_be_prepared_again_while_it_is_trained_on(text, valid, tmp_path):
    asked = read_settings(assignments=[f"validation.file={valid}"]).resolve()
    corpus = prepare([text], tmp_path / "corpus", asked, jobs=1)
    held_out = corpus.valid_text.read_text()
    Path(text).write_text("another text\n" * 20)

    def prepare_again(event):
        if isinstance(event, Prepared) and corpus.valid_text.exists():
            Path(valid).write_text("another text\n")
            prepare([text], tmp_path / "corpus", asked, jobs=1)

    ngram = read_settings(assignments=["preset=ngram"])
    published = train([str(tmp_path / "corpus")], tmp_path / "model", ngram, on_event=prepare_again).published

    assert not corpus.valid_text.exists()
    bundle = open_bundle(Path(published))
    assert bundle.record.corpus.train == corpus.record.train
    assert bundle.kept_text().read_text() == held_out
