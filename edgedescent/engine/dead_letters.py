"""Making of dead letters: counted always, kept up to a bound for each message."""

from __future__ import annotations

from collections import Counter

from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.engine.unfinished import DEAD_LETTERS_PER_MESSAGE_MAX, DEAD_PAYLOAD_MAX


def dead_letter(
    message: Message, index: int, reason: str, error: str, payload: bytes, counters: Counter[str], n_kept: int
) -> list[DeadLetter]:
    """Count a dead letter, and return it, or nothing where as many of its message are kept as may be.

    Args:
        message: The message.
        index: Place in the message, from 0.
        reason: One of `edgedescent.formats.REASONS`.
        error: What is wrong, in one line.
        payload: What could not be used.
        counters: Counters, which are updated.
        n_kept: Number of dead letters of the message that were kept.
    """
    counters["dead_letters"] += 1
    counters[f"dead_letters.{reason}"] += 1
    if n_kept >= DEAD_LETTERS_PER_MESSAGE_MAX:
        counters["dead_letters_unkept"] += 1
        return []
    return [
        DeadLetter(
            position=message.position,
            index=index,
            received_at=message.received_at,
            topic=message.topic,
            reason=reason,
            error=error,
            payload=payload[:DEAD_PAYLOAD_MAX],
        )
    ]
