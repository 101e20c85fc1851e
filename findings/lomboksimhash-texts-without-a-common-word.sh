#!/bin/bash
# lomboksimhash: two Chinese texts without a common character differ in 16 of 64 bits, and the longer, the more alike.
#
# Expected: a bit of SimHash differs with the angle between two texts by pi (Charikar 2002). Texts that share no token
#   are at a right angle, so 32 of 64 bits differ, at any length.
# Seen: simhash64 takes the majority of the bits of FNV-1a, which has hardly mixed a token of three bytes: the prime is
#   2^40 + 435, so a byte changes the bits near it and those from 40 on. Over 95 % of the characters from U+4E00 to
#   U+9FA5 have 9 of the 64 bits alike, and most have others alike, so these bits say which script it is. The longer
#   two texts are, the more often a bit with a small excess has the same majority in both. 16 bits stand for a cosine
#   of 0.7. simhash128 hashes each token with one more byte for its other half, which differs in 27 bits. Tokens of ten
#   letters are right.
#   MinHash of the package starts from the same hash, and is right.
# lmctl: has no fingerprints of texts.
#
# 2026-11-30, lomboksimhash 0.1.0, Python 3.11, means of 20 pairs of texts:
#   20 characters of Chinese, and 20 others: 22.3 of 64 bits differ, 52.5 of 128; by BLAKE2 29.8 of 64
#   1000 characters of Chinese, and 1000 others: 16.0 of 64 bits differ, 42.5 of 128; by BLAKE2 32.2 of 64
#   20 words of three letters, and 20 others: 25.9 of 64 bits differ, 55.4 of 128; by BLAKE2 30.9 of 64
#   1000 words of three letters, and 1000 others: 20.5 of 64 bits differ, 45.6 of 128; by BLAKE2 32.2 of 64
#   20 words of ten letters, and 20 others: 32.3 of 64 bits differ, 62.0 of 128; by BLAKE2 32.0 of 64
#   1000 words of ten letters, and 1000 others: 31.6 of 64 bits differ, 64.2 of 128; by BLAKE2 33.4 of 64
#   bits of FNV-1a that over 95% of Chinese characters have alike: 9
. "$(dirname "$0")/lib.sh"
environment venv lomboksimhash==0.1.0
cat >fingerprints.py <<'PY'
import hashlib
import random

from lomboksimhash import fnv1a64, hamming64, hamming128, simhash64, simhash128


def blake(token):
    return int.from_bytes(hashlib.blake2b(token.encode(), digest_size=8).digest(), "big")


def simhash(tokens, hash_of):
    """Charikar's fingerprint: each bit is the majority of the tokens' bits."""
    counts = [0] * 64
    for token in tokens:
        bits = hash_of(token)
        for bit in range(64):
            counts[bit] += 1 if bits >> bit & 1 else -1
    return sum(1 << bit for bit, count in enumerate(counts) if count > 0)


def mean(values):
    return sum(values) / len(values)


han = [chr(point) for point in range(0x4E00, 0x9FA6)]
letters = "abcdefghijklmnopqrstuvwxyz"
KINDS = {
    "characters of Chinese": lambda draw: draw.choice(han),
    "words of three letters": lambda draw: "".join(draw.choices(letters, k=3)),
    "words of ten letters": lambda draw: "".join(draw.choices(letters, k=10)),
}
for name, make in KINDS.items():
    for length in (20, 1000):
        draw = random.Random(5)
        found, wide, expected = [], [], []
        for _ in range(20):
            tokens = set()
            while len(tokens) < 2 * length:
                tokens.add(make(draw))
            tokens = sorted(tokens)
            draw.shuffle(tokens)
            one, other = tokens[:length], tokens[length:]
            assert simhash64(one) == simhash(one, lambda token: fnv1a64(token.encode()))
            found.append(hamming64(simhash64(one), simhash64(other)))
            wide.append(hamming128(simhash128(one), simhash128(other)))
            expected.append(hamming64(simhash(one, blake), simhash(other, blake)))
        print(
            f"{length} {name}, and {length} others: {mean(found):.1f} of 64 bits differ, {mean(wide):.1f} of 128; "
            f"by BLAKE2 {mean(expected):.1f} of 64"
        )
shares = [mean([fnv1a64(character.encode()) >> bit & 1 for character in han]) for bit in range(64)]
print(f"bits of FNV-1a that over 95% of Chinese characters have alike: {sum(min(p, 1 - p) < 0.05 for p in shares)}")
PY
export PYTHONIOENCODING=utf-8
venv/bin/python fingerprints.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
20 characters of Chinese, and 20 others: 22.3 of 64 bits differ, 52.5 of 128; by BLAKE2 29.8 of 64
1000 characters of Chinese, and 1000 others: 16.0 of 64 bits differ, 42.5 of 128; by BLAKE2 32.2 of 64
20 words of three letters, and 20 others: 25.9 of 64 bits differ, 55.4 of 128; by BLAKE2 30.9 of 64
1000 words of three letters, and 1000 others: 20.5 of 64 bits differ, 45.6 of 128; by BLAKE2 32.2 of 64
20 words of ten letters, and 20 others: 32.3 of 64 bits differ, 62.0 of 128; by BLAKE2 32.0 of 64
1000 words of ten letters, and 1000 others: 31.6 of 64 bits differ, 64.2 of 128; by BLAKE2 33.4 of 64
bits of FNV-1a that over 95% of Chinese characters have alike: 9
TXT
