"""Reports of simulations: a self-contained HTML file, an SVG curve, a text summary, a live table, a Parquet table."""

from edgedescent_sims.report.curve import curve_svg
from edgedescent_sims.report.html import render_report, write_report
from edgedescent_sims.report.live import LiveTable
from edgedescent_sims.report.parquet import write_parquet
from edgedescent_sims.report.sparkline import sparkline, sparkline_svg
from edgedescent_sims.report.summary import summary_text

__all__ = [
    "LiveTable",
    "curve_svg",
    "render_report",
    "sparkline",
    "sparkline_svg",
    "summary_text",
    "write_parquet",
    "write_report",
]
