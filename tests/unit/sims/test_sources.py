from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgedescent.errors import ConfigError
from edgedescent_sims.sources import Event, Source, open_source
from edgedescent_sims.sources.parsing import to_number
from edgedescent_sims.sources.river import RiverSource

WEATHER = """\
day,temp,wind,sunny,note,cnt
2024-01-01,1.5,3,True,cold,10
2024-01-02,,4,False,,11
2024-01-03,2.5,NA,True,mild,12
"""


def write(path: Path, text: str) -> Path:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as stream:
        stream.write(text)
    return path


def day(place: int) -> dict[str, str]:
    return {"day.weekday": ("Monday", "Tuesday", "Wednesday")[place], "day.month": "January"}


def read(path: Path | str, id_prefix: str | None = None, **options: Any) -> tuple[Source, list[Event], list[str]]:
    notices: list[str] = []
    source = open_source(path, notify=notices.append, **options)
    return source, list(source.events(id_prefix)), notices


# -- CSV


@pytest.mark.parametrize("name", ["weather.csv", "weather.csv.gz"])
def test_csv_becomes_events_of_numbers_and_categories(tmp_path: Path, name: str) -> None:
    source, events, notices = read(write(tmp_path / name, WEATHER), target="cnt")
    assert (source.name, source.kind, source.length()) == ("weather", "features", 3)
    assert events == [
        {"id": "weather-1", "x": {"temp": 1.5, "wind": 3.0, "sunny": 1.0, "note": "cold", **day(0)}, "y": 10.0},
        {"id": "weather-2", "x": {"wind": 4.0, "sunny": 0.0, **day(1)}, "y": 11.0},
        {"id": "weather-3", "x": {"temp": 2.5, "sunny": 1.0, "note": "mild", **day(2)}, "y": 12.0},
    ]
    assert notices == []
    (batch,) = source.batches()
    assert batch.time.tolist() == [1704067200.0, 1704153600.0, 1704240000.0]
    assert source.skipped_rows.summary() == ""


def test_reading_twice_gives_the_same_events(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "weather.csv", WEATHER), target="cnt")
    assert list(source.events()) == list(source.events())


