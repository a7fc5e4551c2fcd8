"""Sending dead letters once more, through the broker, so that the daemon takes them as new events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from edgedescent.adapters import SupportsAdmin, load_adapter
from edgedescent.config import Config, convert
from edgedescent.engine.messages import DeadLetter
from edgedescent.state.dead_letters import Selection, batches, find, id_of, purge, whole_payload

log = logging.getLogger(__name__)


class Bar(Protocol):
    """Shows how many were sent."""

    def update(self, done: int) -> None:
        """So many are."""


def resend(config: Config, selection: Selection, agree: Callable[[int, list[str]], Bar]) -> dict[str, int]:
    """Publish letters to the topics they came from, oldest first, and remove those that the broker has confirmed.

    If this is killed between the two, a letter is sent once more the next time; an event with an id is then recognized.

    Args:
        config: of the device.
        selection: which letters.
        agree: asked with how many and which topics before anything is sent; raises to stop.

    Raises:
        TransportError: if the broker is not reached or goes away; what it has confirmed by then is removed.
    """
    folder = config.state.path
    letters = find(folder, selection)[::-1]
    report = {"sent": 0, "refused": 0, "incomplete": 0}
    if not letters:
        return report
    bar = agree(len(letters), sorted({letter.topic for letter in letters}))
    adapter: type[SupportsAdmin] = load_adapter(config.transport, "transport")
    visitor = adapter.visitor(
        convert(config.broker, adapter.Config, "broker"),
        device=config.device,
        purpose="letters",
        bytes_max=config.limits.payload_bytes_max,
    )
    with visitor as connection:
        for batch in batches(letters):
            payloads = [whole_payload(folder, letter) for letter in batch]
            complete = [
                (letter, payload) for letter, payload in zip(batch, payloads, strict=True) if payload is not None
            ]
            done = sum(report.values())
            answers = connection.publish_all(
                [(letter.topic, payload) for letter, payload in complete],
                lambda count, done=done: bar.update(done + count),  # type: ignore[misc]
            )
            taken: list[DeadLetter] = []
            for (letter, _), answer in zip(complete, answers, strict=True):
                if answer.is_failure:
                    log.error("The broker refused %s to %r: %s.", id_of(letter), letter.topic, answer)
                else:
                    taken.append(letter)
            if taken:
                purge(folder, Selection(ids=tuple(map(id_of, taken))))
            report["sent"] += len(taken)
            report["refused"] += len(complete) - len(taken)
            report["incomplete"] += len(batch) - len(complete)
    return report
