"""Reports: what is known of a model, or of the scores of texts, as one page for a browser."""
