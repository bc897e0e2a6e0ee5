"""Verbs of `likeness annotate`."""
