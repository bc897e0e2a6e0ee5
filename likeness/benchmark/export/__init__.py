"""A board for other programs and for papers."""
