"""Made-up content of a state file, and direct access to the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.state.store import FILE, Store
from support.state_folder import NOW

LEARNER = {"type": "LinearRegressor"}


def received(*positions: int) -> list[Message]:
    """Messages whose topics, payloads and times follow from their positions."""
    return [Message(position, NOW + position, f"topic/{position}", b"%d" % position) for position in positions]


def a_state(number: int = 0, size: int = 1) -> dict[str, Any]:
    """State of an engine, reduced to one array."""
    return {"w": np.full(size, float(number))}


def a_dead_letter(position: int, index: int = 0, reason: str = "malformed") -> DeadLetter:
    """Dead letter of the message at a position."""
    return DeadLetter(position, index, NOW, "t", reason, "It is wrong.", b"%d" % position)


def read(store: Store, after: int = 0, up_to: int | None = None) -> list[int]:
    """Positions of the readable messages of a store, whose topics and payloads must be those of `received`."""
    messages = list(store.read(after, up_to))
    assert all(m.payload == b"%d" % m.position and m.topic == f"topic/{m.position}" for m in messages)
    return [message.position for message in messages]


def sql(folder: Path, statement: str, *values: object) -> list[Any]:
    """Run a statement on a state file, to damage or to examine it."""
    database = sqlite3.connect(folder / FILE)
    with database:
        rows = database.execute(statement, values).fetchall()
    database.close()
    return rows
