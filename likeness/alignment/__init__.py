"""From preference pairs to better checkpoints: mining, masked DPO, runs.

The modules are imported by name (`from likeness.alignment.mining import mine`), so that those
without tensors stay free of torch.
"""
