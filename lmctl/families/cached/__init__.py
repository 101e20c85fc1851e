"""Cache models: any model, mixed with a distribution over the recent words of the text."""
