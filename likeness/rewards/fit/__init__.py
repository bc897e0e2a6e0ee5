"""Fitting the small reward models; each takes plain arrays and writes one weights file."""
