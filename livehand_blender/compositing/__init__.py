"""Hands into a Cycles or EEVEE picture: a linked scene renders them, and the compositor merges by depth."""
