"""The names of what lies in a bundle's folder, and in a model's."""

import re

# In a bundle.
MODEL_FILE = "model.json"
VOCABULARY, CHARACTERS, CONFIG = "vocabulary.tsv", "characters.tsv", "config.yaml"
METRICS, HISTORY = "metrics.json", "history.jsonl"
WEIGHTS, KEPT_TEXT, MEMBERS = "weights.safetensors", "valid.txt", "members"

# In a model's folder.
CURRENT, GENERATIONS, WORK, PIN = "current", "generations", "work", "pin"
RUNS, REQUEST, LOCK, HOLDER = "runs.jsonl", "request.json", "lock", "holder.json"
GENERATION = re.compile(r"[0-9]{6,}")

# In its work folder, from one run to the next.
CHECKPOINT, BEGUN, PUBLISHING = "checkpoint", "begun.json", "publishing.json"
# The bundle that the gate refused, and what it was made from.
REJECTED, REJECTION = "rejected", "rejected.json"

# In the scratch folder of a run: what is to be published, and what it is compared and mixed with.
FINISHED, BASELINE, COMBINED, IMPORTED = "finished", "baseline", "combined", "imported"


def member_name(number: int) -> str:
    """The folder of a member, from 0, within the bundle that is made of it."""
    return f"{MEMBERS}/{number}"
