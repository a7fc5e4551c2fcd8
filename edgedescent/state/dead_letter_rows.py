"""Rows of the table of dead letters, each with a checksum: a damaged one must not be published as an event."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from edgedescent.engine.messages import DeadLetter

log = logging.getLogger(__name__)

COLUMNS = "position, place, received_at, topic, reason, error, payload, crc"
"""Columns of a row, in the order in which these functions take and return them."""
_encode = msgspec.msgpack.Encoder().encode


def to_row(dead_letter: DeadLetter) -> tuple[Any, ...]:
    """Row of a dead letter."""
    values = msgspec.structs.astuple(dead_letter)
    return *values, checksum(values)


def from_rows(rows: Iterable[Sequence[Any]]) -> list[DeadLetter]:
    """Dead letters of the undamaged rows; damaged ones are logged and left out."""
    found = []
    for *values, crc in rows:
        if checksum(values) == crc:
            found.append(DeadLetter(*values))
        else:
            log.error("The dead letter %s.%s is damaged and left out.", *values[:2])
    return found


def checksum(values: Sequence[Any]) -> int:
    """CRC-32 of the values of a row, of whatever type they are."""
    return zlib.crc32(_encode(values))
