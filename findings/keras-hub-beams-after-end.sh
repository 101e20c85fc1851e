#!/bin/bash
# keras-hub: BeamSampler goes on scoring a text after its end, so a text of probability 0.54 loses to one of 0.36.
#
# Expected: a text ends with </s>, and its probability with it. The best of the found texts is returned. A text of a
#   batch is continued as it is alone.
# Seen: the loop of beam_sampler.py runs until all texts have an end. A text that ended early is meanwhile given one
#   more word a step, with the probability of that word: one ninth here, where the network knows no word after </s>. So
#   texts that end late win, and the beams hold a text several times, with other words behind </s>.
#   A prompt that is longer than the shortest one of the batch is written over the words that were chosen, and their
#   probabilities stay. So all beams hold the prompt, as if it were several texts, and go on as copies: beside a shorter
#   prompt, the best text is not found.
# lmctl: its beam search sets a text aside once it has ended, and has a beam of its own for each prompt.
#
# 2026-11-30, keras-hub 0.32.0, keras 3.15.1, jax 0.10.2, Python 3.11, two beams:
#   all texts: no </s> 0.54, she saw birds </s> 0.36, no thanks </s> 0.06, she ran </s> 0.04
#   <s>: she saw birds </s> 0.360, no </s> 0.007
#   <s>, three beams: she saw birds </s> 0.360, no </s> 0.007, no </s> 0.007
#   all texts from she he: she he laughs aloud </s> 0.40, she he sings loud </s> 0.36, she he sings alone </s> 0.24
#   she he: she he laughs aloud </s> 0.400, she he sings loud </s> 0.360
#   she he beside she: she he sings loud </s> 0.180, she he sings loud </s> 0.180
. "$(dirname "$0")/lib.sh"
environment venv keras==3.15.1 jax==0.10.2 numpy==2.4.6 regex==2026.11.19 tokenizers==0.23.1 sentencepiece==0.2.3 \
    kagglehub==1.0.3
# Its dependency tensorflow-text, with TensorFlow, is not needed with JAX.
venv/bin/pip install --quiet --disable-pip-version-check --no-deps keras-hub==0.32.0 2>pip.log ||
    { cat pip.log; exit 2; }
cat >beams.py <<'PY'
import numpy as np
from keras import ops
from keras_hub.samplers import BeamSampler

FIRST = {
    "<s>": {"no": 0.6, "she": 0.4},
    "no": {"</s>": 0.9, "thanks": 0.1},
    "thanks": {"</s>": 1},
    "she": {"saw": 0.9, "ran": 0.1},
    "saw": {"birds": 1},
    "birds": {"</s>": 1},
    "ran": {"</s>": 1},
}
SECOND = {
    "she": {"no": 0.5, "ran": 0.5},
    "he": {"sings": 0.6, "laughs": 0.4},
    "sings": {"loud": 0.6, "alone": 0.4},
    "laughs": {"aloud": 1},
    **{word: {"</s>": 1} for word in ("no", "ran", "loud", "alone", "aloud")},
}
PLACES = 6


def texts(table, text, probability=1.0):
    """All texts that begin with a text, with their probabilities."""
    if text[-1] == "</s>":
        return [(probability, text)]
    return [
        found
        for word, share in table[text[-1]].items()
        for found in texts(table, (*text, word), probability * share)
    ]


def shown(found, digits):
    return ", ".join(
        f"{' '.join(word for word in text if word != '<s>')} {probability:.{digits}f}"
        for probability, text in sorted(found, key=lambda one: (-round(one[0], 6), one[1]))
    )


def searched(table, prompts, beams=2):
    """The texts of the beams, up to their ends, with the probabilities that the sampler gives them."""
    words = sorted({"<pad>", "</s>", *table, *(word for row in table.values() for word in row)})
    ids = {word: number for number, word in enumerate(words)}
    network = np.full((len(words), len(words)), 1 / len(words))  # of words that table does not continue
    for word, row in table.items():
        network[ids[word]] = 1e-9
        for following, share in row.items():
            network[ids[word], ids[following]] = share
    logits = ops.convert_to_tensor(np.log(network).astype("float32"))

    def step(prompt, cache, index):
        return ops.take(logits, ops.take(prompt, index - 1, axis=1), axis=0), None, cache

    rows = np.full((len(prompts), PLACES), ids["<pad>"], np.int32)
    for row, prompt in zip(rows, prompts):
        row[: len(prompt)] = [ids[word] for word in prompt]
    given = np.arange(PLACES) < np.array([[len(prompt)] for prompt in prompts])
    found, logs = BeamSampler(num_beams=beams, return_all_beams=True)(
        step, ops.convert_to_tensor(rows), index=min(map(len, prompts)), mask=ops.convert_to_tensor(given),
        stop_token_ids=[ids["</s>"]],
    )
    return [
        [
            (float(probability), tuple(words[number] for number in beam[: list(beam).index(ids["</s>"]) + 1]))
            for beam, probability in zip(np.asarray(one), np.exp(np.asarray(ones)))
        ]
        for one, ones in zip(found, logs)
    ]


print("all texts:", shown(texts(FIRST, ("<s>",)), 2))
print("<s>:", shown(searched(FIRST, [["<s>"]])[0], 3))
print("<s>, three beams:", shown(searched(FIRST, [["<s>"]], 3)[0], 3))
print("all texts from she he:", shown(texts(SECOND, ("she", "he")), 2))
print("she he:", shown(searched(SECOND, [["she", "he"]])[0], 3))
print("she he beside she:", shown(searched(SECOND, [["she", "he"], ["she"]])[0], 3))
PY
export KERAS_BACKEND=jax
venv/bin/python beams.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
all texts: no </s> 0.54, she saw birds </s> 0.36, no thanks </s> 0.06, she ran </s> 0.04
<s>: she saw birds </s> 0.360, no </s> 0.007
<s>, three beams: she saw birds </s> 0.360, no </s> 0.007, no </s> 0.007
all texts from she he: she he laughs aloud </s> 0.40, she he sings loud </s> 0.36, she he sings alone </s> 0.24
she he: she he laughs aloud </s> 0.400, she he sings loud </s> 0.360
she he beside she: she he sings loud </s> 0.180, she he sings loud </s> 0.180
TXT
