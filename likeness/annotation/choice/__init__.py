"""Which pairs are asked of whom, in what order, and with what chance."""
