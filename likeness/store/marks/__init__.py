"""What tells a generated clip from a recorded one: a badge, a watermark, a signed manifest."""
