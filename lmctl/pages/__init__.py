"""Pages for a browser: one file each, with its plots and its style inside, and without scripts."""
