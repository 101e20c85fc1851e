#!/bin/bash
# gensim: if a file of word vectors has a word twice, the model gets a word None, which is a neighbour of every word.
#
# Expected: the second vector is left out, as the warning in the log says, and the number of words is one less; or an error.
# Seen: the number of words stays that of the header. One row more than there are words is all zeros; its word is None,
#   and most_similar returns it with a similarity of nan. save_word2vec_format writes the number of the header and leaves
#   the row out, so gensim cannot read the file that it has written.
# lmctl: its vocabulary has every word once.
#
# 2026-11-27, gensim 4.4.0, numpy 2.4.6, Python 3.11, of the words a, a, b, c:
#   4 words: ['a', 'b', 'c', None]; neighbours of c: b, a, None; written and read again: EOFError
. "$(dirname "$0")/lib.sh"
environment venv gensim==4.4.0 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'PY'
import pathlib

from gensim.models import KeyedVectors

pathlib.Path("vectors.txt").write_text("4 2\na 1 0\na 0 1\nb 0.9 0.1\nc -1 0\n")
vectors = KeyedVectors.load_word2vec_format("vectors.txt")
neighbours = [word for word, _ in vectors.most_similar("c")]
vectors.save_word2vec_format("written.txt")
try:
    again = f"{len(KeyedVectors.load_word2vec_format('written.txt'))} words"
except EOFError as error:
    again = type(error).__name__
print(f"{len(vectors)} words: {vectors.index_to_key}; neighbours of c: {neighbours}; written and read again: {again}")
assert vectors.index_to_key == ["a", "b", "c", None]
assert (neighbours, again) == (["b", "a", None], "EOFError")
PY
