"""An engine is identified by the code that segments, not by the metadata of its package.

jieba-py 0.46.12 overwrites files of jieba 0.42.1: the metadata say 0.42.1, the dictionary is the same, the hidden
Markov model has other tables (5,243 characters that start a word, not 6,857), and the rest of jieba's `finalseg`
fails with a NameError. The tests imitate it by changing the imported modules.
"""

import sys

import pytest

from lmctl.errors import LmctlError, MissingExtraError
from lmctl.text.engines import load_engine
from lmctl.text.user_dictionary import UserWord

# The identities of the versions in constraints.txt, on every platform.
TABLES = {
    "rjieba": "4b0758e7b8d15e76a799c9cc15b87547646c9f8c620d6518553448991135e2c0",
    "jieba": "898f0015bf65bda58dd1bf9ceb6fda2bf5d2f93878bfadc3a985b14b0cad5fe3",
}


@pytest.fixture
def jieba():
    import jieba

    return jieba


@pytest.fixture
def finalseg():
    from jieba import finalseg

    return finalseg


@pytest.mark.parametrize("name", ["rjieba", "jieba"])
def test_the_same_engine_has_the_same_identity_everywhere(name):
    assert load_engine(name, []).tables_sha256 == TABLES[name]
    assert load_engine(name, [UserWord("网易杭研")]).tables_sha256 == TABLES[name]


def test_a_user_word_is_in_its_own_engine_alone():
    assert load_engine("rjieba", [UserWord("网易杭研")]).cut("网易杭研") == ["网易杭研"]
    assert load_engine("rjieba", []).cut("网易杭研") == ["网易", "杭研"]


def test_another_version_of_the_module_is_another_identity(monkeypatch, jieba):
    monkeypatch.setattr(jieba, "__version__", "0.46.12")
    assert load_engine("jieba", []).version == "0.46.12"


@pytest.mark.parametrize("table", ["start_P", "trans_P", "emit_P"])
def test_another_hidden_markov_model_is_another_identity(monkeypatch, finalseg, table):
    monkeypatch.setattr(finalseg, table, getattr(finalseg, table) | {"B": getattr(finalseg, table)["S"]})
    assert load_engine("jieba", []).tables_sha256 != TABLES["jieba"]


def test_another_dictionary_is_another_identity(monkeypatch, jieba, tmp_path):
    with jieba.Tokenizer().get_dict_file() as file:
        content = file.read()
    (tmp_path / "dict.txt").write_bytes(content + "网易杭研 5 n\n".encode())
    monkeypatch.setattr(jieba.Tokenizer, "get_dict_file", lambda _self: (tmp_path / "dict.txt").open("rb"))
    assert load_engine("jieba", []).tables_sha256 != TABLES["jieba"]


def test_a_mixture_of_two_packages_is_an_error_that_says_so(monkeypatch, finalseg):
    def viterbi(*_arguments):
        raise NameError("name 'xrange' is not defined")

    monkeypatch.setattr(finalseg, "viterbi", viterbi)
    with pytest.raises(
        LmctlError, match=r"jieba does not work \(NameError: name 'xrange' is not .*; another package"
    ):
        load_engine("jieba", [])


def test_an_engine_that_is_not_installed_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(LmctlError, match="rjieba cannot be imported"):
        load_engine("rjieba", [])


def test_python_jieba_is_an_extra_and_the_message_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(MissingExtraError) as caught:
        load_engine("jieba", [])
    assert str(caught.value) == (
        "the text is cut by jieba's Python engine (text.engine: jieba), and the package jieba is not installed: "
        "pip install 'lmctl[jieba]'; the engine rjieba cuts some words otherwise"
    )


def test_python_jieba_that_lacks_a_part_is_an_error_and_no_missing_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "jieba.finalseg", raising=False)
    monkeypatch.delattr("jieba.finalseg", raising=False)
    monkeypatch.setitem(sys.modules, "jieba.finalseg", None)
    with pytest.raises(LmctlError, match="jieba cannot be imported") as caught:
        load_engine("jieba", [])
    assert not isinstance(caught.value, MissingExtraError)
