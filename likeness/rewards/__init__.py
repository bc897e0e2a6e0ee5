"""A clip's scores."""
