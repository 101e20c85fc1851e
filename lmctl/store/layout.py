"""The names of the files in a bundle, in a model folder and in its work folder."""

import re

# In a bundle.
MODEL_FILE = "model.json"
VOCABULARY, CHARACTERS, CONFIG = "vocabulary.tsv", "characters.tsv", "config.yaml"
METRICS, HISTORY = "metrics.json", "history.jsonl"
WEIGHTS, MOMENTS = "weights.safetensors", "moments.safetensors"
KEPT_TEXT, MEMBERS = "valid.txt", "members"

# In a model folder.
CURRENT, GENERATIONS, WORK, PIN, TUNING = "current", "generations", "work", "pin", "tuning"
RUNS, REQUEST, LOCK, HOLDER = "runs.jsonl", "request.json", "lock", "holder.json"
GENERATION = re.compile(r"[0-9]{6,}")

# In the work folder of a model; these files stay from one run to the next.
CHECKPOINT, BEGUN, PUBLISHING = "checkpoint", "begun.json", "publishing.json"
# Present from before the first generation is at its place until it is current: then it was never published.
UNPUBLISHED = "unpublished"
# The bundle that the gate refused, and the texts and settings it was trained with.
REJECTED, REJECTION = "rejected", "rejected.json"

# In the scratch folder of a run: the bundle to publish, and the bundles that it is compared or mixed with.
FINISHED, BASELINE, COMBINED, IMPORTED = "finished", "baseline", "combined", "imported"


def member_name(number: int) -> str:
    """Return the path of a member, numbered from 0, in the bundle of its mixture."""
    return f"{MEMBERS}/{number}"
