"""Shading of pixels: a relightable avatar's gains times the light that reaches them (docs/method.md 1.12)."""
