"""The verbs of `likeness study` that hold a study: make, serve, watch, close, report."""
