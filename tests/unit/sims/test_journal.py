"""A device's journal as a source: repeats are left out as the device leaves them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from edgedescent_sims.sources import JournalSource

SENT: list[tuple[str, dict[str, Any]]] = [
    ("plant/a", {"id": 1, "x": {"t": 1}, "y": 1}),
    ("plant/b", {"id": 1, "x": {"t": 1}, "y": 1}),
    ("plant/a", {"id": 1, "x": {"t": 1.0}, "y": 1, "sent": 3}),
    ("plant/a", {"id": "1", "x": {"t": 1}, "y": 1}),
    ("plant/a", {"id": 1, "x": {"t": 2}, "y": 1}),
    ("plant/a", {"id": 2, "x": {"t": 3}}),
    ("plant/a", {"id": 2, "x": {"t": 3}, "y": 5}),
    ("plant/a", {"id": 2, "x": {"t": 3}}),
    ("plant/a", {"id": 2, "x": {"t": 3}, "y": 5}),
]


@pytest.mark.parametrize(("id_scope", "left_out"), [("topic", 2), ("device", 3)])
def test_repeats_are_left_out(tmp_path: Path, id_scope: Literal["topic", "device"], left_out: int) -> None:
    path = tmp_path / "recording.jsonl"
    lines = [
        {"position": i, "received_at": float(i), "topic": topic, "payload": json.dumps(event)}
        for i, (topic, event) in enumerate(SENT, start=1)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    source = JournalSource(str(path), id_scope=id_scope)
    (batch,) = source.batches()
    assert len(batch.y) == len(SENT) - left_out
    assert source.skipped_rows.rows == left_out


def test_what_is_said_about_items_is_no_event_to_replay(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    about: dict[str, Any] = {"item": "tea", "x": {"title": "Tea"}, "available": False}
    sent: list[Any] = [about, [about, {"user": "ann", "item": "tea", "y": 1}], {"user": "bob", "item": 7, "y": 1}]
    lines = [
        {"position": i, "received_at": float(i), "topic": "shop/events", "payload": json.dumps(event)}
        for i, event in enumerate(sent, start=1)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    source = JournalSource(str(path))
    assert source.kind == "ratings"
    (batch,) = source.batches()
    assert (batch.columns["user"].tolist(), batch.columns["item"].tolist()) == (["ann", "bob"], ["tea", "7"])
    assert source.skipped_rows.rows == 2
