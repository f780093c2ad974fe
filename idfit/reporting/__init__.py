"""The report of a study and its parts: page, tables and figures, drawn from results alone."""

from idfit.reporting.figures import save_figures
from idfit.reporting.page import render_report, write_report
from idfit.reporting.tables import write_tables

__all__ = ["render_report", "save_figures", "write_report", "write_tables"]
