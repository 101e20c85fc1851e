"""Messages about a wrong command line: what came, what was expected, and what to do, in one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from lmctl.errors import joined

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# An option of lmctl -> options of other programs with the same meaning; it is suggested if the command has it.
OTHER_NAMES = {
    "-k": "--top-k --topk --n --num --count -n",
    "-f": "--input-file --contexts --prompts",
    "-m": "--name --bundle --checkpoint --load",
    "-o": "--out --out-dir --output-dir --output-file --dest --save --save-dir --save-to --dir --model "
    "--model-dir -m -d",
    "--beam": "--beams --num-beams --beam-size --beam-width",
    "--batch-size": "--bs --batch --batchsize",
    "--config": "--conf --yaml --configuration",
    "--device": "--gpu --cpu --cuda --use-gpu",
    "--embedding-dim": "--dim --emb --emb-dim --emb-size --embed --embed-dim --embed-size --embedding "
    "--embedding-size --emsize --word-dim",
    "--epochs": "--epoch --num-epochs --max-epochs --n-epochs --iterations --iter",
    "--errors": "--ignore-errors --on-error",
    "--force": "--overwrite --retrain",
    "--format": "--output-format --fmt --tsv --csv --plain --jsonl --table",
    "--hidden-units": "--lstm-units --units --hidden --hidden-size --hidden-dim --nhid --rnn-size --lstm-size",
    "--init-from": "--pretrained --from --warm-start --finetune --init",
    "--jobs": "--workers --num-workers --processes --threads -j",
    "--layers": "--num-layers --nlayers --n-layers --lstm-layers --depth",
    "--learning-rate": "--lr --eta --rate",
    "--log-json": "--log --log-file --logfile",
    "--lowercase": "--lower --lower-case --uncased",
    "--min-count": "--min-freq --mincount --cutoff",
    "--no-gate": "--skip-gate",
    "--no-repeat-ngram": "--no-repeat-ngram-size --no-repeat-ngrams --block-ngram",
    "--samples": "--num-samples --n-samples --num-return-sequences",
    "--segmenter": "--tokenizer --tokenize --segment --cut",
    "--seed": "--random-seed --random-state",
    "--stop": "--stop-sequence --stop-string --stop-strings --until",
    "--stop-words": "--stopwords",
    "--temperature": "--temp -t",
    "--threshold": "--min-prob --cutoff",
    "--time-limit": "--timeout --max-time --time --limit",
    "--top-k": "--topk",
    "--top-p": "--topp --nucleus",
    "--subwords": "--bpe --sentencepiece --vocab-pieces",
    "--user-dict": "--userdict --dict --dictionary",
    "--valid": "--validation --valid-file --dev --dev-file --val --validation-file --eval",
    "--valid-fraction": "--split --val-split --valid-split --validation-split --holdout",
    "--vocab-size": "--vocabulary-size --max-vocab --vocabulary --vocabsize --max-words",
    "--words": "--max-words --max-tokens --max-new-tokens --max-length --length",
}
# Options of other programs for what an argument of lmctl names.
INPUTS = "--input --inputs --data --corpus --file --files --text --texts --train --train-file -f -i"
COMMANDS = {
    "train": "fit learn run",
    "predict": "infer inference next complete query suggest",
    "generate": "sample write continue",
    "eval": "evaluate test score ppl perplexity",
    "prepare": "preprocess tokenize segment cut encode",
    "info": "show describe inspect status",
    "models": "list ls",
    "verify": "check validate",
    "mix": "interpolate ensemble combine",
    "rollback": "revert undo",
    "export": "convert dump save",
    "import": "load",
}
# What each argument takes, for the message that it is missing.
ARGUMENTS = {
    "CORPUS": "text files, - for standard input, or one folder that lmctl prepare wrote",
    "INPUT": "text files, or - for standard input",
    "FILE": "an ARPA file or - for standard input, a trie of KenLM, or a network of Keras or PyTorch",
    "MODEL": "folders of models",
}


def describe(error: click.ClickException) -> str:
    """Return the message of a usage error, in one line."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption):
        return _unknown_option(error, context)
    if isinstance(error, click.exceptions.NoSuchCommand):
        return _unknown_command(error.command_name)
    if isinstance(error, click.MissingParameter):
        return _seen_help(_missing(error.param), context)
    if isinstance(error, click.BadParameter):
        name = error.param_hint if isinstance(error.param_hint, str) else _name(error.param)
        message = _expected(error)
        return f"{name}: {message}" if name else message
    message = error.format_message().rstrip(".")
    if isinstance(error, click.BadOptionUsage):
        if "does not take a value" in message:
            return f"{error.option_name}: takes no value"
        return f"{error.option_name}: a value is missing"
    if message.startswith("Got unexpected extra argument"):
        extra = re.sub(r"^.*?\(|\)$", "", message)
        return _seen_help(f"unexpected argument {_shown(extra)}", context)
    return message


def _seen_help(message: str, context: click.Context | None) -> str:
    return f"{message}; see {context.command_path if context else 'lmctl'} --help"


