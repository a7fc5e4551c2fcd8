"""Columns that give the target away are found, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgedescent_sims.sources import open_source
from edgedescent_sims.sources.leaks import giving_away

RNG = np.random.default_rng(5)
N = 400
COLUMNS = {name: RNG.normal(10.0, 3.0, N) for name in ("casual", "registered", "temp", "wind")}
TOTAL = COLUMNS["casual"] + COLUMNS["registered"]


def test_the_parts_of_a_sum_are_found() -> None:
    assert giving_away(COLUMNS, TOTAL) == ["casual", "registered"]
    assert giving_away(COLUMNS, 3.0 * COLUMNS["temp"] - 2.0) == ["temp"]
    assert giving_away(COLUMNS, TOTAL + RNG.normal(0.0, 0.1, N)) == ["casual", "registered"]


def test_what_is_not_needed_is_not_named() -> None:
    copy = {**COLUMNS, "both": TOTAL + RNG.normal(0.0, 0.01, N)}
    assert giving_away(copy, TOTAL) == ["both"]


def test_what_explains_well_is_no_leak() -> None:
    assert giving_away(COLUMNS, TOTAL + RNG.normal(0.0, 1.5, N)) == []
    assert giving_away(COLUMNS, RNG.normal(size=N)) == []


def test_an_earlier_target_is_no_leak_however_slowly_it_moves() -> None:
    level = np.cumsum(RNG.normal(size=N))
    before = {"previous": np.concatenate([[0.0], level[:-1]])}
    assert np.corrcoef(before["previous"], level)[0, 1] > 0.98
    assert giving_away({**COLUMNS, **before}, level) == []


def test_gaps_constants_and_short_tables_do_no_harm() -> None:
    gaps = {name: np.where(RNG.random(N) < 0.005, np.nan, values) for name, values in COLUMNS.items()}
    assert giving_away({**gaps, "constant": np.ones(N), "empty": np.full(N, np.nan)}, TOTAL) in (
        ["casual", "registered"],
        [],
    )
    assert giving_away(COLUMNS, np.ones(N)) == []
    assert giving_away({}, TOTAL) == []
    assert giving_away({name: values[:20] for name, values in COLUMNS.items()}, TOTAL[:20]) == []
    assert giving_away(COLUMNS, np.full(N, np.nan)) == []


def test_a_table_warns_once_with_the_option(tmp_path: Path) -> None:
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{a + b:.4f}" for a, b, c in zip(*list(COLUMNS.values())[:3], strict=True)]
    path = tmp_path / "hour.csv"
    path.write_text("\n".join(["casual,registered,temp,cnt", *rows]), encoding="utf-8")
    notices: list[str] = []
    source = open_source(str(path), target="cnt", notify=notices.append)
    list(source.events())
    list(source.events())
    (warning,) = notices
    assert warning.startswith("Warning: casual and registered together give the target cnt away almost exactly. ")
    assert warning.endswith("leave it out: --drop casual,registered")
    notices.clear()
    list(open_source(str(path), target="cnt", drop=["casual", "registered"], notify=notices.append).events())
    assert notices == []
