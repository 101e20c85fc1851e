"""A cache: any model, and what it remembers of the text at hand."""
