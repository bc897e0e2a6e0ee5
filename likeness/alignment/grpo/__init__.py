"""Learning from rewards: samples of one condition are drawn, judged and set against each other.

`loop.train` runs it; `algorithms.ALGORITHMS` has what collects and what learns.
"""
