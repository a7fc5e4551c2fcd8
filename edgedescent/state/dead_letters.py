"""Queries and removal of dead letters, beside a running daemon or without one.

Each function opens the state file for a moment and closes it again: a reader that stays open would prevent SQLite from
moving its write-ahead log (WAL) into the file, and the log would grow.

Recovery processes the tail of the journal again and writes the dead letters of the tail again. A dead letter that is
purged from there leaves an empty row in its place, so that recovery does not bring it back. Once no checkpoint needs
that part of the journal, the next purge removes the empty row too.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from edgedescent.engine.messages import DEAD_PAYLOAD_MAX, DeadLetter
from edgedescent.errors import StateError
from edgedescent.state.checkpoint_table import CHECKPOINTS_KEPT
from edgedescent.state.dead_letter_table import COLUMNS, from_rows
from edgedescent.state.recording import read
from edgedescent.state.repair import connect
from edgedescent.state.state_file import require_file, sqlite_error
from edgedescent.state.store import FILE

_PURGED = ""
"""Reason of an empty row, which stands for a purged dead letter."""
BATCH = 200
"""Number of dead letters that are sent and purged together."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Filter for dead letters: those that meet all given conditions."""

    ids: tuple[str, ...] = ()
    """Ids as `id_of` makes them, or positions of messages for all of their dead letters."""
    reason: str | None = None
    topic: str | None = None
    since: float | None = None
    """Earliest time of receipt, in seconds since 1970."""
    before: float | None = None
    """Time before which it was received, in seconds since 1970."""

    def where(self) -> tuple[str, list[object]]:
        """SQL condition of the filter, and the values of its placeholders."""
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
            # The ids are one JSON value because SQLite limits the number of terms of a condition.
            terms.append(
                "((position, place) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') "
                "FROM json_each(?)) OR position IN (SELECT value FROM json_each(?)))"
            )
            whole = [position for position, place in places if place is None]
            values += [json.dumps([pair for pair in places if pair[1] is not None]), json.dumps(whole)]
        return " AND ".join(terms), values


def id_of(dead_letter: DeadLetter) -> str:
    """Id of a dead letter: the position of its message, and its index in the message's array.

    Example:
        >>> id_of(DeadLetter(17, 3, 0.0, "events", "malformed", "", b""))
        '17.3'
    """
    return f"{dead_letter.position}.{dead_letter.index}"


def to_record(dead_letter: DeadLetter, payload: bytes | None = None) -> dict[str, Any]:
    """Fields of a dead letter as JSON shows them, with its id.

    Args:
        dead_letter: The dead letter.
        payload: Its complete payload, where the stored one was cut off.
    """
    return {
        "id": id_of(dead_letter),
        "position": dead_letter.position,
        "index": dead_letter.index,
        "received_at": dead_letter.received_at,
        "topic": dead_letter.topic,
        "reason": dead_letter.reason,
        "error": dead_letter.error,
        "payload": (dead_letter.payload if payload is None else payload).decode(errors="replace"),
    }


def find(folder: str | Path, selection: Selection, limit: int | None = None) -> list[DeadLetter]:
    """Find the selected dead letters.

    Args:
        folder: The state folder.
        selection: The filter.
        limit: The largest number of dead letters to return; all where it is None.

    Returns:
        The newest selected dead letters, newest first. Damaged ones are logged and left out.

    Raises:
        StateError: If there is no state or it cannot be read.
    """
    where, values = selection.where()
    with _opened(folder, "ro") as db:
        rows = db.execute(
            f"SELECT {COLUMNS} FROM dead_letters WHERE {where} "  # noqa: S608 - constants only
            "ORDER BY position DESC, place DESC LIMIT ?",
            (*values, -1 if limit is None else limit),
        ).fetchall()
    return from_rows(rows)


def count_by_reason(folder: str | Path, selection: Selection) -> dict[str, int]:
    """Count the selected dead letters by reason, the most frequent first.

    Raises:
        StateError: If there is no state or it cannot be read.
    """
    where, values = selection.where()
    with _opened(folder, "ro") as db:
        return dict(
            db.execute(
                f"SELECT reason, count(*) FROM dead_letters WHERE {where} "  # noqa: S608 - constants only
                "GROUP BY reason ORDER BY count(*) DESC, reason",
                values,
            )
        )


def purge(folder: str | Path, selection: Selection) -> int:
    """Remove the selected dead letters permanently. Safe beside a running daemon.

    Args:
        folder: The state folder.
        selection: The filter.

    Returns:
        The number of removed dead letters.

    Raises:
        StateError: If there is no state or it cannot be written.
    """
    where, values = selection.where()
    with _opened(folder, "rw") as db:
        # The daemon may have to wait for this transaction, and this one for the daemon's: a few milliseconds each.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        try:
            count, oldest = db.execute("SELECT count(*), min(position) FROM checkpoints").fetchone()
            # Recovery starts behind this position, so it never processes earlier messages again.
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


def whole_payload(folder: str | Path, dead_letter: DeadLetter) -> bytes | None:
    """Complete payload of a dead letter, from the journal where the stored one was cut off.

    Args:
        folder: The state folder.
        dead_letter: The dead letter.

    Returns:
        The payload; None if it was cut off and the journal no longer holds it as a message of its own.

    Raises:
        StateError: If the journal cannot be read.

    Example:
        >>> whole_payload("state", DeadLetter(17, 0, 0.0, "events", "malformed", "", b"{"))
        b'{'
    """
    if len(dead_letter.payload) < DEAD_PAYLOAD_MAX:
        return dead_letter.payload
    for message in read(folder, after=dead_letter.position - 1, up_to=dead_letter.position):
        # An event of an array is only a part of its message, and is not extracted from it again here.
        if message.payload.startswith(dead_letter.payload):
            return message.payload
    return None


def batches(dead_letters: Sequence[DeadLetter]) -> Iterator[Sequence[DeadLetter]]:
    """Split dead letters into groups that are sent and purged together."""
    for start in range(0, len(dead_letters), BATCH):
        yield dead_letters[start : start + BATCH]


def _place_of(text: str) -> tuple[int, int | None]:
    """Position and index of an id; the index is None if the id is that of a message."""
    found = re.fullmatch(r"([0-9]{1,18})(?:\.([0-9]{1,18}))?", text)
    if found is None:
        raise StateError(
            f"{text!r} is not the id of a dead letter.", "Ids look like 17.0; see: edgedescent dead-letters list CONFIG"
        )
    position, place = found.groups()
    return int(position), None if place is None else int(place)


@contextmanager
def _opened(folder: str | Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Connection to the state file for the duration of a `with` block."""
    path = Path(folder) / FILE
    require_file(path)
    try:
        db = connect(path, mode)
        try:
            yield db
        finally:
            db.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise sqlite_error(path, error) from error
