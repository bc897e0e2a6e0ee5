"""One turn of the loop, in steps that the verbs share: stage, generate, score, align, measure.

Every step looks first for what is there already, so that a loop which was killed goes on.
"""
