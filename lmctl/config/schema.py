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
from lmctl.config.training_keys import TIME, TIME_PATTERN, TrainingConfig

if TYPE_CHECKING:
    from lmctl.families.family import Family

FilePath = Annotated[str, Meta(min_length=1, extra={"expected": "the path of a file", "metavar": "FILE"})]


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
