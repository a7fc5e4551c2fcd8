"""Payload formats written in Python: found by name, and learned like any other."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from edgedescent import LinearRegressor, LogisticRegressor
from edgedescent.config import load
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Effect, Message, Predictions
from edgedescent.errors import ConfigError, InvalidEventError
from edgedescent.formats import FORMATS, Event, FeatureEvent, Format, JsonFormat, Piece, Rejected, refused
from edgedescent.testing.support import bits


class TableFormat(Format):
    """Rows of text, ``id,a,y``, an event each; ``?`` as target asks for a prediction. Two rows make a piece."""

    def decode(self, payload: bytes) -> Iterable[Piece]:
        rows = payload.split(b"\n")
        if len(rows) > self.events_per_message_max:
            return [refused("too_many_events", f"There are {len(rows)} rows.", payload)]
        return self._pieces(rows)

    def _pieces(self, rows: list[bytes]) -> Iterable[Piece]:
        for start in range(0, len(rows), 2):
            piece = Piece([], [], is_array=len(rows) > 1)
            for place, row in enumerate(rows[start : start + 2], start):
                try:
                    name, a, y = row.decode().split(",")
                    event = FeatureEvent({"a": float(a)}, None if y == "?" else float(y), name or None)
                    piece.events.append((place, event))
                except ValueError as error:
                    piece.rejected.append(Rejected(place, InvalidEventError("malformed", str(error)), row))
            yield piece

    def encode(self, event: Event) -> bytes:
        assert isinstance(event, FeatureEvent)
        return f"{event.id or ''},{event.x['a']},{event.y}".encode()


def send(engine: Engine, payload: bytes, **fields: Any) -> list[Effect]:
    return engine.handle(Message(engine.position + 1, 5.0, "events", payload, **fields))


def test_its_events_are_learned_like_those_of_json() -> None:
    table, json = Engine(LinearRegressor(), payload_format=TableFormat), Engine(LinearRegressor())
    assert send(table, b"p,1.5,2") == send(json, b'{"id": "p", "x": {"a": 1.5}, "y": 2}')
    rows = b"q,1,2\np,1.5,2\n,3,4\n,3,?\nr,2,5"
    array = (
        b'[{"id": "q", "x": {"a": 1}, "y": 2}, {"id": "p", "x": {"a": 1.5}, "y": 2}, {"x": {"a": 3}, "y": 4},'
        b' {"x": {"a": 3}}, {"id": "r", "x": {"a": 2}, "y": 5}]'
    )
    first = send(table, rows, packet_id=7)
    assert first == send(json, array, packet_id=7)
    assert isinstance(first[0], Predictions)
    again = {"packet_id": 7, "duplicate": True}
    assert send(table, rows, **again) == send(json, array, **again)
    assert table.counters == json.counters
    assert table.counters["duplicates.redelivered"] == 1
    assert table.counters["duplicates.id"] == 4
    assert bits(table.learner) == bits(json.learner)


def test_its_dead_letters_are_in_the_format_that_they_came_in() -> None:
    engine = Engine(LogisticRegressor(), payload_format=TableFormat, events_per_message_max=4, payload_bytes_max=50)
    answer, *letters = send(engine, b"p,1,1\nq,x,1\nr,2,7\ns,1,0")
    assert isinstance(answer, Predictions)
    found = [(letter.index, letter.reason, letter.payload) for letter in letters if isinstance(letter, DeadLetter)]
    assert found == [(1, "malformed", b"q,x,1"), (2, "wrong_type", b"r,2.0,7.0")]
    (letter,) = send(engine, b"t,1,7")
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.payload) == ("wrong_type", b"t,1,7")
    for payload, reason in ((b"\n" * 5, "too_many_events"), (b"1" * 51, "too_large")):
        (letter,) = send(engine, payload)
        assert isinstance(letter, DeadLetter)
        assert (letter.reason, letter.payload) == (reason, payload)


def test_a_target_that_is_no_number_is_a_dead_letter() -> None:
    class Careless(TableFormat):
        def decode(self, payload: bytes) -> Iterable[Piece]:
            return [Piece([(0, FeatureEvent({"a": 1.0}, payload))], [])]  # type: ignore[arg-type]

    engine = Engine(LinearRegressor(), payload_format=Careless)
    (letter,) = send(engine, b"2")
    assert isinstance(letter, DeadLetter)
    assert letter.error == "The target must be a number. Got b'2'."
    assert engine.metrics()["events_learned"] == 0


def test_a_configuration_finds_formats_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "device.toml"
    file.write_text('device = "pump"\n', encoding="utf-8")
    assert type(load(file).build_engine().format) is JsonFormat
    file.write_text('device = "pump"\n[topics]\nformat = "rows"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"`topics\.format` is 'rows': expected one of json\b"):
        load(file)
    (tmp_path / "my_formats.py").write_text(
        "from edgedescent.formats import JsonFormat\nclass Rows(JsonFormat):\n    pass\n", encoding="utf-8"
    )
    info = tmp_path / "my_formats-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_formats\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[edgedescent.formats]\nrows = my_formats:Rows\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(FORMATS) == {*FORMATS.built_in, "rows"}
    assert type(load(file).build_engine().format).__name__ == "Rows"
    monkeypatch.delitem(sys.modules, "my_formats")
