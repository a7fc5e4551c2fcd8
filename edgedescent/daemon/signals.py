"""Signal handlers of the daemon, installed as soon as its process starts."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from types import FrameType

log = logging.getLogger(__name__)


class Signals:
    """Handlers for the signals that a daemon gets, which may be installed before it exists.

    A request to stop that arrives before `connect` is passed on by it. A request for a snapshot before that is
    ignored.
    """

    def __init__(self) -> None:
        self._stop: Callable[[], None] | None = None
        self._snapshot: Callable[[], None] | None = None
        self._stop_wanted = False

    def install(self) -> None:
        """Install the handlers. Without them, each of the signals ends the process, with nothing saved."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._on_stop)
        # `nohup` has it ignored, which stays so.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_snapshot)
        signal.signal(signal.SIGUSR2, self._on_nothing)

    def connect(self, *, stop: Callable[[], None], snapshot: Callable[[], None]) -> None:
        """Set the functions that the handlers call.

        Args:
            stop: Called on SIGTERM, SIGINT, SIGQUIT and SIGHUP; at once, if one of them arrived before.
            snapshot: Called on SIGUSR1.
        """
        self._stop, self._snapshot = stop, snapshot
        if self._stop_wanted:
            stop()

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        log.info("%s received: stopping.", signal.Signals(number).name)
        self._stop_wanted = True
        if self._stop is not None:
            self._stop()

    def _on_nothing(self, number: int, _frame: FrameType | None) -> None:
        log.warning("%s received: it asks for nothing. SIGUSR1 exports a snapshot.", signal.Signals(number).name)

    def _on_snapshot(self, _number: int, _frame: FrameType | None) -> None:
        if self._snapshot is not None:
            self._snapshot()
