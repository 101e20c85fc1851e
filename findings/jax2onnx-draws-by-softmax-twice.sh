#!/bin/bash
# jax2onnx: an exported jax.random.categorical draws a word of probability 0.99 in 3 of 1,000 cases, of 1,000 words.
#
# Expected: the model draws each word as often as jax.random.categorical does, by softmax(logits), and by its key.
# Seen: up to opset 21, the exporter writes Softmax and Multinomial. By the standard, the input of Multinomial is log
#   probabilities without a norm, so what is drawn has the probabilities softmax(softmax(logits)). As probabilities
#   differ by 1 at most, the most probable word is drawn at most e = 2.7 times as often as an impossible one. From
#   opset 22 on, the exporter adds Gumbel noise instead, which is right, but onnxruntime cannot run its
#   RandomUniformLike(22). So opset 21 is what runs.
#   The key is an input of the model that nothing reads: two keys draw the same words, and the seed of every node is 0.
# lmctl: its ONNX models give probabilities, and draw nothing.
#
# 2026-11-30, jax2onnx 0.17.1, jax 0.10.2, onnxruntime 1.32.0, onnx 1.23.2, Python 3.11; shares of 20,000 draws:
#   three words: probabilities 0.500 0.300 0.200; jax 0.501 0.298 0.201
#     softmax of probabilities 0.391 0.320 0.289; exported 0.390 0.326 0.284
#   a thousand words: probabilities 0.990 0.000 0.000; jax 0.989 0.000 0.000
#     softmax of probabilities 0.003 0.001 0.001; exported 0.003 0.001 0.001
#   the same words with another key: exported True
#   opset 21: Softmax Multinomial Squeeze Cast
#   opset 23: RandomUniformLike Log Neg Log Neg Add ArgMax Cast
. "$(dirname "$0")/lib.sh"
environment venv jax2onnx==0.17.1 jax==0.10.2 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >draws.py <<'PY'
import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
from jax2onnx import to_onnx

DRAWS = 20_000


def draw(logits, key):
    return jax.random.categorical(key, logits)


def exported(shape, opset):
    return to_onnx(draw, [shape, jax.ShapeDtypeStruct((2,), jnp.uint32)], opset=opset)


def drawn(logits, seed):
    """The words that a new session of the exported model draws."""
    session = onnxruntime.InferenceSession(exported(logits.shape, 21).SerializeToString())
    logits_name, key_name = (given.name for given in session.get_inputs())
    return session.run(None, {logits_name: logits, key_name: np.asarray(jax.random.PRNGKey(seed))})[0]


def shares(words):
    return " ".join(f"{(np.asarray(words) == word).mean():.3f}" for word in range(3))


def shown(probabilities):
    return " ".join(f"{probability:.3f}" for probability in probabilities[:3])


for name, probabilities in (
    ("three words", np.array([0.5, 0.3, 0.2])),
    ("a thousand words", np.array([0.99, *[0.01 / 999] * 999])),
):
    logits = np.tile(np.log(probabilities).astype(np.float32), (DRAWS, 1))
    again = np.exp(probabilities) / np.exp(probabilities).sum()
    found = drawn(logits, 1)
    print(
        f"{name}: probabilities {shown(probabilities)}; jax {shares(draw(logits, jax.random.PRNGKey(1)))}\n"
        f"  softmax of probabilities {shown(again)}; exported {shares(found)}"
    )
print(f"the same words with another key: exported {bool((found == drawn(logits, 2)).all())}")
for opset in (21, 23):
    print(f"opset {opset}: {' '.join(node.op_type for node in exported((4, 3), opset).graph.node)}")
PY
venv/bin/python draws.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
three words: probabilities 0.500 0.300 0.200; jax 0.501 0.298 0.201
  softmax of probabilities 0.391 0.320 0.289; exported 0.390 0.326 0.284
a thousand words: probabilities 0.990 0.000 0.000; jax 0.989 0.000 0.000
  softmax of probabilities 0.003 0.001 0.001; exported 0.003 0.001 0.001
the same words with another key: exported True
opset 21: Softmax Multinomial Squeeze Cast
opset 23: RandomUniformLike Log Neg Log Neg Add ArgMax Cast
TXT
