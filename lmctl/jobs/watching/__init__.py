"""What a run tells, and whom it tells: the display, the log, the status file, the record of runs."""
