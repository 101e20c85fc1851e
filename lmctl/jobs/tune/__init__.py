"""`lmctl tune`, from end to end."""
