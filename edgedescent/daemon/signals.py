"""What a daemon is told by signals, heard from the beginning of its process."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from types import FrameType

log = logging.getLogger(__name__)


class Signals:
    """Hears SIGTERM, SIGINT and SIGUSR1, and passes them on as soon as there is somebody to do what they ask for."""

    def __init__(self) -> None:
        self._stop: Callable[[], None] | None = None
        self._snapshot: Callable[[], None] | None = None
        self._stop_wanted = False

    def listen(self) -> None:
        """Begin to hear: until then each of them ends the process."""
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_snapshot)

    def pass_on(self, *, stop: Callable[[], None], snapshot: Callable[[], None]) -> None:
        """Pass on what comes, and a stop that came before."""
        self._stop, self._snapshot = stop, snapshot
        if self._stop_wanted:
            stop()

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        log.info("%s received: stopping.", signal.Signals(number).name)
        self._stop_wanted = True
        if self._stop is not None:
            self._stop()

    def _on_snapshot(self, _number: int, _frame: FrameType | None) -> None:
        if self._snapshot is not None:
            self._snapshot()
