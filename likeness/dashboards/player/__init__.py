"""The synced player: several clips of one condition under one transport, with their curves."""

from likeness.dashboards.player.showing import Curve, Pane, Series, play

__all__ = ["Curve", "Pane", "Series", "play"]
