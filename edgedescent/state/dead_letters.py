"""The dead letters as an operator handles them, beside a running daemon or without one.

Each function opens the state file for a moment and leaves it: a reader that stays would keep SQLite's log from being
taken over into the file, and it would grow.

Recovery runs the journal's tail again and with it writes the dead letters of the tail again. A letter that is purged
from there leaves an empty row in its place, which keeps it away; once no checkpoint needs that part of the journal any
more, the next purge removes the row too.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edgedescent.engine.core import DEAD_PAYLOAD_MAX
from edgedescent.engine.messages import DeadLetter
from edgedescent.errors import StateError
from edgedescent.state.recording import read
from edgedescent.state.repair import connect
from edgedescent.state.state_file import failure, require_file
from edgedescent.state.store import CHECKPOINTS_KEPT, FILE

_COLUMNS = "position, place, received_at, topic, reason, error, payload"
_PURGED = ""
"""The reason that an empty row has instead of one."""
BATCH = 200
"""How many letters are sent and purged together."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters are meant: those that everything given here fits."""

    ids: tuple[str, ...] = ()
    reason: str | None = None
    topic: str | None = None
    since: float | None = None
    """Received then or later, in seconds since 1970."""
    before: float | None = None
    """Received earlier than then."""

    def where(self) -> tuple[str, list[object]]:
        """The condition in SQL, and its values."""
        terms: list[str] = ["reason != ?"]
        values: list[object] = [_PURGED]
        for term, value in (
            ("reason = ?", self.reason),
            ("topic = ?", self.topic),
            ("received_at >= ?", self.since),
            ("received_at < ?", self.before),
        ):
            if value is not None:
                terms.append(term)
                values.append(value)
        if self.ids:
            places = [_place_of(text) for text in self.ids]
            # As JSON, because SQLite bounds how many terms a condition may have.
            terms.append(
                "((position, place) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') "
                "FROM json_each(?)) OR position IN (SELECT value FROM json_each(?)))"
            )
            whole = [position for position, place in places if place is None]
            values += [json.dumps([pair for pair in places if pair[1] is not None]), json.dumps(whole)]
        return " AND ".join(terms), values


def id_of(letter: DeadLetter) -> str:
    """The name of a letter: the message it came in, and its place there.

    >>> id_of(DeadLetter(17, 3, 0.0, "events", "malformed", "", b""))
    '17.3'
    """
    return f"{letter.position}.{letter.index}"


def find(folder: str | Path, selection: Selection, limit: int | None = None) -> list[DeadLetter]:
    """The newest letters that are meant, newest first.

    Raises:
        StateError: if there is no state or it cannot be read.
    """
    where, values = selection.where()
    with _opened(folder, "ro") as db:
        rows = db.execute(
            f"SELECT {_COLUMNS} FROM dead_letters WHERE {where} "  # noqa: S608 - our own words
            "ORDER BY position DESC, place DESC LIMIT ?",
            (*values, -1 if limit is None else limit),
        ).fetchall()
    return [DeadLetter(*row) for row in rows]


def count_by_reason(folder: str | Path, selection: Selection) -> dict[str, int]:
    """How many letters are meant, by reason, the most frequent first."""
    where, values = selection.where()
    with _opened(folder, "ro") as db:
        return dict(
            db.execute(
                f"SELECT reason, count(*) FROM dead_letters WHERE {where} "  # noqa: S608 - our own words
                "GROUP BY reason ORDER BY count(*) DESC, reason",
                values,
            )
        )


def purge(folder: str | Path, selection: Selection) -> int:
    """Remove the letters that are meant, for good; returns how many. Safe beside a running daemon.

    Raises:
        StateError: if there is no state or it cannot be written.
    """
    where, values = selection.where()
    with _opened(folder, "rw") as db:
        # The daemon waits as long for us as we for it; neither takes more than a few milliseconds.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        try:
            count, oldest = db.execute("SELECT count(*), min(position) FROM checkpoints").fetchone()
            # Up to here nothing is ever run again.
            settled = oldest if count >= CHECKPOINTS_KEPT else 0
            emptied = db.execute(
                f"UPDATE dead_letters SET reason = ?, topic = '', error = '', payload = x'' WHERE {where}",  # noqa: S608
                (_PURGED, *values),
            ).rowcount
            db.execute("DELETE FROM dead_letters WHERE reason = ? AND position <= ?", (_PURGED, settled))
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
    return emptied


def whole_payload(folder: str | Path, letter: DeadLetter) -> bytes | None:
    """All of a letter's payload; None where it was cut and the journal no longer has the message.

    >>> whole_payload("state", DeadLetter(17, 0, 0.0, "events", "malformed", "", b"{"))
    b'{'
    """
    if len(letter.payload) < DEAD_PAYLOAD_MAX:
        return letter.payload
    for message in read(folder, after=letter.position - 1, up_to=letter.position):
        # Of an array, the letter holds one event, which is not cut out of the message again here.
        if message.payload.startswith(letter.payload):
            return message.payload
    return None


def batches(letters: Sequence[DeadLetter]) -> Iterator[Sequence[DeadLetter]]:
    """Letters in groups that are sent and purged together."""
    for start in range(0, len(letters), BATCH):
        yield letters[start : start + BATCH]


def _place_of(text: str) -> tuple[int, int | None]:
    found = re.fullmatch(r"([0-9]{1,18})(?:\.([0-9]{1,18}))?", text)
    if found is None:
        raise StateError(f"{text!r} is not the id of a dead letter.", "They are like 17.0; see: dead-letters list.")
    position, place = found.groups()
    return int(position), None if place is None else int(place)


@contextmanager
def _opened(folder: str | Path, mode: str) -> Iterator[sqlite3.Connection]:
    path = Path(folder) / FILE
    require_file(path)
    try:
        db = connect(path, mode)
        try:
            yield db
        finally:
            db.close()
    except sqlite3.Error as error:
        raise failure(path, error) from error
