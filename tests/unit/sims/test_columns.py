"""Columns of tables: cells become numbers by one set of rules, and what a column holds is inferred."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent.errors import ConfigError
from edgedescent_sims.sources import Batch, open_source
from edgedescent_sims.sources.csv import CsvSource
from edgedescent_sims.sources.parquet import ParquetSource
from edgedescent_sims.sources.parsing import to_number, to_numbers
from edgedescent_sims.sources.ratings import RatingsSource

CELLS = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(
        ("", "NA", " na ", "null", "NULL", "?", "None", "True", "false", " TRUE", "1_000", "inf", "-Infinity", "nan")
    ),
    st.sampled_from(
        (
            "-nan",
            "1e999",
            "-0",
            "+1",
            ".5",
            "5.",
            "007",
            "1,5",
            "[1]",
            '"1"',
            "word",
            " 1 ",
            "\t2\n",
            "\uff11",
            "1 2",
            "\ud800",
        )
    ),
    st.text(max_size=5),
    st.none() | st.booleans() | st.floats() | st.integers(),
)


@given(st.lists(CELLS, max_size=20))
@settings(max_examples=500, deadline=None)
def test_columns_are_converted_as_cells_are(cells: list[Any]) -> None:
    numbers, unreadable = to_numbers(cells)
    expected: list[float] = []
    wrong = []
    for place, cell in enumerate(cells):
        try:
            number = to_number(cell)
        except ValueError:
            wrong.append(place)
            number = None
        expected.append(math.nan if number is None else number)
    assert unreadable == wrong
    np.testing.assert_array_equal(numbers, np.array(expected))
    assert numbers.dtype == np.float64


def table(folder: Path, text: str, **options: Any) -> tuple[Batch, list[str]]:
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8")
    source = CsvSource(str(path), "y", **options)
    source.skipped_rows.notify = (notices := []).append
    return Batch.concatenate(list(source.batches())), notices


NOON = datetime(2024, 3, 5, 12, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("at", ["2024-03-05T12:00:00Z", "2024-03-05T13:00:00Z"]),
        ("at", ["2024-03-05T13:00:00+01:00", "2024-03-05T14:00:00+01:00"]),
        ("at", ["2024-03-05 12:00", "2024-03-05 13:00:00.000"]),
        ("at", ["05.03.2024 12:00", "05.03.2024 13:00"]),
        ("at", ["3/5/2024 12:00:00 PM", "3/5/2024 1:00:00 PM"]),
        ("at", ["2024/03/05 12:00", "2024/03/05 13:00"]),
        ("timestamp", [str(NOON), str(NOON + 3600)]),
        ("unix_time", [f"{NOON * 1000:.0f}", f"{(NOON + 3600) * 1000:.0f}"]),
    ],
)
def test_times_are_recognized_by_content(name: str, cells: list[str], tmp_path: Path) -> None:
    batch, _ = table(tmp_path, f"{name},y\n{cells[0]},1\n{cells[1]},2\n")
    assert batch.time.tolist() == [NOON, NOON + 3600]
    assert batch.columns[f"{name}.hour"].tolist() == ["12h", "13h"]
    assert batch.columns[f"{name}.weekday"].tolist() == ["Tuesday", "Tuesday"]
    assert batch.columns[f"{name}.month"].tolist() == ["March", "March"]
    assert batch.columns[f"{name}.day_cos"][0] == pytest.approx(-1.0)


def test_a_time_that_is_missing_or_wrong_is_that_of_the_event_before(tmp_path: Path) -> None:
    rows = ["2024-03-05 12:00,1", ",2", *["2024-03-05 12:00,1"] * 998, "later,3"]
    batch, notices = table(tmp_path, "at,y\n" + "\n".join(rows) + "\n")
    assert set(batch.time.tolist()) == {NOON}
    assert batch.columns["at.hour"][1] is None
    assert notices == ["Row 1001: at is left out, 'later' is not a finite number."]


def test_calendar_and_time_can_be_chosen(tmp_path: Path) -> None:
    text = "a,b,y\n2024-03-05,2023-01-01,1\n2024-03-06,2023-01-02,2\n"
    batch, notices = table(tmp_path, text, time="b", calendar=False)
    assert (batch.time[0], dict(batch.columns)) == (datetime(2023, 1, 1, tzinfo=UTC).timestamp(), {})
    assert notices[0] == "Left out, as b is the time of the events: a."
    batch, notices = table(tmp_path, text, categories=("a",), drop=("b",))
    assert batch.columns["a"].tolist() == ["2024-03-05", "2024-03-06"]
    assert batch.time.tolist() == [1.0, 2.0]


def test_numbers_and_categories_can_be_chosen(tmp_path: Path) -> None:
    text = "code,load,y\n7,x,1\n8,2,2\n"
    batch, _ = table(tmp_path, text)
    assert (batch.columns["code"].dtype, batch.columns["load"].tolist()) == (np.float64, ["x", "2"])
    batch, notices = table(tmp_path, text, categories=("code",), numbers=("load",))
    assert batch.columns["code"].tolist() == ["7", "8"]
    np.testing.assert_array_equal(batch.columns["load"], [np.nan, 2.0])
    assert notices == ["Row 1: load is left out, 'x' is not a finite number."]
    with pytest.raises(ConfigError, match="'load' of a is given both as `categories` and as `numbers`"):
        table(tmp_path, text, categories=("load",), numbers=("load",))


def test_ids_are_left_out_with_a_notice(tmp_path: Path) -> None:
    rows = "".join(f"id-{place},{place % 3},{place}\n" for place in range(100))
    batch, notices = table(tmp_path, f"key,x,y\n{rows}")
    assert list(batch.columns) == ["x"]
    assert notices == ["Left out, as nearly every row has another text: key ('id-0')."]


@pytest.mark.parametrize(("skip", "limit"), [(0, None), (3, None), (0, 5), (4000, 200), (9, 1)])
def test_a_part_of_a_table_is_that_part(skip: int, limit: int | None, tmp_path: Path) -> None:
    rows = "".join(f"{place},{place}\n" for place in range(5000))
    path = tmp_path / "a.csv"
    path.write_text(f"x,y\n{rows}")
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"x": range(5000), "y": range(5000)}), tmp_path / "a.parquet")
    stop = 5000 if limit is None else min(5000, skip + limit)
    for source in (
        CsvSource(str(path), "y", skip=skip, limit=limit),
        ParquetSource(str(tmp_path / "a.parquet"), "y", skip=skip, limit=limit),
    ):
        batch = Batch.concatenate(list(source.batches()))
        assert batch.y.tolist() == list(range(skip, stop))
        assert batch.number.tolist() == list(range(1, stop - skip + 1))
        assert source.length() == stop - skip


@pytest.mark.parametrize("text", ['x,y\n1,"2"\n"a\nb",3\n', "x,y\r\n1,2\r\n\r\n3,4\r\n", "x,y\n\n1,2\n3,4"])
def test_rows_are_counted_as_they_are_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, newline="")
    source = CsvSource(str(path), "y")
    assert source.length() == sum(len(batch) for batch in source.batches()) == 2


def test_a_long_file_takes_no_more_memory_and_any_cut_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(3)
    cells = ["1.5", "", "2", "word", "NA"]
    rows = "".join(f"{rng.choice(cells)},{rng.choice('abc')},{rng.choice(cells)}\n" for _ in range(900)) + "1\n"
    path = tmp_path / "a.csv"
    path.write_text(f"x,c,y\n{rows}")
    source = CsvSource(str(path), "y", numbers=("x",))
    before = list(source.events())
    counts = (source.skipped_rows.rows, source.skipped_rows.cells)
    monkeypatch.setattr("edgedescent_sims.sources.csv.BATCH_EVENTS", 7)
    monkeypatch.setattr("edgedescent_sims.sources.csv._PIECE_ROWS", 3)
    assert list(source.events()) == before
    assert (source.skipped_rows.rows, source.skipped_rows.cells) == counts
    assert max(len(batch) for batch in source.batches()) < 10


def test_parquet_has_the_types_of_its_file(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    times = [datetime(2024, 3, 5, 12), datetime(2024, 3, 5, 13)]
    columns = {
        "at": times,
        "n": [1, None],
        "ok": [True, False],
        "site": ["a", None],
        "tags": [["x"], []],
        "y": [1.5, 2],
    }
    path = tmp_path / "a.bin"
    pq.write_table(pa.table(columns), path)
    source = open_source(path, target="y", notify=(notices := []).append)
    (batch,) = source.batches()
    assert isinstance(source, ParquetSource)
    assert batch.time.tolist() == [NOON, NOON + 3600]
    np.testing.assert_array_equal(batch.columns["n"], [1.0, np.nan])
    assert (batch.columns["ok"].tolist(), batch.columns["site"].tolist()) == ([1.0, 0.0], ["a", None])
    assert notices == ["Left out, as they hold neither numbers nor texts: tags."]
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ConfigError, match="cannot be read"):
        ParquetSource(str(path), "y")


def test_ratings_of_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("userId,movieId,rating,timestamp\n1,7,4.0,300\n2,8,5.0,100\n3,9,x,200\n1,8,2.5,100\n")
    source = open_source(path)
    assert isinstance(source, RatingsSource)
    (batch,) = source.batches()
    assert batch.columns["user"].tolist() == ["2", "1", "1"]
    assert (batch.y.tolist(), batch.time.tolist()) == ([5.0, 2.5, 4.0], [100.0, 100.0, 300.0])
    assert source.skipped_rows.rows == 1
    (liked,) = RatingsSource(str(path), likes_from=4.0).batches()
    assert (liked.columns["item"].tolist(), liked.y.tolist()) == (["8", "7"], [1.0, 1.0])
