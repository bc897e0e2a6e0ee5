"""Scoring of many clips: what is to be scored, by whom, and what came of it."""
