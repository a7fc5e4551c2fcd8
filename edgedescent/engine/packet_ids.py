"""Order of MQTT packet ids, which begin anew behind 65,535 (MQTT 5, section 2.2.1)."""

from __future__ import annotations

from collections.abc import Iterable

PACKET_ID_MAX = 65_535
REPEATED_MAX = 256
"""Most messages that a broker is believed to send again without marking them."""


def ids_between(earlier: int, later: int) -> int:
    """Return how many packet ids the later one lies behind the earlier one.

    >>> ids_between(3, 10), ids_between(65_535, 1)
    (7, 1)
    """
    return (later - earlier) % PACKET_ID_MAX


def latest_id(known: int | None, packet_id: int, *, again: bool) -> int:
    """Return the packet id up to which a broker has numbered its messages, behind one more.

    What is sent again does not move it back: the broker may be interrupted before it has sent all of it again.

    Args:
        known: The id so far; 0 or None if there is none.
        packet_id: Packet id of the message.
        again: True if the message was sent before.

    >>> latest_id(313, 290, again=True), latest_id(313, 314, again=True), latest_id(313, 1, again=False)
    (313, 314, 1)
    """
    if again and known and ids_between(known, packet_id) > PACKET_ID_MAX // 2:
        return known
    return packet_id


def latest_id_of(newest_first: Iterable[tuple[int, bool]]) -> int | None:
    """Return the packet id up to which a broker has numbered its messages, from the end of a journal.

    Args:
        newest_first: Packet ids of the messages, the newest first, and whether they were sent again. Those behind the
            newest one that was not are not read.

    Returns:
        The packet id; None if there is no message, or the newest has none.

    >>> latest_id_of([(290, True), (313, False), (312, False)])
    313
    """
    again: list[int] = []
    found: int | None = None
    for packet_id, was_sent_again in newest_first:
        if not packet_id:
            break
        if not was_sent_again:
            found = packet_id
            break
        again.append(packet_id)
    for packet_id in reversed(again):
        found = latest_id(found, packet_id, again=True)
    return found
