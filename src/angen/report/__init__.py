"""The report of a run: a typed record, its verdicts, and one HTML page that is readable anywhere."""

from angen.report.page import draw_plots, write_page
from angen.report.record import RunReport, read_report, write_record

__all__ = ["RunReport", "draw_plots", "read_report", "write_page", "write_record"]
