"""What `lmctl train` sets in motion: known? -> lock -> prepare -> fit -> compare -> publish -> remember."""
