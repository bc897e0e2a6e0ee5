"""Learning the transformer and the codec from clips."""
