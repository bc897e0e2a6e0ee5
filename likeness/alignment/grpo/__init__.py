"""Learning from rewards: samples of one condition are drawn, judged and set against each other.

`loop.train` runs it; `policy_gradient.GRPO` and `forward_process.NFT` collect and learn.
"""
