"""An ARPA file as text, and probabilities of the model that is read from one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID

if TYPE_CHECKING:
    from lmctl.corpus.vocabulary import Vocabulary
    from lmctl.families.ngram.runtime import NgramLanguageModel

# A context is missing, as SRILM may leave it out after pruning (KenLM would refuse the file): the bigram "a b".
ARPA = r"""\data\
ngram 1=6
ngram 2=4
ngram 3=2

\1-grams:
-1.5	<unk>	0
-99	<s>	-0.5
-0.7	</s>
-0.75	a	-0.25
-0.5	b	-0.125
-0.75	A	-0.0625

\2-grams:
-0.1	<s> a	-0.3
-0.2	b a	-0.4
-0.3	b </s>
-0.4	a A	-0.6

\3-grams:
-0.05	a b a
-0.06	<s> a A

\end\
"""


def log10_prob(vocabulary: Vocabulary, model: NgramLanguageModel, context: list[str], word: str) -> float:
    """The log10 probability of a word after a context; "<s>" stands for the start of a sentence."""
    ids = [SENTENCE_END_ID if name == "<s>" else vocabulary.encode([name])[0] for name in context]
    state = model.advance(model.null_state(1), np.array(ids, dtype=np.int64)[:, None])
    target = SENTENCE_END_ID if word == "</s>" else vocabulary.encode([word])[0]
    return model.log_probs(state)[0, target] / math.log(10)
