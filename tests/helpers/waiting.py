"""How long a test waits for a process."""

# A process that takes longer is taken to hang. The limit decides no test: the slowest machine needs far less.
LONGEST_SECONDS = 1800
