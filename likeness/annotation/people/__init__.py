"""Who judges, how well, and what to do about it."""
