"""The events of a run, and their receivers: display, event log, status file and runs.jsonl."""
