import pytest

from lmctl import families
from lmctl.config import read_settings
from lmctl.config.presets import PRESET_DIRECTORY, choose_preset
from lmctl.config.spaces import SPACES, Dimension, built_in_space, read_space
from lmctl.errors import InputMissingError, UsageError

SIZES = (1_000, 400_000, 5_000_000, 50_000_000)
TUNABLE = [family for family in families.configurable().values() if family.name in families.BUILT_IN]


def refusal(path, *assignments):
    with pytest.raises(UsageError) as caught:
        read_space(path, read_settings(assignments=assignments))
    return str(caught.value).removeprefix(f"{path}: ")


def test_ranges_are_dimensions_and_plain_values_are_settings(write):
    path = write(
        "preset: small\n"
        "model:\n"
        "  layers: {choices: [1, 2]}\n"
        "  dropout: {min: 0.1, max: 0.5}\n"
        "  hidden_units: {min: 100, max: 450, step: 100}\n"
        "  embedding_dim: 64\n"
        "training:\n"
        "  learning_rate: {min: 0.001, max: 1e-2, log: true}\n"
    )

    space, settings = read_space(path, read_settings(assignments=["model.embedding_dim=32", "training.epochs=2"]))

    assert space.name == path
    assert space.dimensions == (
        Dimension(path="model.dropout", kind="number", low=0.1, high=0.5),
        # Whole steps from 100 reach 400.
        Dimension(path="model.hidden_units", kind="whole", low=100, high=400, step=100),
        Dimension(path="model.layers", kind="choice", choices=(1, 2)),
        Dimension(path="training.learning_rate", kind="number", low=0.001, high=0.01, log=True),
    )
    assert settings.explicit == {"preset": "small", "model.embedding_dim": 32, "training.epochs": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {droput: {min: 0, max: 1}}", "model.droput: unknown key; did you mean model.dropout?"),
        ("modle: {dropout: {min: 0, max: 0.5}}", "modle.dropout: unknown key; did you mean model.dropout?"),
        (
            "model: {dropout: {min: 0.1, max: 1.5}}",
            "max of model.dropout: expected a number of at least 0 and below 1, got 1.5",
        ),
        (
            "model: {layers: {min: 0, max: 3}}",
            "min of model.layers: expected a whole number of at least 1 and at most 8, got 0",
        ),
        (
            "model: {layers: {min: 1.5, max: 3}}",
            "min of model.layers: expected a whole number of at least 1 and at most 8, got 1.5",
        ),
        (
            "model: {layers: {choices: [1, 9]}}",
            "choices of model.layers: expected a whole number of at least 1 and at most 8, got 9",
        ),
        ("model: {dropout: {min: 0.5, max: 0.1}}", "model.dropout: expected a min below max, got 0.5 and 0.1"),
        ("model: {dropout: {min: 0.5, max: 0.5}}", "model.dropout: expected a min below max, got 0.5 and 0.5"),
        ("model: {dropout: {mn: 0.5, max: 0.6}}", "model.dropout: 'mn': unknown; did you mean min?"),
        (
            "model: {dropout: {between: 1}}",
            "model.dropout: 'between': unknown; expected min and max, with log or step if needed, or choices",
        ),
        (
            "model: {dropout: {min: 0.5}}",
            "model.dropout: expected min and max, with log or step if needed, or choices; got min",
        ),
        (
            "model: {dropout: {}}",
            "model.dropout: expected min and max, with log or step if needed, or choices; got nothing",
        ),
        (
            "model: {dropout: {min: 0, max: 0.5, log: true}}",
            "model.dropout: expected a min above 0 with log: true, got 0.0",
        ),
        ("model: {dropout: {min: 0.1, max: 0.5, log: 1}}", "model.dropout: log: expected true or false, got 1"),
        (
            "model: {layers: {min: 1, max: 4, log: true, step: 1}}",
            "model.layers: log and step exclude each other; leave one out",
        ),
        (
            "model: {layers: {min: 1, max: 4, step: 0.5}}",
            "model.layers: step: expected a whole number above 0 and at most max - min, got 0.5",
        ),
        (
            "model: {dropout: {min: 0.1, max: 0.4, step: 0.5}}",
            "model.dropout: step: expected a number above 0 and at most max - min, got 0.5",
        ),
        (
            "model: {dropout: {min: 0.1, max: 0.4, step: 1.0e-300}}",
            (
                "model.dropout: step: expected at most 1,000,000 steps from min to max, got 1.0e-300; "
                "leave it out, or make it larger"
            ),
        ),
        (
            "model: {layers: {choices: [1, 2], max: 3}}",
            "model.layers: choices exclude max; leave one of the two out",
        ),
        ("model: {layers: {choices: 3}}", "model.layers: choices: expected a list of two values or more, got 3"),
        (
            "model: {layers: {choices: [1]}}",
            "model.layers: choices: expected a list of two values or more, got a list",
        ),
        ("model: {layers: {choices: [1, 2, 1]}}", "model.layers: choices: 1 is given twice"),
        (
            "model: {tied: {min: 0, max: 1}}",
            "model.tied: takes no numbers between two ends; expected choices: [...]",
        ),
        (
            "model: {family: {choices: [lstm, ngram]}}",
            "model.family: cannot be tuned: a study tunes models of one family; set it",
        ),
        (
            "training: {seed: {min: 1, max: 9}}",
            "training.seed: cannot be tuned: the best of several seeds is luck; set it",
        ),
        (
            "vocabulary: {size: {min: 1000, max: 9000}}",
            "vocabulary.size: cannot be tuned: only keys of model and training can",
        ),
        (
            "model: {order: {min: 2, max: 5}}",
            "model.order: is a key of families feedforward and ngram, but model.family is lstm; leave it out",
        ),
        ("model: {layers: 2}", "expected a range such as model.dropout: {min: 0.1, max: 0.5}, got none"),
        ("", "expected a range such as model.dropout: {min: 0.1, max: 0.5}, got none"),
        ("- 1", "expected sections such as training:, got a list"),
    ],
)
def test_a_bad_space_is_refused_in_one_line(write, text, message):
    assert refusal(write(text)) == message


