"""From raw bytes to tokens: reading, normalization, segmentation."""
