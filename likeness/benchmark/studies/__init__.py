"""Studies with people: what their answers and ratings support."""
