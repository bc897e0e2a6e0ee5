"""The verbs of `likeness annotate`."""
