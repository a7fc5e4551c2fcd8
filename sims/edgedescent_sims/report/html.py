"""Report of simulations as one HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from edgedescent.errors import ConfigError
from edgedescent.state.files import replace_atomically
from edgedescent_sims import result
from edgedescent_sims.report import chart_data, figures, view
from edgedescent_sims.report.extra import extra_folder, import_extra
from edgedescent_sims.report.sparkline import sparkline_svg
from edgedescent_sims.report.toml_text import toml_text
from edgedescent_sims.result import SimulationResult, Timing

_TEMPLATES = Path(__file__).with_name("templates")
_PURPOSE = "A report"


def render_report(
    results: Sequence[SimulationResult],
    timings: Mapping[str, Sequence[Timing]] | None = None,
    *,
    title: str = "Simulation report",
) -> str:
    """Render the results as one HTML page with everything in it: styles, scripts and data.

    The same results give the same page to the last byte.

    Args:
        results: Results of one or more scenarios, in the order of the report.
        timings: Costs of the candidates by the name of the scenario.
        title: Title of the page.

    Raises:
        ConfigError: If there are no results, or a package of the extra `simulate` is not installed.
    """
    if not results:
        raise ConfigError("A report needs at least one result.", "Run a scenario first.")
    jinja2 = import_extra("jinja2", "Jinja2", _PURPOSE)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {name: getattr(module, name) for module, names in _FUNCTIONS.items() for name in names} | {
        "sparkline_svg": sparkline_svg,
        "toml_text": toml_text,
    }
    environment.globals["breakable"] = lambda name: jinja2.utils.markupsafe.Markup(_breakable(name))
    environment.filters["get_score"] = dict.get
    scripts = {name: _text(name) for name in ("theme.js", "report.js")} | {"uplot.js": _uplot("uPlot.iife.js")}
    page: str = environment.get_template("report.html").render(
        title=title,
        version=results[0].version,
        results=list(zip(view.anchors(results), results, strict=True)),
        columns=view.overview_columns(results),
        timings={name: {t.candidate: t for t in costs} for name, costs in (timings or {}).items()},
        counts=view.bar_counts(bar for result in results for bar in result.bars),
        bar_states=view.BAR_STATES,
        dash=figures.DASH,
        styles=_uplot("uPlot.min.css") + "\n" + _text("report.css"),
        scripts=scripts,
        script_hashes=" ".join(_hash(text) for text in scripts.values()),
    )
    return page


def write_report(
    path: Path,
    results: Sequence[SimulationResult],
    timings: Mapping[str, Sequence[Timing]] | None = None,
    *,
    title: str = "Simulation report",
) -> None:
    """Write the page of `render_report` to a file, which is replaced at once.

    Raises:
        ConfigError: If there are no results, a package is not installed, or the file cannot be written.
    """
    page = render_report(results, timings, title=title)
    try:
        replace_atomically(path, page.encode(), sync=False, mode=0o666)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", "Give a file in a folder that exists.") from None


_FUNCTIONS: dict[Any, tuple[str, ...]] = {
    view: (
        "bar_counts",
        "bar_state",
        "bar_value",
        "candidate_named",
        "chart_text",
        "headline",
        "interval_plot",
        "is_best",
        "main_value",
        "ranked",
        "recovery_columns",
        "recovery_rows",
        "score_columns",
        "spark_of",
        "verdict",
        "worst_recovery",
    ),
    figures: (
        "best_of",
        "bytes_text",
        "figure",
        "heading",
        "interval_text",
        "p_value_text",
        "recovery_text",
        "score_name",
        "unfinished_text",
    ),
    result: ("lower_is_better",),
    chart_data: ("chart_data", "recovery_charts", "script_json"),
}


def _breakable(name: str) -> str:
    """HTML of a name that may be broken before each capital letter, for narrow columns."""
    return "<wbr>".join(escape(part) for part in re.split(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", name))


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _uplot(name: str) -> str:
    """Text of a file of uPlot, the license at its top included.

    Read from the package's folder, because importing it would import IPython.
    """
    text = (extra_folder("uplot", "uplot-python", _PURPOSE) / "static" / name).read_text(encoding="utf-8")
    # A parser of HTML would take the script to end here, whatever stands around it.
    return re.sub(r"</(?=script|style)", r"<\\/", text, flags=re.IGNORECASE)


def _hash(script: str) -> str:
    """Source expression of a script for the page's content security policy, which forbids all others."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
