"""The configuration keys that all families share: type, range, default and description, each written once.

What stands in the section `model` beside `family` is declared by each family, as its `config_type`. Error
messages, `configs/reference.yaml`, `configs/schema.json`, `docs/configuration.md` and the help of flags are all
made from these structs and those of the families. To add a key, add a field; to add a section, add a struct and a
field of `Config`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lmctl import families

if TYPE_CHECKING:
    from lmctl.families.family import Family

FilePath = Annotated[str, Meta(min_length=1, extra={"expected": "the path of a file", "metavar": "FILE"})]

# What every consumer (a NumPy or TensorFlow int32, an array index) can hold; more is a slip of the finger.
LARGEST_WHOLE_NUMBER = 2**31 - 1

# A number and its unit: seconds, minutes, hours or days.
TIME_PATTERN = r"^([0-9]{1,9}|[0-9]{0,9}\.[0-9]{1,9})(s|m|h|d)$"
TIME = {"expected": "a time such as 90s, 50m, 1.5h or 2d", "metavar": "TIME"}


class TextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How raw text becomes tokens."""

    segmenter: Annotated[
        Literal["auto", "space", "jieba", "char"],
        Meta(
            description="How a line is cut into tokens: at white space, by jieba's Chinese segmentation, or into "
            "characters; auto looks at places of all inputs and takes jieba if they are Chinese that has not been "
            "cut into words yet, else space."
        ),
    ] = "auto"
    engine: Annotated[
        Literal["rjieba", "jieba"],
        Meta(description="Which implementation of jieba segments: rjieba (Rust, fast) or jieba (Python)."),
    ] = "rjieba"
    normalize: Annotated[
        Literal["nfc", "nfkc", "none"],
        Meta(description="Unicode normalization form; nfkc also folds full-width and other compatibility forms."),
    ] = "nfc"
    lowercase: Annotated[bool, Meta(description="Whether text is lower-cased.")] = False
    stop_words: Annotated[
        FilePath | None,
        Meta(description="File of words to leave out of the text, one a line; null leaves all in."),
    ] = None
    user_dictionary: Annotated[
        FilePath | None, Meta(description="Dictionary in jieba's format, added to jieba's own; null adds none.")
    ] = None
    blank_lines: Annotated[
        Literal["drop", "keep"],
        Meta(description="Whether a blank line is left out, or kept as an empty sentence."),
    ] = "drop"
    sentence_tags: Annotated[
        Literal["keep", "strip"],
        Meta(
            description="Whether <s> at the start of a line and </s> at its end, as other toolkits' texts have "
            "them, are read as unknown words or left out."
        ),
    ] = "keep"
    encoding: Annotated[
        str,
        Meta(
            min_length=1,
            description="Character encoding of the text files.",
            extra={"expected": "the name of a text encoding, such as utf-8 or gb18030", "metavar": "NAME"},
        ),
    ] = "utf-8"
    errors: Annotated[
        Literal["strict", "replace", "skip"],
        Meta(
            description="What to do with bytes that are not text in that encoding: stop, put U+FFFD in their "
            "place, or leave them out."
        ),
    ] = "strict"


class VocabularyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which words the model knows."""

    size: Annotated[
        Annotated[int, Meta(ge=3)] | None,
        Meta(description="Most words kept, <unk> and </s> included; the rest become <unk>. null sets no limit."),
    ] = 50_000
    min_count: Annotated[
        int, Meta(ge=1, description="Words that occur less often than this in the training text become <unk>.")
    ] = 1
    file: Annotated[
        FilePath | None,
        Meta(description="Fixed word list, one word a line, in place of size and min_count; null counts words."),
    ] = None


class TrainingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the network is trained."""

    batch_size: Annotated[int, Meta(ge=1, description="Streams of text trained on side by side.")] = 32
    num_steps: Annotated[
        int, Meta(ge=1, description="Tokens of each stream in one step: the length of truncated backpropagation.")
    ] = 35
    epochs: Annotated[int, Meta(ge=1, description="Most passes over the training text.")] = 20
    steps: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Updates to train for, and to plan the schedule for, in place of epochs; null: epochs."),
    ] = None
    time_limit: Annotated[
        Annotated[str, Meta(pattern=TIME_PATTERN, extra=TIME)] | None,
        Meta(
            description="Time that the whole run may take. The schedule is planned for as many steps as fit, but "
            "for no more than epochs has; null sets no limit.",
        ),
    ] = None
    optimizer: Annotated[
        Literal["sgd", "adam", "adagrad", "rmsprop"], Meta(description="Rule that turns gradients into updates.")
    ] = "adam"
    learning_rate: Annotated[
        float,
        Meta(gt=0, description="Size of an update, before the schedule; the right one differs by optimizer."),
    ] = 0.003
    weight_decay: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Share of every weight matrix taken away at each update, times the learning rate; of an "
            "untied embedding, only from the rows that a step reads.",
        ),
    ] = 0.0
    average_decay: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="The model is a running average of the weights, of which this share stays after each step "
            "(0.999: about the last 1,000 steps); 0 takes the last weights.",
        ),
    ] = 0.0
    schedule: Annotated[
        Literal["constant", "plateau", "linear", "cosine"],
        Meta(
            description="How the learning rate changes: not at all; divided by decay_factor when validation "
            "perplexity does not improve; or along a line or a half cosine down to zero over the planned steps."
        ),
    ] = "linear"
    warmup_steps: Annotated[
        int,
        Meta(
            ge=0,
            description="Steps over which the learning rate rises from 0 at the start; at most a quarter of those "
            "that are planned.",
        ),
    ] = 200
    decay_factor: Annotated[
        float, Meta(gt=1, description="What schedule plateau divides the learning rate by.")
    ] = 4.0
    clip_norm: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Largest global norm of the gradient, which is scaled down to it; null does not clip."),
    ] = 1.0
    patience: Annotated[
        int, Meta(ge=1, description="Epochs without a better validation perplexity before training stops.")
    ] = 5
    reset_probability: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Probability that a stream restarts a segment from the state a query starts from, so that "
            "the network knows this state.",
        ),
    ] = 0.05
    init_from: Annotated[
        Annotated[
            str,
            Meta(
                min_length=1, extra={"expected": "current, or the folder of a model", "metavar": "current|MODEL"}
            ),
        ]
        | None,
        Meta(
            description="Model whose weights training starts from: current is the published generation of the "
            "model that is trained, if there is one; else a model's folder, MODEL@6 or a bundle. Sizes of the "
            "network that are not set are that model's. null starts from random weights."
        ),
    ] = None
    baseline: Annotated[
        bool,
        Meta(
            description="Whether an n-gram model is estimated beside the network, and stands beside it in the "
            "report, as does their mixture. It takes seconds, and needs validation text to be compared on."
        ),
    ] = True
    with_ngram: Annotated[
        bool,
        Meta(
            description="Whether the mixture of the network and that n-gram model is published in place of the "
            "network, if it is the better one on the validation text."
        ),
    ] = False
    grow_vocabulary: Annotated[
        bool,
        Meta(
            description="With init_from: whether words that the old model does not know may enter the vocabulary, "
            "or only its own words are chosen from. A prepared folder has its own vocabulary."
        ),
    ] = False
    gone_words: Annotated[
        Literal["drop", "keep"],
        Meta(
            description="With init_from: what becomes of the old model's words that the text has too seldom to be "
            "chosen: they leave the vocabulary, or keep their places ahead of new words."
        ),
    ] = "drop"
    init_scale: Annotated[
        float, Meta(gt=0, description="Embeddings start uniformly between minus this and this.")
    ] = 0.1
    seed: Annotated[
        int,
        Meta(
            ge=0,
            le=LARGEST_WHOLE_NUMBER,
            description="Seed of every random choice; the same seed, text and settings give the same model.",
        ),
    ] = 1


class ValidationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What progress is measured on."""

    file: Annotated[
        FilePath | None, Meta(description="Text to validate on; null holds out a fraction of the corpus.")
    ] = None
    fraction: Annotated[
        float,
        Meta(ge=0, le=0.5, description="Share of lines held out, chosen by a hash of the line; 0 holds none out."),
    ] = 0.05
    state: Annotated[
        Literal["carry", "reset"],
        Meta(
            description="Whether validation carries the recurrent state from line to line, or resets it at "
            "each line."
        ),
    ] = "carry"


class DeviceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where training runs."""

    placement: Annotated[
        str,
        Meta(
            pattern=r"^(auto|cpu|gpus|gpu(:[0-9]+)?)$",
            description="Device to train on: auto takes a GPU if there is one; gpu fails if there is none; "
            "gpu:N is the GPU of that number, from 0; gpus shares every batch among all GPUs.",
            extra={"expected": "auto, cpu, gpu, gpu:N or gpus", "metavar": "auto|cpu|gpu|gpu:N|gpus"},
        ),
    ] = "auto"
    threads: Annotated[
        int,
        Meta(
            ge=0,
            description="CPU threads to use, and processes of preparation if --jobs does not say how many; 0 is "
            "as many as there are cores this process may use.",
        ),
    ] = 0
    precision: Annotated[
        Literal["float32", "mixed_bfloat16"],
        Meta(description="Number format of the computation; mixed_bfloat16 keeps the weights in float32."),
    ] = "float32"


class PublishingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What becomes of a trained model."""

    keep: Annotated[int, Meta(ge=1, description="Generations of the model kept, the current one included.")] = 3
    gate: Annotated[
        bool,
        Meta(
            description="Whether a new model takes the place of the published one only if it is not worse, by "
            "bits per character of the validation text, and if its text has not shrunk."
        ),
    ] = True
    gate_tolerance: Annotated[
        float,
        Meta(
            ge=0,
            description="Share by which the new model may be worse on the validation text of its corpus, or, if "
            "there is none, on the one that the published generation keeps: 0.01 is one percent.",
        ),
    ] = 0.01
    drift_tolerance: Annotated[
        float,
        Meta(
            ge=0,
            description="Share by which the new model may be worse on the validation text that the published "
            "generation keeps, if its corpus has validation text of its own.",
        ),
    ] = 0.2
    shrink_tolerance: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share by which the text may be smaller than that of the published generation; a smaller "
            "one needs --force.",
        ),
    ] = 0.2
    checkpoint_every: Annotated[
        str,
        Meta(
            pattern=TIME_PATTERN,
            description="Time between two checkpoints, from which an interrupted run continues; there is one "
            "after each epoch, too.",
            extra=TIME,
        ),
    ] = "5m"


# What a configuration means that names neither a family nor a preset of one.
DEFAULT_FAMILY = "lstm"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole configuration, every key with its value.

    `model` is the struct of a family, which `family` finds; see `Family.config_type`.
    """

    # One of `lmctl.config.presets.names()`.
    preset: Annotated[
        str,
        Meta(
            description="Named set of values that take the place of the defaults, each one of a family; auto "
            "chooses among those of model.family, by the number of training tokens."
        ),
    ] = "auto"
    text: TextConfig = TextConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    model: Annotated[Any, Meta(description="The kind of model, and its shape.")] = msgspec.field(
        default_factory=lambda: config_of(families.find(DEFAULT_FAMILY))
    )
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    device: DeviceConfig = DeviceConfig()
    publishing: PublishingConfig = PublishingConfig()

    @property
    def family(self) -> Family:
        """The family of models that `model` is about."""
        return families.find(type(self.model).__struct_config__.tag)


def config_of(family: Family, **values: Any) -> Any:
    """The keys of a family that a configuration can ask for, with these values and its defaults."""
    config_type = family.config_type
    if config_type is None:
        raise TypeError(f"no configuration can ask for family {family.name}")
    return config_type(**values)
