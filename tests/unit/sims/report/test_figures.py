"""Text of figures, sparklines and TOML in reports."""

from __future__ import annotations

import math
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent_sims.report import sparkline, sparkline_svg
from edgedescent_sims.report.figures import DASH, best_of, figure, recovery_text, score_name, unfinished_text
from edgedescent_sims.report.toml_text import toml_text
from edgedescent_sims.report.view import bar_state, verdict, worst_recovery
from edgedescent_sims.result import Bar, Difference, Interval
from support.simulation_results import simulation_result
from support.xml_text import parse_xml

VALUES = st.lists(st.none() | st.floats(), max_size=60)


@given(st.floats(-1e12, 1e12))
def test_a_figure_is_near_its_value(value: float) -> None:
    assert float(figure(value).replace(",", "")) == pytest.approx(value, rel=6e-3, abs=1e-300)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_no_number_is_a_dash(value: float | None) -> None:
    assert figure(value) == DASH


def test_only_a_recovery_is_not_within_the_horizon() -> None:
    assert recovery_text("recovery", Interval(None)) == "not within the horizon"
    assert recovery_text("max_performance_loss", Interval(None)) == DASH
    assert recovery_text("duration", None) == DASH
    assert unfinished_text("duration", Interval(20.0, by_seed=[20.0, None])) == "1 of 2 seeds not within the horizon"


def test_names_of_scores() -> None:
    assert [score_name(name) for name in ("mae", "quantile_loss", "ndcg_at_5")] == ["MAE", "quantile loss", "NDCG@5"]


def test_the_best_needs_a_rival_and_a_direction() -> None:
    scores: list[Interval | None] = [Interval(2.0), None, Interval(1.0), Interval(None)]
    assert best_of(scores, True) == 1.0
    assert best_of(scores, False) == 2.0
    assert best_of(scores, None) is None
    assert best_of(scores[:2], True) is None


@pytest.mark.parametrize(
    ("failed", "expected", "state"),
    [(False, "", "held"), (True, "", "failed"), (True, "why", "expected"), (False, "why", "surprise")],
)
def test_states_of_a_bar(failed: bool, expected: str, state: str) -> None:
    bar = Bar("mae > 1", "linear", 1.0, failed, expected)
    assert bar_state(bar) == state


@pytest.mark.parametrize(
    ("kind", "value", "p_value", "winner"),
    [
        ("features", -0.1, 0.01, "first"),
        ("features", 0.1, 0.01, "second"),
        ("ratings", -0.1, 0.01, "second"),
        ("features", -0.1, 0.2, "none"),
        ("features", -0.1, None, "none"),
    ],
)
def test_who_is_better(kind: str, value: float, p_value: float | None, winner: str) -> None:
    result = simulation_result(kind=kind)
    assert verdict(result, Difference("a", "b", result.main_score, Interval(value), p_value))[1] == winner


def test_the_worst_recovery_is_one_that_does_not_end() -> None:
    worst = worst_recovery(simulation_result())
    assert worst is not None
    assert worst.candidate == "MLPRegressor"
    assert worst_recovery(simulation_result(drifts=())) is None


class TestSparkline:
    @given(VALUES, st.integers(1, 40))
    def test_has_a_block_for_each_share(self, values: list[float | None], width: int) -> None:
        text = sparkline(values, width)
        assert len(text) == min(width, len(values))
        assert set(text) <= set(" ▁▂▃▄▅▆▇█")

    def test_of_a_constant_is_low(self) -> None:
        assert sparkline([5.0] * 4) == "▁▁▁▁"

    @pytest.mark.parametrize("unit", [1.0, 5e-324, 2.0**1023])
    def test_the_unit_does_not_matter(self, unit: float) -> None:
        assert sparkline([-unit, -unit, 0.0, unit, unit, unit], 3) == "▁▆█"

    @given(VALUES, st.text())
    def test_svg_is_well_formed(self, values: list[float | None], label: str) -> None:
        printable = "".join(c for c in label if c.isprintable())
        picture = parse_xml(sparkline_svg(values, [0.5, 2.0], printable))
        assert picture.get("aria-label", "") == printable


KEYS = st.text(max_size=6)
SCALARS = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
TABLES = st.recursive(
    st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=3), max_size=3),
    lambda tables: st.dictionaries(KEYS, SCALARS | tables | st.lists(tables, min_size=1, max_size=3), max_size=3),
    max_leaves=8,
)


@given(TABLES)
def test_toml_is_read_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(table)) == table


def test_long_lists_take_a_line_for_each_entry() -> None:
    assert toml_text({"a": ["x" * 60, "y" * 60], "b": None}) == f'a = [\n  "{"x" * 60}",\n  "{"y" * 60}",\n]\n'
