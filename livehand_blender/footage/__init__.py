"""Captures of real hands: own videos, and data sets of others."""
