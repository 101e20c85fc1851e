"""Random wrong configurations: success, or exit 2 and one line, before TensorFlow is imported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios import TEXT

import lmctl.config
from lmctl.config import read_settings
from lmctl.errors import UsageError

if TYPE_CHECKING:
    import random

    from scenarios import Driver

MANY, FEW = 2000, 150
CONFIGS = sorted((Path(lmctl.config.__file__).parents[1] / "configs").glob("*.yaml"))

# Replacements of a value: other types, numbers out of all ranges, and YAML that other readers understand
# otherwise.
VALUES = (
    *(
        "",
        "~",
        "null",
        "true",
        "no",
        "yes",
        "on",
        "[]",
        "{}",
        "[1, 2]",
        "{a: 1}",
        "- 1",
        "? a",
        "|",
        ">",
        "'",
        '"',
    ),
    *(
        "0",
        "-1",
        "-0",
        "017",
        "0x1F",
        "0o17",
        "1_000",
        "1e-3",
        "1e999",
        "-1e999",
        ".inf",
        "-.inf",
        ".nan",
        "1.0.0",
    ),
    *("9" * 18, "9" * 19, "9" * 5000, "0." + "0" * 400 + "1", "1e" + "9" * 50, "1:30", "2024-02-30", "١٢"),
    *(
        "&a 1",
        "*a",
        "!!int 1",
        "!!python/object:os.system x",
        "!!python/object/apply:os.system ['true']",
        "!!binary x",
    ),
    *(
        "<<: *a",
        '"\\ud800"',
        '"\\x00"',
        '"\\U00110000"',
        "é",
        "\u2028",
        "\x07",
        "\0",
        "%",
        "@",
        "`",
        "#",
        "a: b: c",
        "---",
    ),
)
LINES = (
    *("---", "...", "%YAML 9.9", "%YAML 99999999999999999999.1", "%TAG ! tag:x,2000:", "<<: {a: 1}", "? [a]\n: 1"),
    *("a: &a [*a]", "model: {}", "model:", "model: 3", "null: 1", "1: 1", "true: 1", "[a]: 1", "{a: 1}: 1", "\t"),
    *("training:\n  epochs: 3", "text:\n  encoding: klingon", "preset: huge", "preset: auto", "models:\n  x: 1"),
)
BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
WHOLE = (
    BOMB.encode(),
    b"[" * 5000,
    b"{a: " * 3000,
    b"- " * 5000,
    b"a:\n" + b"".join(b" " * depth + b"a:\n" for depth in range(1, 300)),
    b"\xef\xbb\xbfpreset: tiny\n",
    "preset: tiny\n".encode("utf-16"),
    b"\xff\xfe",
    b"\0",
    b"#" * 300_000,
    b"!" * 1000,
    b"'" * 999,
    b'"' + b"\\" * 999,
    b"a: " + b"9" * 100_000,
    b"training:\n  learning_rate: " + b"9" * 5000 + b"\n",
    b"training: {epochs: 1, epochs: 2}\n",
)


def mutate_bytes(text: bytes, dice: random.Random) -> bytes:
    damaged = bytearray(text)
    for _ in range(dice.choice([1, 1, 2, 8])):
        place = dice.randrange(len(damaged))
        choice = dice.randrange(4)
        if choice == 0:
            damaged[place] = dice.randrange(256)
        elif choice == 1:
            damaged.insert(place, dice.randrange(256))
        elif choice == 2:
            del damaged[place : place + dice.choice([1, 3, 50])]
        else:
            damaged[place] ^= 1 << dice.randrange(8)
        damaged = damaged or bytearray(b"a")
    return bytes(damaged)


def mutate_value(text: bytes, dice: random.Random) -> bytes:
    places = list(re.finditer(rb": [^\n]*", text))
    place = dice.choice(places)
    return text[: place.start() + 2] + dice.choice(VALUES).encode() + text[place.end() :]


def mutate_lines(text: bytes, dice: random.Random) -> bytes:
    lines = text.split(b"\n")
    place = dice.randrange(len(lines))
    choice = dice.randrange(5)
    if choice == 0:
        lines.insert(place, dice.choice(LINES).encode())
    elif choice == 1:
        lines.insert(place, lines[dice.randrange(len(lines))])
    elif choice == 2:
        lines[place] = b" " * dice.choice([1, 2, 7]) + lines[place]
    elif choice == 3:
        lines[place] = lines[place].lstrip()
    else:
        lines[place] = lines[place].replace(b":", dice.choice([b"", b"::", b" :", b"=", b":\t", b": &x "]))
    return b"\n".join(lines)


def mutations(dice: random.Random, count: int) -> list[bytes]:
    """Return mutated files. The first ones are made from an empty file."""
    mutated = list(WHOLE)
    while len(mutated) < count:
        text = dice.choice(CONFIGS).read_bytes()
        for _ in range(dice.choice([1, 1, 1, 3])):
            text = dice.choice([mutate_bytes, mutate_value, mutate_lines])(text, dice)
        mutated.append(text)
    return mutated


def why_refused(path: Path) -> str | None:
    """The error message of a configuration; None if it can be used with a small text and a large one."""
    try:
        for tokens in (1000, 10**8):
            read_settings([str(path)]).resolve(tokens)
    except UsageError as error:
        return str(error)
    return None


def test_a_mutated_configuration_is_read_or_refused_in_one_line(tmp_path, dice, many):
    path = tmp_path / "mutated.yaml"
    refused = 0
    for number, content in enumerate(mutations(dice, MANY if many else FEW)):
        path.write_bytes(content)
        refusal = why_refused(path)
        refused += refusal is not None
        assert "\n" not in (refusal or ""), (number, refusal)
        assert len(refusal or "") < 500, (number, refusal)
    assert number / 4 < refused < number


def test_the_command_says_the_same_before_tensorflow_is_looked_at(driver: Driver, tmp_path, dice, many):
    (tmp_path / "text.txt").write_text(TEXT)
    for number, content in enumerate(mutations(dice, MANY // 5 if many else FEW // 5)):
        (tmp_path / "mutated.yaml").write_bytes(content)
        ended = driver.run(tmp_path, "train", "text.txt", "-o", "model", "--dry-run", "-c", "mutated.yaml")
        assert "imported TensorFlow" not in ended.operations
        assert not (tmp_path / "model").exists()
        if ended.code == 0:
            continue
        # 65 and 66: a mutation may name another encoding, or a file.
        assert ended.code in (2, 65, 66), (number, ended.err)
        assert ended.out == "", number
        assert re.fullmatch(r"lmctl: [^\n]+\n", ended.err), (number, ended.err)