def test_a_key_cannot_be_tuned_and_set(write):
    path = write("model: {layers: {choices: [1, 2]}}")
    assert refusal(path, "model.layers=2") == ("model.layers: cannot be tuned and also be set to 2; leave one out")


def test_a_missing_space(tmp_path):
    with pytest.raises(InputMissingError):
        read_space(str(tmp_path / "none.yaml"), read_settings())


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (Dimension(path="a", kind="whole", low=100, high=400, step=100), (100, 300), (50, 150, 500, "100", True)),
        (Dimension(path="a", kind="number", low=0.1, high=0.5), (0.1, 0.33, 0.5), (0.05, 0.51, None)),
        (Dimension(path="a", kind="number", low=0.1, high=0.5, step=0.1), (0.1, 0.3, 0.5), (0.25,)),
        (Dimension(path="a", kind="choice", choices=(1, None, "x")), (1, None, "x"), (2, True, 1.0)),
    ],
)
def test_which_values_a_dimension_contains(dimension, inside, outside):
    assert all(map(dimension.contains, inside))
    assert not any(map(dimension.contains, outside))


@pytest.mark.parametrize("tokens", SIZES)
@pytest.mark.parametrize("family", TUNABLE, ids=lambda family: family.name)
def test_a_built_in_space_contains_the_preset_of_its_size(family, tokens):
    settings = read_settings(assignments=[f"model.family={family.name}"])
    config = settings.resolve(tokens)

    space = built_in_space(settings, tokens)

    assert space.name == choose_preset(family, tokens)
    for dimension in space.dimensions:
        section, _, name = dimension.path.partition(".")
        value = getattr(getattr(config, section), name)
        # The length of the longest n-grams follows from the size of the text if it is not set.
        assert dimension.contains(value) or value is None, (dimension, value)


def test_each_built_in_space_belongs_to_an_automatic_preset():
    automatic = {name for family in TUNABLE for name in family.automatic_presets}
    assert {path.stem for path in (PRESET_DIRECTORY / SPACES).glob("*.yaml")} == automatic


def test_a_key_that_is_set_is_not_tuned():
    space = built_in_space(read_settings(assignments=["model.dropout=0.3"]), 1_000)
    paths = [dimension.path for dimension in space.dimensions]
    assert "model.dropout" not in paths
    assert "model.hidden_units" in paths


def test_nothing_is_left_to_tune():
    settings = read_settings(assignments=["model.family=ngram", "model.order=3", "model.pruning='0'"])
    with pytest.raises(
        UsageError, match=r"nothing is left to tune: the settings fix model.order and model.pruning"
    ):
        built_in_space(settings, 1_000)


def test_the_preset_that_is_named_chooses_the_space():
    assert built_in_space(read_settings(assignments=["preset=small"]), 1_000).name == "small"
    # zh has no space of its own.
    assert built_in_space(read_settings(assignments=["preset=zh"]), 1_000).name == "tiny"


def test_a_plain_value_that_the_family_refuses_is_refused_with_the_name_of_the_space_file(write):
    path = write("model: {layers: 100}\ntraining: {learning_rate: {min: 0.001, max: 0.01}}")

    _, settings = read_space(path, read_settings())

    with pytest.raises(UsageError, match=r"^x\.yaml: model\.layers: expected .* and at most 8, got 100$"):
        settings.resolve()


def test_the_name_of_a_space_can_be_stored_whatever_bytes_the_name_of_its_file_has(write):
    space, _ = read_space(write("model: {dropout: {min: 0.1, max: 0.5}}", "\udcff.yaml"), read_settings())

    assert space.name == r"\xff.yaml"