def test_columns_can_be_dropped_and_ids_prefixed(tmp_path: Path) -> None:
    path = write(tmp_path / "weather.csv", WEATHER)
    _, events, notices = read(path, target="cnt", drop=["day", "note", "temp"], id_prefix="a/")
    assert events[0] == {"id": "a/1", "x": {"wind": 3.0, "sunny": 1.0}, "y": 10.0}
    assert notices == []


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({}, "Which column", "day, temp, wind, sunny, note, cnt"),
        ({"target": "count"}, "no target column 'count'", "Did you mean `cnt`? The columns are: day,"),
        ({"target": "cnt", "drop": ["cnt"]}, "'cnt' of weather is given both as `target` and as `drop`", ""),
        ({"target": "cnt", "drop": ["tmp"]}, "no column 'tmp', which is given as `drop`", "Did you mean `temp`?"),
        ({"target": "cnt", "categories": ["nte"]}, "no column 'nte', which is given as `categories`", "note"),
        ({"target": "cnt", "time": "note"}, "The column note of weather holds no times, but .* 'cold'", "ISO 8601"),
        ({"target": "note"}, "The target note of weather holds no number", "regression"),
    ],
)
def test_wrong_columns_are_refused_with_a_hint(
    tmp_path: Path, options: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(write(tmp_path / "weather.csv", WEATHER), **options)
    assert hint in caught.value.hint


def test_rows_that_cannot_be_used_are_reported_and_keep_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x,y\n1,1\n2,\n3,word\n4\n\n5,inf\n6,6\n")
    source, events, notices = read(path, target="y")
    assert [event["id"] for event in events] == ["a-1", "a-6"]
    assert source.skipped_rows.rows == 4
    assert notices == [
        "Row 2 is skipped: its target y is missing.",
        "Row 3 is skipped: its target y is 'word', not a finite number.",
        "Row 4 is skipped: it has 1 cells where the header has 2.",
        "Row 5 is skipped: its target y is 'inf', not a finite number.",
    ]
    assert source.skipped_rows.summary() == "Left out: 4 rows."


def test_faulty_rows_do_not_flood_the_terminal(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x,y\n1,1\n" + "2,\n" * 100)
    source, _, notices = read(path, target="y")
    assert source.skipped_rows.rows == 100
    assert len(notices) == 5


def test_columns_are_judged_by_the_first_thousand_rows(tmp_path: Path) -> None:
    rows = [f"{i},{'late' if 800 <= i < 1000 else 0},{'later' if i == 1000 else 0},{i}" for i in range(1100)]
    source, events, notices = read(write(tmp_path / "a.csv", "n,a,b,y\n" + "\n".join(rows)), target="y")
    assert notices == ["Row 1001: b is left out, 'later' is not a finite number."]
    assert events[1000]["x"] == {"n": 1000.0, "a": "0"}
    assert events[1001]["x"] == {"n": 1001.0, "a": "0", "b": 0.0}
    assert source.skipped_rows.summary() == "Left out: 1 cells."


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_other_delimiters_quotes_and_byte_order_marks(tmp_path: Path, delimiter: str) -> None:
    text = '\ufeffa,"b",y\r\n1,"2.5",3\r\n'.replace(",", delimiter)
    _, events, _ = read(write(tmp_path / "a.csv", text), target="y")
    assert events == [{"id": "a-1", "x": {"a": 1.0, "b": 2.5}, "y": 3.0}]


def test_a_running_index_without_a_name_is_no_feature(tmp_path: Path) -> None:
    _, events, _ = read(write(tmp_path / "a.csv", ",a,y\n0,1,2\n"), target="y")
    assert events[0]["x"] == {"a": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty or has no header"),
        ("1,2,3\n4,5,6\n", "holds numbers, not names"),
        ("a,a,y\n1,2,3\n", "more than one column named 'a'"),
        ("a,y\n", "has no rows"),
    ],
)
def test_files_that_are_no_table_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(write(tmp_path / "a.csv", text), target="y")


def test_a_table_of_the_target_alone_is_sent_with_a_notice(tmp_path: Path) -> None:
    _, events, notices = read(write(tmp_path / "a.csv", "when,y\nmonday,3\n"), target="y", drop=["when"])
    assert events == [{"id": "a-1", "x": {}, "y": 3.0}]
    assert "no features" in notices[0]


def test_damaged_files_are_told_in_one_line(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.csv.gz", "a,y\n" + "1,2\n" * 50_000).read_bytes()
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(whole[:100])
    latin = tmp_path / "latin.csv"
    latin.write_bytes("größe,y\n1,2\n".encode("latin-1"))
    plain = tmp_path / "plain.csv.gz"
    plain.write_text("a,y\n1,2\n")
    for path, message in ((cut, "cannot be read"), (latin, "not UTF-8"), (plain, "cannot be read")):
        with pytest.raises(ConfigError, match=message):
            read(path, target="y")


# -- ratings

RATINGS = "u1::007::5::300\nu2::8::4.5::100\nu3::9::1::200\nu4::8::2::100\nu5::7::3::200\n"


@pytest.mark.parametrize("name", ["ratings.dat", "ratings.dat.gz", "anything"])
def test_ratings_are_sorted_by_time_and_stable(tmp_path: Path, name: str) -> None:
    source, events, notices = read(write(tmp_path / name, RATINGS))
    assert (source.kind, source.length(), notices) == ("ratings", 5, [])
    assert [event["user"] for event in events] == ["u2", "u4", "u3", "u5", "u1"]
    # Ids carry the place in time, and item ids keep their leading zeros.
    assert events[-1] == {"id": f"{source.name}-5", "user": "u1", "item": "007", "y": 5.0}


def test_times_are_compared_as_numbers_not_as_text(tmp_path: Path) -> None:
    _, events, _ = read(write(tmp_path / "r.dat", "a::1::1::1000\nb::1::1::999\n"))
    assert [event["user"] for event in events] == ["b", "a"]


def test_faulty_ratings_are_reported(tmp_path: Path) -> None:
    text = "a::1::1::1\nb::1::1\nc::1::bad::1\nd::1::::1\n::1::1::1\n\ne::1::1::nan\nf::1::2::2\n"
    source, events, notices = read(write(tmp_path / "r.dat", text))
    assert [event["user"] for event in events] == ["a", "f"]
    assert source.skipped_rows.rows == 5
    assert notices[0] == "Row 2 is skipped: it has 3 fields, not user::item::rating::time."


def test_a_target_does_not_apply_to_ratings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--target cannot be given for"):
        open_source(write(tmp_path / "r.dat", RATINGS), target="y")


# -- River


@pytest.fixture
def no_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("river")
    monkeypatch.setenv("RIVER_DATA", str(tmp_path))


@pytest.mark.parametrize("name", ["ChickWeights", "chickweights"])
def test_river_data_sets_by_name(name: str) -> None:
    pytest.importorskip("river")
    source, events, notices = read(name)
    assert (source.name, source.length(), len(events), notices) == ("ChickWeights", 578, 578, [])
    assert events[0] == {"id": "ChickWeights-1", "x": {"time": 0.0, "chick": 1.0, "diet": 1.0}, "y": 42.0}


def test_times_of_river_become_calendar_features() -> None:
    pytest.importorskip("river")
    source, events, notices = read("WaterFlow")
    assert list(events[0]["x"]) == ["Time.day_sin", "Time.day_cos", "Time.hour", "Time.weekday", "Time.month"]
    assert notices == []
    assert next(source.batches()).time[0] == 1647770400.0  # 2022-03-20T10:00Z


@pytest.mark.parametrize("name", ["FriedmanDrift", "synth.friedmandrift"])
def test_generators_of_river_by_name(name: str) -> None:
    pytest.importorskip("river")
    options = {"drift_type": "gra", "position": [20, 40]}
    source = RiverSource(name, seed=42, options=options, limit=50)
    (batch,) = source.batches()
    from river.datasets import synth

    stream = synth.FriedmanDrift("gra", position=(20, 40), seed=42).take(50)
    assert [y for _, y in stream] == batch.y.tolist()
    assert list(batch.columns) == [str(place) for place in range(10)]
    assert (source.name, source.length()) == ("FriedmanDrift", 50)
    with pytest.raises(ConfigError, match="no parameter 'drift'"):
        RiverSource(name, options={"drift": "gra"})


@pytest.mark.parametrize(
    ("name", "options", "message", "hint"),
    [
        ("TrumpAproval", {}, "no file, generator or River data set", "Did you mean `TrumpApproval`?"),
        ("zzz", {}, "no file, generator or River data set", "ChickWeights"),
        ("Bikes", {}, "downloaded", "datasets.Bikes().download()"),
        ("ImageSegments", {}, "no file, generator or River data set", "regression"),
        ("ChickWeights", {"target": "weight"}, "--target cannot be given", ""),
        ("ChickWeights", {"drop": ["dite"]}, "no column 'dite'", "diet"),
    ],
)
def test_river_names_and_options_that_are_wrong(
    name: str, options: dict[str, Any], message: str, hint: str, no_downloads: None
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(name, **options)
    assert hint in caught.value.hint


def test_files_do_not_load_river(tmp_path: Path) -> None:
    path = write(tmp_path / "weather.csv", WEATHER)
    program = (
        "import sys; from edgedescent_sims.sources import open_source; "
        f"list(open_source({str(path)!r}, target='cnt').events()); "
        "sys.exit('river' in sys.modules or 'paho' in sys.modules or 'rich' in sys.modules or 'pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# -- names and cells


def test_a_missing_file_lists_near_matches(tmp_path: Path) -> None:
    write(tmp_path / "weather.csv", WEATHER)
    with pytest.raises(ConfigError, match="There is no file") as caught:
        open_source(tmp_path / "wether.csv")
    assert caught.value.hint == "Did you mean `weather.csv`?"
    with pytest.raises(ConfigError, match="not a file"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1", 1.0),
        (" -2.5e3 ", -2500.0),
        ("", None),
        ("N/A", None),
        ("?", None),
        ("nan", None),
        ("true", 1.0),
        (None, None),
        (True, 1.0),
        (3, 3.0),
        (float("nan"), None),
    ],
)
def test_cells_to_numbers(cell: object, number: float | None) -> None:
    assert to_number(cell) == number


@pytest.mark.parametrize("cell", ["word", "2011-01-01", "1_000", "1,5", "inf", "-Infinity", "1e999", [1], "0x10"])
def test_cells_that_are_no_numbers(cell: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        to_number(cell)
