"""The self-contained report.html: verdict, clips side by side, board, training curves, hashes."""

from likeness.benchmark.report.curves import Chart, Line, training_charts
from likeness.benchmark.report.page import Report
from likeness.benchmark.report.showcase import Showcase, Shown

__all__ = ["Chart", "Line", "Report", "Showcase", "Shown", "training_charts"]
