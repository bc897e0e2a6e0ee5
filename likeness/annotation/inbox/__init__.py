"""What Label Studio tells, kept once, and the votes that are read from it."""
