"""The report of a run: one HTML page with plots and players inside it, readable anywhere."""

from angen.report.page import Pair, ReportFacts, write_report

__all__ = ["Pair", "ReportFacts", "write_report"]
