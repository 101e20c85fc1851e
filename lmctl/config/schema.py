"""The configuration keys that all families share: type, range, default and description, each written once.

Each family declares the keys of the section `model`, apart from `family`, in its `config_type`. Error messages,
`configs/reference.yaml`, `configs/schema.json`, `docs/configuration.md` and the help of flags are generated from
these structs and the structs of the families. To add a key, add a field. To add a section, add a struct and a
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

FilePath = Annotated[
    str, Meta(min_length=1, extra={"expected": "the path or address of a file", "metavar": "FILE"})
]


class TextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How raw text becomes tokens."""

    segmenter: Annotated[
        Literal["auto", "space", "words", "jieba", "char", "sentencepiece"],
        Meta(
            description="How a line is cut into tokens: space: at white space; words: into words and punctuation "
            "marks, Chinese by jieba; jieba: by jieba's Chinese segmentation; char: into characters; "
            "sentencepiece: into pieces of words; auto: one of the first three that suits samples of all inputs."
        ),
    ] = "auto"
    subwords: Annotated[
        Annotated[int, Meta(ge=8, le=1_000_000)],
        Meta(
            description="Number of pieces of words that the segmenter sentencepiece learns from the training "
            "text; fewer if the text does not have as many.",
        ),
    ] = 8000
    subword_algorithm: Annotated[
        Literal["unigram", "bpe"],
        Meta(
            description="How sentencepiece learns pieces: unigram: the most probable pieces of a language model; "
            "bpe: frequent pairs are joined.",
        ),
    ] = "unigram"
    model_file: Annotated[
        FilePath | None,
        Meta(
            description="SentencePiece model that cuts the text (segmenter sentencepiece); null trains one with "
            "text.subwords pieces.",
        ),
    ] = None
    engine: Annotated[
        Literal["rjieba", "jieba"],
        Meta(
            description="Implementation of jieba: rjieba: in Rust, fast; jieba: in Python; needs lmctl[jieba].",
        ),
    ] = "rjieba"
    normalize: Annotated[
        Literal["nfc", "nfkc", "none"],
        Meta(
            description="Unicode normalization form: nfc; nfkc, which also folds full-width and other "
            "compatibility characters; none, which leaves the characters as they are.",
        ),
    ] = "nfc"
    lowercase: Annotated[
        bool,
        Meta(
            description="Whether text is lower-cased. Set it if The and the are to be one word; the vocabulary is "
            "then smaller.",
        ),
    ] = False
    stop_words: Annotated[
        FilePath | None,
        Meta(
            description="File of words that are left out of the text, one word a line; null leaves out none.",
        ),
    ] = None
    user_dictionary: Annotated[
        FilePath | None,
        Meta(
            description="File of words in jieba's format, which the segmenters words and jieba find beside those "
            "of jieba's own dictionary; null adds none.",
        ),
    ] = None
    line: Annotated[
        Literal["sentence", "paragraph"],
        Meta(
            description="What a line of a text is: sentence: one sentence; paragraph: several, which are found by "
            "their punctuation."
        ),
    ] = "sentence"
    field: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="Field that has the text in JSON Lines, as a dotted path such as message.text; null reads "
            "no JSON Lines.",
            extra={"expected": "the name of a field", "metavar": "FIELD"},
        ),
    ] = None
    column: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="Column that has the text in CSV and TSV files: its name in the header, or, if there is "
            "no header, its number from 1; null reads no tables.",
            extra={"expected": "the name or the number of a column", "metavar": "COLUMN"},
        ),
    ] = None
    blank_lines: Annotated[
        Literal["drop", "keep"],
        Meta(
            description="Whether a blank line is left out (drop), or kept as an empty sentence (keep).",
        ),
    ] = "drop"
    sentence_tags: Annotated[
        Literal["keep", "strip"],
        Meta(
            description="What happens to <s> at the start of a line and </s> at its end, which texts for other "
            "toolkits have: keep: they are read as unknown words; strip: they are left out."
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
            description="What happens to bytes that are invalid in the encoding: strict: the command stops "
            "with an error; replace: U+FFFD takes their place; skip: they are left out."
        ),
    ] = "strict"


class VocabularyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The words of the model's vocabulary."""

    size: Annotated[
        Annotated[int, Meta(ge=3)] | None,
        Meta(
            description="Largest vocabulary, <unk> and </s> included; rarer words become <unk>; null sets no "
            "limit.",
        ),
    ] = 50_000
    min_count: Annotated[
        int,
        Meta(
            ge=1,
            description="Smallest number of occurrences in the training text; rarer words become <unk>.",
        ),
    ] = 1
    file: Annotated[
        FilePath | None,
        Meta(
            description="File with the vocabulary, one word a line, in place of size and min_count; null takes "
            "the words of the training text.",
        ),
    ] = None


class ValidationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The validation text, on which the progress of training is measured."""

    file: Annotated[
        FilePath | None,
        Meta(
            description="Text to validate on; null holds out a share of the training text.",
        ),
    ] = None
    fraction: Annotated[
        float,
        Meta(
            ge=0,
            le=0.5,
            description="Share of the lines that is held out for validation, chosen by a hash of the line; 0 "
            "holds none out. Without validation text there is no early stopping.",
        ),
    ] = 0.05
    state: Annotated[
        Literal["carry", "reset"],
        Meta(
            description="State at the start of each validation line: carry: the state after the line before, "
            "as in running text; reset: the state at the start of a sentence, for lines that do not belong "
            "together."
        ),
    ] = "carry"


class DeviceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The device that training runs on."""

    placement: Annotated[
        str,
        Meta(
            pattern=r"^(auto|cpu|gpus|gpu(:[0-9]+)?)$",
            description="Device to train on: auto: a GPU if there is one, else the CPU; cpu: the CPU; gpu: a "
            "GPU, or an error if there is none; gpu:N: the GPU with number N, from 0; gpus: all GPUs, each with "
            "a part of every batch.",
            extra={"expected": "auto, cpu, gpu, gpu:N or gpus", "metavar": "auto|cpu|gpu|gpu:N|gpus"},
        ),
    ] = "auto"
    threads: Annotated[
        int,
        Meta(
            ge=0,
            description="Number of CPU threads, and of processes for preparation and counting unless --jobs is "
            "given; 0 takes one for each core that this process may use.",
        ),
    ] = 0
    precision: Annotated[
        Literal["auto", "float32", "mixed_bfloat16"],
        Meta(
            description="Number format of the factors of large matrix products: float32; mixed_bfloat16: rounded "
            "to bfloat16, with weights and sums in float32; auto: mixed_bfloat16 for a network of at least "
            "1,000,000 weights on a processor that has instructions for it (AMX), else float32.",
        ),
    ] = "auto"
    timeout: Annotated[
        str,
        Meta(
            pattern=TIME_PATTERN,
            extra=TIME,
            description="Longest wait for another worker, if several hosts train together (--workers): for its "
            "start, and before each step. Then the training ends, and can be continued.",
        ),
    ] = "5m"


class PublishingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a trained model is checked and published, and how often a run saves a checkpoint."""

    keep: Annotated[
        int,
        Meta(
            ge=1,
            description="Number of generations of the model that are kept, the current one included. Older ones "
            "are deleted after a new one is published.",
        ),
    ] = 3
    gate: Annotated[
        bool,
        Meta(
            description="Whether a new model is refused if it is worse than the published one on the "
            "validation text, in bits per character, or if its text has shrunk."
        ),
    ] = True
    gate_tolerance: Annotated[
        float,
        Meta(
            ge=0,
            description="Share by which the new model may be worse on the validation text of its corpus: 0.01 "
            "is one percent. If its corpus has none, the validation text that the published generation keeps is "
            "used.",
        ),
    ] = 0.01
    drift_tolerance: Annotated[
        float,
        Meta(
            ge=0,
            description="Share by which the new model may be worse on the validation text that the published "
            "generation keeps, if its corpus has validation text of its own. Raise it if the subject of the "
            "text changes from run to run.",
        ),
    ] = 0.2
    shrink_tolerance: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share by which the text may be smaller than the text of the published generation. To "
            "train on a text that is smaller still, give --force.",
        ),
    ] = 0.2
    checkpoint_every: Annotated[
        str,
        Meta(
            pattern=TIME_PATTERN,
            description="Time between two checkpoints. An interrupted run continues from the last one. There "
            "is also one after each epoch.",
            extra=TIME,
        ),
    ] = "5m"


# The family of a configuration that names neither a family nor a preset.
DEFAULT_FAMILY = "lstm"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole configuration, every key with its value.

    `model` is a struct that one family declares (`Family.config_type`). `family` returns that family.
    """

    # One of `lmctl.config.presets.names()`.
    preset: Annotated[
        str,
        Meta(
            description="Named set of values, which replace the defaults; auto chooses a preset of "
            "model.family by the number of training tokens and the time limit. Each preset belongs to one "
            "family."
        ),
    ] = "auto"
    text: TextConfig = TextConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    model: Annotated[
        Any,
        Meta(
            description="The family of the model, and its shape.",
        ),
    ] = msgspec.field(default_factory=lambda: config_of(families.find(DEFAULT_FAMILY)))
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    device: DeviceConfig = DeviceConfig()
    publishing: PublishingConfig = PublishingConfig()

    @property
    def family(self) -> Family:
        """The family whose keys `model` holds."""
        return families.find(type(self.model).__struct_config__.tag)


def config_of(family: Family, **values: Any) -> Any:
    """Return the keys of a family with the given values, and the defaults of all other keys.

    Raises:
        TypeError: a configuration cannot ask for models of this family.
    """
    config_type = family.config_type
    if config_type is None:
        raise TypeError(f"no configuration can ask for family {family.name}")
    return config_type(**values)
