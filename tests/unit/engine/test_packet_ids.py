"""The packet id up to which a broker has numbered, from what has arrived."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgedescent.engine.packet_ids import latest_id_of


def journal(*ids: int) -> Iterator[tuple[int, bool]]:
    """Packet ids, the newest first; negative ones are those of messages that were sent again."""
    return ((abs(number), number < 0) for number in ids)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ((), None),
        ((0, 5), None),
        ((7, -9, 12), 7),
        # Sent again up to 11 of 12, once and twice.
        ((-11, -10, 12, 11), 12),
        ((-10, -11, -10, 12), 12),
        # Sent before, but never received.
        ((-14, -13, 12), 14),
        # The numbers begin anew behind 65,535.
        ((-65_534, 2, 1), 2),
        ((-2, -1, -65_535, 65_535), 2),
        # Nothing is known of what came before.
        ((-10, -9), 10),
        ((-10, 0, 12), 10),
    ],
)
def test_what_is_sent_again_does_not_move_it_back(ids: tuple[int, ...], expected: int | None) -> None:
    assert latest_id_of(journal(*ids)) == expected


def test_no_more_is_read_than_needed() -> None:
    ids = journal(-11, 12, 11, 10)
    assert latest_id_of(ids) == 12
    assert next(ids) == (11, False)
