"""Training on several hosts: one process on each, which reads a share of the columns of every batch."""
