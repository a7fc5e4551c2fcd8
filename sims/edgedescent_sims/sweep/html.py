"""Report of a sweep as one HTML file that needs no network, in the style of the reports of simulations."""

from __future__ import annotations

import base64
import hashlib
import math
from pathlib import Path

from edgedescent_sims import report
from edgedescent_sims.report.extra import import_extra
from edgedescent_sims.report.toml_text import toml_text
from edgedescent_sims.sweep.ranking import Ranking, RelativeScore
from edgedescent_sims.sweep.sweep import SweepResult

_OWN = Path(__file__).with_name("templates")
_SHARED = Path(report.__file__).with_name("templates")
N_FAILURES_MAX = 200
_BAR_WIDTH = 140


def render_ranking(result: SweepResult, ranking: Ranking) -> str:
    """Render a ranking as one HTML page. The same ranking gives the same page to the last byte.

    Raises:
        ConfigError: If Jinja2 is not installed.
    """
    jinja2 = import_extra("jinja2", "Jinja2", "A report")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_OWN),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = {name: (_SHARED / name).read_text(encoding="utf-8") for name in ("theme.js", "report.js")}
    axis = _Axis(ranking)
    sign = "" if ranking.lower_is_better else "+"
    page: str = environment.get_template("ranking.html").render(
        ranking=ranking,
        name=f"{ranking.score} {'ratio' if ranking.lower_is_better else 'gain'}",
        scenarios=list(result.sweep.scenarios),
        seeds=result.sweep.seeds,
        best={name: _best(ranking, name) for name in result.sweep.scenarios},
        best_toml=toml_text({"learner": ranking.configurations[0].learner}),
        failures=result.failures[:N_FAILURES_MAX],
        shown=lambda value: f"{value:{sign}.3f}",
        bar=lambda relative: jinja2.utils.markupsafe.Markup(axis.bar(relative)),
        styles=(_SHARED / "report.css").read_text(encoding="utf-8"),
        scripts=scripts,
        script_hashes=" ".join(_hash(text) for text in scripts.values()),
    )
    return page


class _Axis:
    """Axis that all intervals of a ranking share; logarithmic for ratios."""

    def __init__(self, ranking: Ranking) -> None:
        self._is_ratio = ranking.lower_is_better
        ends = [0.0]
        for each in ranking.configurations:
            if each.relative is not None:
                ends += [self._place(end) for end in each.relative.seeds]
        # Far outliers would leave no room for the others.
        ends.sort()
        self._low, self._high = ends[0], max(ends[int(0.6 * (len(ends) - 1))], 0.0)
        if self._low == self._high:
            self._high += 1.0

    def _place(self, value: float) -> float:
        return math.log(max(value, 1e-12)) if self._is_ratio else value

    def _x(self, place: float) -> float:
        share = (place - self._low) / (self._high - self._low)
        return round(4 + (_BAR_WIDTH - 8) * min(max(share, 0.0), 1.0), 1)

    def bar(self, relative: RelativeScore) -> str:
        """SVG of one interval."""
        low, high = (self._x(self._place(end)) for end in relative.seeds)
        x, zero = self._x(self._place(relative.value)), self._x(0.0)
        return (
            f'<svg class="interval" viewBox="0 0 {_BAR_WIDTH} 14" width="{_BAR_WIDTH}" height="14" aria-hidden="true">'
            f'<path class="zero" d="M{zero} 0V14"/><path d="M{low} 7H{high}"/><circle cx="{x}" cy="7" r="3"/></svg>'
        )


def _best(ranking: Ranking, scenario: str) -> float | None:
    scores = [each.scores[scenario] for each in ranking.configurations]
    known = [score for score in scores if score is not None]
    if not known:
        return None
    return min(known) if ranking.lower_is_better else max(known)


def _hash(script: str) -> str:
    """Source expression of a script for the page's content security policy, which forbids all others."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
