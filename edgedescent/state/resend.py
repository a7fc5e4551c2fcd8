"""Publication of dead letters to the broker, so that the daemon receives them as new events."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgedescent.engine.messages import DeadLetter
from edgedescent.errors import StateError
from edgedescent.interfaces import AdminClient
from edgedescent.state.dead_letters import Selection, batches, id_of, purge, whole_payload
from edgedescent.state.state_file import folder_error

log = logging.getLogger(__name__)


@contextmanager
def alone(folder: str | Path) -> Iterator[None]:
    """Keep other processes from publishing the same dead letters for the duration of a `with` block.

    The folder itself is locked, so that no file is left and permission to read is enough. The daemon's lock is another.

    Args:
        folder: The state folder. Where it does not exist, nothing is locked.

    Raises:
        StateError: If another process publishes dead letters of this folder, or it cannot be locked.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        yield
        return
    except OSError as error:
        raise folder_error(Path(folder), error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(
                f"Another process is publishing dead letters of {folder}.",
                "Wait until it is done, then see what is left.",
            ) from None
        except OSError as error:
            raise folder_error(Path(folder), error) from error
        yield
    finally:
        os.close(descriptor)


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
