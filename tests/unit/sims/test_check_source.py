"""The checks of sources: every kind passes them, and each broken promise is noticed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedescent_sims.sources import SOURCES, Batch, Kind, Source, open_source
from edgedescent_sims.sources.generator import Generator
from edgedescent_sims.testing import check_source

pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")

GENERATORS = [name for name in SOURCES.built_in if issubclass(SOURCES[name], Generator)]


@pytest.mark.parametrize("name", SOURCES.built_in)
def test_every_kind_passes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.file"
    target = None
    if name == "CsvSource":
        rows = "1,2024-01-01 10:00,a,1\nword,,NA,2\n3,2024-01-02 10:00,b,\n4,5\n,bad,c,7\n" * 900
        path.write_text(f"x,when,site,y\n{rows}")
        target = "y"
    elif name == "ParquetSource":
        pq.write_table(pa.table({"x": [1.0, None, float("inf")], "site": ["a", None, "b"], "y": [1, 2, None]}), path)
        target = "y"
    elif name == "RatingsSource":
        path.write_text("a::b::5::2\nc::d::4::1\nbad\n")
    elif name == "JournalSource":
        lines = [r'{"x": {"a": 1, "b": {"c": true}, "d": "e"}, "y": 2}', r'[{"x": {}}, {"x": {"a": "word"}, "y": 1}]']
        recorded = [{"position": 1, "received_at": 1.0, "topic": "t", "payload": line} for line in lines]
        import json

        path.write_text("".join(f"{json.dumps(line)}\n" for line in recorded) + "bad\n")
    source = open_source(
        "ChickWeights" if name == "RiverSource" else name if name in GENERATORS else path, target=target
    )
    assert type(source) is SOURCES[name]
    check_source(source)


@dataclass(kw_only=True, eq=False)
class Scripted(Source):
    """A source that yields one list of batches after another."""

    readings: list[list[Batch]] = field(kw_only=False, default_factory=list)
    shape: str = "features"
    states: int | None = None
    count_anew: bool = True

    _read: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        return "scripted"

    @property
    def kind(self) -> Kind:
        return self.shape  # type: ignore[return-value]

    def length(self) -> int | None:
        return self.states

    def batches(self) -> Iterator[Batch]:
        if self.count_anew:
            self.skipped_rows.reset()
        self.skipped_rows.row(1, "it is faulty")
        self._read += 1
        yield from self.readings[min(self._read, len(self.readings)) - 1]


def batch(*ys: float, column: Any = 1.0, name: str = "a", dtype: Any = np.float64, **changes: Any) -> Batch:
    columns = {name: np.full(len(ys), column, dtype=dtype)}
    return Batch.of(columns, np.array(ys, dtype=np.float64)).replace(**changes)


def ratings(user: Any, **more: Any) -> Batch:
    texts = {"user": user, "item": "i", **more}
    return Batch.of({name: np.array([text], dtype=object) for name, text in texts.items()}, np.array([1.0]))


def test_what_keeps_its_promises_passes() -> None:
    check_source(Scripted([[batch(1.0, np.nan)]], states=2))
    check_source(Scripted([[ratings("u")]], shape="ratings"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Scripted([[]]), "no events"),
        (Scripted([[batch(1.0)]], shape="recorded"), "`kind` is 'recorded'"),
        (Scripted([[batch(1.0)], [batch(2.0)]]), "other batches when it is read again"),
        (Scripted([[batch(1.0)]], count_anew=False), "`skipped_rows` counts"),
        (Scripted([[batch(1.0, 2.0)]], states=1), r"`length\(\)` is 1, but a number is 2"),
        (Scripted([[batch(1.0), batch(2.0)]]), "numbers of its events do not rise"),
        (Scripted([[batch(1.0, number=np.array([0]))]]), "the number 0"),
        (Scripted([[batch(1.0, number=np.array([1.0]))]]), "`number` of a batch is of float64"),
        (Scripted([[batch(1.0, y=np.array([np.inf]))]]), "`y` of a batch is infinite"),
        (Scripted([[batch(1.0, time=np.array([np.nan]))]]), "`time` of a batch is NaN"),
        (Scripted([[batch(1.0, target=np.array([1.0, 2.0]))]]), "`target` of a batch of 1 has the shape"),
        (Scripted([[batch(1.0, column=np.inf)]]), "'a' holds an infinite number"),
        (Scripted([[batch(1.0, dtype=np.int64)]]), "'a' is of int64"),
        (Scripted([[batch(1.0, dtype=object)]]), r"'a' holds \[1.0\], neither text nor None"),
        (Scripted([[batch(1.0, name="")]]), "a column is named ''"),
        (Scripted([[batch(1.0)]], shape="ratings"), "a batch of ratings has the columns"),
        (Scripted([[ratings(None)]], shape="ratings"), "a rating has no user"),
        (Scripted([[ratings("u", day="mon")]], shape="ratings"), "a batch of ratings has the columns"),
    ],
)
def test_a_broken_promise_is_noticed(source: Scripted, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_source(source)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (lambda _self, _prefix=None: iter([]), "other events than `batches"),
        (lambda self, _prefix=None: next(self.batches()).events("scripted-"), "does not use its prefix"),
    ],
)
def test_events_must_be_those_of_the_batches(
    events: Callable[..., Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "events", events)
    with pytest.raises(AssertionError, match=message):
        check_source(Scripted([[batch(1.0)]]))


def test_a_source_of_another_package_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "othersources.py").write_text(
        "from edgedescent_sims.sources.csv import CsvSource\n"
        "class LogSource(CsvSource):\n"
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
    assert (type(source).__name__, source.path, source.target) == ("LogSource", str(path), "y")
    assert type(open_source(path.rename(tmp_path / "a.csv"), target="y")) is SOURCES["CsvSource"]
