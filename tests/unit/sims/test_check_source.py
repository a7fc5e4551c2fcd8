"""The checks of sources: every kind passes them, and each broken promise is noticed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgedescent_sims.sources import SOURCES, Event, Kind, SkippedRows, open_source
from edgedescent_sims.testing import check_source


def test_every_kind_passes(tmp_path: Path) -> None:
    table, ratings, recording = tmp_path / "a.csv", tmp_path / "r.dat", tmp_path / "j.jsonl"
    table.write_text("x,y\n1,1\nword,2\n3,\n")
    ratings.write_text("a::b::5::2\nc::d::4::1\nbad\n")
    recording.write_text('{"position":1,"received_at":1.0,"topic":"t","payload":"1"}\nbad\n')
    sources = {
        "csv": open_source(table, target="y"),
        "ratings": open_source(ratings),
        "recording": open_source(recording),
        "river": open_source("ChickWeights"),
    }
    assert set(sources) == set(SOURCES.built_in)
    for name, source in sources.items():
        assert type(source) is SOURCES[name]
        check_source(source)


class Scripted:
    """A source that yields one list of events after another."""

    def __init__(self, kind: Kind, *readings: list[Event], length: int | None = None, count: bool = True) -> None:
        self.name = "scripted"
        self.kind = kind
        self.skipped_rows = SkippedRows()
        self._readings = readings
        self._read = 0
        self._length = length
        self._count_anew = count

    def length(self) -> int | None:
        return self._length

    def events(self) -> Iterator[Event]:
        if self._count_anew:
            self.skipped_rows.reset()
        self.skipped_rows.row(1, "it is faulty")
        reading = self._readings[min(self._read, len(self._readings) - 1)]
        self._read += 1
        yield from reading


def event(number: int, **changes: Any) -> Event:
    return {"id": f"s-{number}", "x": {"a": 1.0}, "y": 2.0, **changes}


def test_what_keeps_its_promises_passes() -> None:
    check_source(Scripted("features", [event(1), event(2)], length=2))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Scripted("features", []), "no events"),
        (Scripted("features", [event(1)], [event(2)]), "other events when it is read again"),
        (Scripted("features", [event(1)], count=False), "`skipped_rows` counts"),
        (Scripted("features", [event(1), event(2)], length=1), r"`length\(\)` is 1 for 2 events"),
        (Scripted("features", [event(1), event(1)]), "only 1 different ids"),
        (Scripted("features", [event(1, user="u")]), "an event has"),
        (Scripted("features", [event(1, id=7)]), "`id` is 7, not text"),
        (Scripted("features", [event(1, x={"a": float("inf")})]), "`a` of the event 's-1' is inf"),
        (Scripted("features", [event(1, x={"a": 1})]), "`a` of the event 's-1' is 1, not a finite float"),
        (Scripted("ratings", [event(1)]), "a rating has"),
        (Scripted("ratings", [{"id": "1", "user": 7, "item": "i", "y": 1.0}]), "`user` is 7, not text"),
        (Scripted("ratings", [{"id": "1", "user": "u", "item": "i", "y": "5"}]), "`y` of the event '1' is '5'"),
        (Scripted("recorded", [event(1)]), "a message has"),
        (Scripted("recorded", [{"topic": "t", "payload": "x"}]), "a payload is 'x', not bytes"),
    ],
)
def test_a_broken_promise_is_noticed(source: Scripted, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_source(source)


def test_a_source_of_another_package_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "othersources.py").write_text(
        "class LogSource:\n"
        "    def __init__(self, spec, options):\n"
        "        self.spec, self.target = spec, options.target\n"
        "    @classmethod\n"
        "    def recognizes(cls, spec):\n"
        "        return spec.endswith('.log')\n"
    )
    info = tmp_path / "othersources-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: othersources\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[edgedescent.sources]\nlog = othersources:LogSource\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "othersources", raising=False)
    path = tmp_path / "a.log"
    path.write_text("x,y\n1,2\n")
    source: Any = open_source(path, target="y")
    assert (type(source).__name__, source.spec, source.target) == ("LogSource", str(path), "y")
    assert type(open_source(path.rename(tmp_path / "a.csv"), target="y")) is SOURCES["csv"]
