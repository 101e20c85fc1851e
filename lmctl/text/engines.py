"""The two engines of the jieba segmenter, and their identities.

Metadata of installed packages do not identify an engine: jieba-py 0.46 writes its files over those of jieba, whose
metadata stay. The identity of jieba is the version in the module, and a hash of its dictionary and of the tables
of its hidden Markov model. rjieba has both compiled in; its identity is its version and a hash of its tokens of a
fixed text.

The package jieba is an extra. rjieba never cuts the text of a model in its place, because the two differ on some
texts (`lmctl.text.segmentation`), and the model does not know a word that is cut otherwise.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmctl.errors import LmctlError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmctl.text.user_dictionary import UserWord

ENGINES = ("rjieba", "jieba")

# A fixed text with words of the dictionary, words that only the hidden Markov model finds (the first two lines),
# Latin letters, digits, traditional and rare characters. Segmenting it also shows whether an engine works at all.
_PROBE = (
    "他来到了网易杭研大厦",
    "小明硕士毕业于中国科学院计算所后在日本京都大学深造",
    "语言模型根据前面的词语来预测下一个词出现的概率，2024年已经开通了12条线路。",
    "乒乓球拍卖完了，请问什么时候可以补货？结婚的和尚未结婚的都应该到登记处办理手续！",
    "王小波写过许多杂文，其中「一只特立独行的猪」流传最广；easy_install v1.0-beta C++",
    "長江是亞洲最長的河流，發源於青藏高原。𠀀𠀁㐀",
)


@dataclass(frozen=True, slots=True)
class Engine:
    """A loaded engine.

    Attributes:
        cut: a function that segments a text without white space.
        version: the version of the engine.
        tables_sha256: hash of its dictionary and its hidden Markov model, in hex; see the module's docstring.
    """

    cut: Callable[[str], list[str]]
    version: str
    tables_sha256: str


def load_engine(name: str, user_words: Sequence[UserWord]) -> Engine:
    """Load an engine, and add words to its dictionary.

    Args:
        name: "rjieba" or "jieba".
        user_words: the words to add; each consists of characters that the engines join (`UserWord.is_joined`).

    Raises:
        MissingExtraError: the engine is jieba, which is not installed.
        LmctlError: the engine rjieba is not installed, or the engine does not work.
    """
    load = _load_rjieba if name == "rjieba" else _load_jieba
    try:
        return load(user_words)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name == "jieba":
            raise MissingExtraError(
                "the text is cut by jieba's Python engine (text.engine: jieba), and the package jieba is not "
                "installed: pip install 'lmctl[jieba]'; the engine rjieba cuts some words otherwise"
            ) from None
        raise LmctlError(f"{name} cannot be imported ({error}); install lmctl's requirements again") from error
    except MemoryError:
        raise
    # The files of two packages in one folder may raise any exception.
    except Exception as error:
        raise LmctlError(
            f"{name} does not work ({type(error).__name__}: {error}); another package may have written over its "
            f"files, as jieba-py does over jieba's: remove both, and install {name} again"
        ) from error


def _load_rjieba(user_words: Sequence[UserWord]) -> Engine:
    import rjieba

    engine = rjieba.Jieba()
    tables = _hash([engine.cut(line) for line in _PROBE])
    for word in user_words:
        engine.add_word(word.word, word.frequency, word.tag)
    return Engine(engine.cut, installed_version("rjieba"), tables)


def _load_jieba(user_words: Sequence[UserWord]) -> Engine:
    with warnings.catch_warnings():
        # jieba causes warnings: its regular expressions are not raw strings, and it imports pkg_resources.
        warnings.simplefilter("ignore")
        import jieba
        from jieba import finalseg

    jieba.setLogLevel("ERROR")
    engine: Any = jieba.Tokenizer()
    with engine.get_dict_file() as file:
        main_dictionary = file.read()
    # These two lines replace initialize(), which would write a cache file to the shared temporary folder.
    engine.FREQ, engine.total = engine.gen_pfdict(io.BytesIO(main_dictionary))
    engine.initialized = True
    for line in _PROBE:
        engine.lcut(line)
    hidden_markov_model = [finalseg.start_P, finalseg.trans_P, finalseg.emit_P]
    tables = _hash([hashlib.sha256(main_dictionary).hexdigest(), hidden_markov_model])
    for word in user_words:
        engine.add_word(word.word, word.frequency, word.tag)
    return Engine(engine.lcut, str(jieba.__version__), tables)


def installed_version(package: str) -> str:
    """The version of an installed package, without importing it.

    Args:
        package: name of the package, which is also the name of its distribution.

    Raises:
        LmctlError: the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise LmctlError(f"{package} is not installed; install lmctl's requirements again")
    # importlib.metadata takes longer to import than a query takes. Installers write this folder beside the
    # package: packaging.python.org, "Recording installed projects".
    found = list(Path(spec.origin).parents[1].glob(f"{package}-*.dist-info"))
    if len(found) == 1:
        return found[0].name.removeprefix(f"{package}-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version(package)


def _hash(value: Any) -> str:
    import msgspec

    # The encoding is the same on every machine: keys are sorted, and a float has the fewest digits that identify
    # it.
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
