"""What is expected of a comparison, shown to those who may see it."""
