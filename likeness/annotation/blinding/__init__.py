"""What an annotator's browser receives beside the picture, and whether it gives a side away."""

from likeness.annotation.blinding.telling import AuditError, Telling, tell
from likeness.annotation.blinding.traces import Received, traces

__all__ = ["AuditError", "Received", "Telling", "tell", "traces"]