def _name(parameter: click.Parameter | None) -> str:
    """Return the name of an option or an argument in messages: -k, --threshold, MODEL."""
    if parameter is None:
        return ""
    if isinstance(parameter, click.Option):
        return parameter.opts[0]
    return _plain(parameter.metavar or parameter.name or "")


def _plain(metavar: str) -> str:
    """[FILE|-]... -> FILE."""
    return metavar.strip("[].").split("|")[0].split(" ")[0].strip("[].")


def _purpose(parameter: click.Parameter | None) -> str:
    """Return the beginning of an option's help in brackets, up to the first full stop, semicolon or colon."""
    if not isinstance(parameter, click.Option) or not parameter.help:
        return ""
    sentence = re.split(r"\.(?:\s|$)|;|:\s|  ", parameter.help)[0]
    return f" ({sentence[:1].lower()}{sentence[1:]})"


def _missing(parameter: click.Parameter | None) -> str:
    name = _name(parameter)
    if isinstance(parameter, click.Option):
        choices = parameter.type.choices if isinstance(parameter.type, click.Choice) else ()
        value = parameter.metavar or joined(list(map(str, choices)), "or")
        return f"missing {name} {value}{_purpose(parameter)}"
    return f"missing {name} ({ARGUMENTS[name]})" if name in ARGUMENTS else f"missing {name}"


def _expected(error: click.BadParameter) -> str:
    """Return what was expected and what came; click words that differently for each type."""
    kind = None if error.param is None else error.param.type
    found = re.match(r"(.*?) is not (?:in the range|one of|a valid|')", error.message, re.DOTALL)
    expected = _values_of(kind)
    if found is None or not expected:
        return error.message.rstrip(".")
    return f"expected {expected}, got {_shown(found[1])}"


def _values_of(kind: click.ParamType[Any] | None) -> str:
    """Return the values that a type takes, in words."""
    if isinstance(kind, click.Choice):
        return joined(list(map(str, kind.choices)), "or")
    if not isinstance(kind, click.IntRange):
        return ""
    if kind.max is None:
        return f"a whole number of at least {kind.min}"
    return f"a whole number from {kind.min} to {kind.max}"


def _shown(text: str, longest: int = 80) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


def _unknown_option(error: click.NoSuchOption, context: click.Context | None) -> str:
    message = f"no such option {_shown(error.option_name)}"
    if context is None:
        return message
    if isinstance(context.command, click.Group):
        if meant := _nearest_option(error.option_name, ["--help", "--version"]):
            return f"{message}; did you mean {meant}?"
        # Options such as --verbose belong to the commands and stand after their names.
        return f"{message} before a command; options follow the command's name; see lmctl --help"
    known = {
        name: each
        for each in context.command.params
        if isinstance(each, click.Option)
        for name in (*each.opts, *each.secondary_opts)
    }
    arguments = [each for each in context.command.params if isinstance(each, click.Argument)]
    # An option of the command with a similar name, such as --field for --file, is not what was meant.
    means_input = error.option_name in INPUTS.split() and bool(arguments) and "--file" not in known
    if meant := _nearest_option(error.option_name, known, exact=means_input):
        return f"{message}; did you mean {meant}?"
    if error.option_name in INPUTS.split() and arguments:
        usage = f"{context.command_path} {_plain(arguments[0].metavar or '')}"
        return f"{message}; {_plain(arguments[0].metavar or '')} takes no option: {usage}"
    if "--set" in known and (key := _key(error.option_name)):
        return f"{message}; did you mean --set {key}=VALUE?"
    return _seen_help(message, context)


def _nearest_option(typed: str, known: Collection[str], *, exact: bool = False) -> str | None:
    """Return the option that the user probably meant; None if there is none.

    Args:
        typed: the option that does not exist.
        known: the options of the command.
        exact: whether the option must have the same meaning; else its name may be similar, too.
    """
    # difflib is slow to import, and only messages need it.
    from difflib import get_close_matches

    spelled = typed.lower().replace("_", "-")
    if spelled in known:
        return spelled
    for option, others in OTHER_NAMES.items():
        if spelled in others.split() and option in known:
            return option
    if exact or not spelled.startswith("--") or len(spelled) < 4:
        return None
    begun = sorted(option for option in known if option.startswith(spelled) or spelled.startswith(f"{option}-"))
    near = begun or get_close_matches(spelled, sorted(known), n=1, cutoff=0.75)
    return near[0] if near else None


def _key(option: str) -> str | None:
    """Return the configuration key that an unknown option names; None if it names none."""
    from lmctl.config import all_keys

    name = option.lstrip("-").replace("-", "_")
    return next((key.path for key in all_keys() if name in (key.name, key.path.replace(".", "_"))), None)


def _unknown_command(typed: str) -> str:
    from difflib import get_close_matches

    message = f"no such command {_shown(repr(typed))}"
    meant: Iterable[str] = (command for command, others in COMMANDS.items() if typed.lower() in others.split())
    near = [*meant, *get_close_matches(typed.lower(), COMMANDS, n=1)]
    return f"{message}; did you mean lmctl {near[0]}?" if near else f"{message}; see lmctl --help"
