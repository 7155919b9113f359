"""Avatars as Gaussian splats: ``livehand splats``, their files, a plain renderer of them. NumPy and SciPy."""
