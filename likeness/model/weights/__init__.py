"""Checkpoints: reading, checking, bringing over and loading tensor files."""
