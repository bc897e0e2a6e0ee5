"""The algorithms that learn from rewards, by the name that recipes give."""

from likeness.alignment.grpo.forward_process import NFT
from likeness.alignment.grpo.interface import Algorithm
from likeness.alignment.grpo.policy_gradient import GRPO

ALGORITHMS: dict[str, type[Algorithm]] = {"grpo": GRPO, "nft": NFT}
