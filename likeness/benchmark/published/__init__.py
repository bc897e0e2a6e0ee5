"""Figures that papers report: published, not measured here."""
