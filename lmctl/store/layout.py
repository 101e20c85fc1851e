"""The names of what lies in a model's folder."""

import re

CURRENT, GENERATIONS, WORK, PIN = "current", "generations", "work", "pin"
RUNS, REQUEST = "runs.jsonl", "request.json"
GENERATION = re.compile(r"[0-9]{6,}")
