"""Arithmetic on sixteen numbers at once: the one vocabulary in which the kernels' inner loops are written."""
