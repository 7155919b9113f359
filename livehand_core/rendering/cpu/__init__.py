"""The renderer for processors: numpy and compiled kernels, no torch."""
