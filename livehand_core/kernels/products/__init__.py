"""Matrix products in blocks that stay in registers, and the order of the weights that they read."""
