"""Completion in bash, zsh and fish of words that have @ or = in them.

click's own functions for these shells (8.5.1) complete neither MODEL@6 nor KEY=VALUE: bash breaks such words in
pieces before it asks, and no shell is told that a word goes on after `KEY=`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class Bash(BashComplete):
    """Takes the command line as a whole, and answers with the piece of the last word that bash completes."""

    source_template = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            plain) COMPREPLY+=("$value") ;;
            part) COMPREPLY+=("$value"); compopt -o nospace ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
        esac
    done < <(env COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1")
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words of the line up to the cursor, and the unfinished one."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)[1:]
        unfinished = words.pop() if words and not line[-1:].isspace() else ""
        return words, unfinished

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        """Return completions without the part of the word that bash keeps."""
        found = super().get_completions(args, incomplete)
        value = _value(incomplete)
        breaks = os.environ.get("COMP_WORDBREAKS", "")
        # The piece of the word that bash completes begins with an @, but after an =.
        starts = [value.rfind("@") if "@" in breaks else -1, value.rfind("=") + 1 if "=" in breaks else 0]
        return [_renamed(item, item.value.removeprefix(value[: max(0, *starts)])) for item in found]


class Zsh(ZshComplete):
    """Tells zsh which words are only a beginning, and completes files after `KEY=`."""

    source_template = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local kind value help
    local -a answers words_shown words_found parts_shown parts_found
    answers=("${(@f)$(env COMP_WORDS="${(j: :)${(@)words[1,CURRENT]}}" COMP_CWORD=$((CURRENT - 1)) \\
        %(complete_var)s=zsh_complete $words[1])}")
    for kind value help in "${answers[@]}"; do
        [[ $help == _ ]] && help=$value || help="$value  -- $help"
        case $kind in
            plain) words_found+=("$value"); words_shown+=("$help") ;;
            part) parts_found+=("$value"); parts_shown+=("$help") ;;
            dir) compset -P '*='; _path_files -/ ;;
            file) compset -P '*='; _path_files -f ;;
        esac
    done
    (( $#words_found )) && compadd -V words -d words_shown -a words_found
    (( $#parts_found )) && compadd -V parts -S '' -d parts_shown -a parts_found
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        """Return whole words, as zsh replaces the whole word."""
        return _whole(super().get_completions(args, incomplete), incomplete)

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return three lines: kind, word, and its help or _."""
        return f"{item.type}\n{item.value}\n{item.help or '_'}"


class Fish(FishComplete):
    """Completes files after `KEY=`. fish writes no space after a word that ends in `=`."""

    source_template = """\
function %(complete_func)s
    for answer in (env COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) \\
            %(complete_var)s=fish_complete %(prog_name)s)
        set -l parts (string split -m 1 , -- $answer)
        set -l key (string match -r '^[^/]*=' -- $parts[2])
        set -l path (string replace -r '^[^/]*=' '' -- $parts[2])
        switch $parts[1]
            case dir
                for found in (__fish_complete_directories $path)
                    string join '' -- $key $found
                end
            case file
                for found in (__fish_complete_path $path)
                    string join '' -- $key $found
                end
            case '*'
                echo $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        """Return whole words, as fish replaces the whole word."""
        return _whole(super().get_completions(args, incomplete), incomplete)


def register() -> None:
    """Let click use these functions instead of its own."""
    for shell in (Bash, Zsh, Fish):
        add_completion_class(shell)


def _value(incomplete: str) -> str:
    """The value of an unfinished `--option=value`; else the word as it is."""
    return incomplete.partition("=")[2] if incomplete.startswith("--") and "=" in incomplete else incomplete


def _whole(found: Sequence[CompletionItem[Any]], incomplete: str) -> list[CompletionItem[Any]]:
    """Put the option of `--option=value` before its completions."""
    option = incomplete.removesuffix(_value(incomplete))
    return [_renamed(item, option + item.value) for item in found]


def _renamed(item: CompletionItem[Any], value: str) -> CompletionItem[Any]:
    return CompletionItem(value, type=item.type, help=item.help)
