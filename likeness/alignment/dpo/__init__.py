"""What direct preference optimisation is made of; the loop is in `alignment.masked_dpo`."""
