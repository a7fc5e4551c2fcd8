"""Publication of dead letters to the broker, so that the daemon receives them as new events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from edgedescent.engine.messages import DeadLetter
from edgedescent.interfaces import AdminClient
from edgedescent.state.dead_letters import Selection, batches, id_of, purge, whole_payload

log = logging.getLogger(__name__)


def resend(
    folder: str | Path, dead_letters: Sequence[DeadLetter], client: AdminClient, on_progress: Callable[[int, int], None]
) -> dict[str, int]:
    """Publish dead letters to the topics they came from, and remove those that the broker has confirmed.

    If the process is killed between the two, a dead letter is published again the next time. An event with an id is
    then recognized as a duplicate.

    Args:
        folder: The state folder.
        dead_letters: The dead letters, in the order in which they are published.
        client: The client to publish with, not yet connected.
        on_progress: Called with the number of dead letters that are done, and the total.

    Returns:
        Counts of dead letters: ``sent``, ``refused`` by the broker, and ``incomplete`` ones, of which only the
        beginning is kept.

    Raises:
        TransportError: If the broker cannot be reached or goes away. What it has confirmed by then is removed.
    """
    report = {"sent": 0, "refused": 0, "incomplete": 0}
    with client as connection:
        for batch in batches(dead_letters):
            payloads = [whole_payload(folder, dead_letter) for dead_letter in batch]
            complete = [
                (dead_letter, payload)
                for dead_letter, payload in zip(batch, payloads, strict=True)
                if payload is not None
            ]
            done = sum(report.values())
            replies = connection.publish_all(
                [(dead_letter.topic, payload) for dead_letter, payload in complete],
                lambda count, done=done: on_progress(done + count, len(dead_letters)),  # type: ignore[misc]
            )
            confirmed: list[DeadLetter] = []
            for (dead_letter, _), reply in zip(complete, replies, strict=True):
                if reply.is_failure:
                    log.error("The broker refused %s to %r: %s.", id_of(dead_letter), dead_letter.topic, reply)
                else:
                    confirmed.append(dead_letter)
            if confirmed:
                purge(folder, Selection(ids=tuple(map(id_of, confirmed))))
            report["sent"] += len(confirmed)
            report["refused"] += len(complete) - len(confirmed)
            report["incomplete"] += len(batch) - len(complete)
    return report
