"""Clips made from conditions: what is asked for, on which devices, marked and noted."""
