"""The export of a snapshot in a child process, watched from the daemon's loop."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from typing import Any

log = logging.getLogger(__name__)


class SnapshotJob:
    """Runs ``edgedescent export`` beside the daemon, one at a time.

    The child reads the state file by itself, so that neither its packages nor its failures reach the daemon.

    Args:
        config_path: what the daemon was configured with.
        timeout_s: a child that takes longer is killed.
    """

    def __init__(self, config_path: str, *, timeout_s: float) -> None:
        self._command = [sys.executable, "-m", "edgedescent", "export", config_path, "--json"]
        self._timeout_s = timeout_s
        self._child: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0

    @property
    def running(self) -> bool:
        """Whether an export is under way."""
        return self._child is not None

    def start(self) -> None:
        """Begin an export; that it cannot begin is logged."""
        try:
            with ExitStack() as files:
                # Files rather than pipes: nobody reads until the child has ended, and a full pipe would stop it.
                self._output = files.enter_context(tempfile.TemporaryFile())
                self._errors = files.enter_context(tempfile.TemporaryFile())
                self._child = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=self._errors,
                )
                # From here on `_finish` closes them.
                files.pop_all()
            # The export must never slow the learning down.
            os.setpriority(os.PRIO_PROCESS, self._child.pid, 10)
        except OSError as error:
            log.error("The export cannot be started: %s.", error)
        self._deadline = time.monotonic() + self._timeout_s

    def poll(self) -> dict[str, Any] | None:
        """The card of a snapshot that was just published; None while there is none."""
        if self._child is None:
            return None
        code = self._child.poll()
        if code is None:
            if time.monotonic() > self._deadline:
                self._child.kill()
                self._child.wait()
                log.error("The export took more than %g s and was killed.", self._timeout_s)
                self._finish()
            return None
        output, errors = self._finish()
        if code != 0:
            # The last line says why, also where a package that is broken leaves a stack trace.
            why = errors.strip().rpartition("\n")[2].removeprefix("Error: ")
            log.error("The export failed: %s", why or f"exit code {code}")
            return None
        # The card is its last line; whatever a library had to say comes before it.
        last = output.strip().rpartition("\n")[2]
        try:
            card: dict[str, Any] = json.loads(last)
            told = card["position"], card["path"], card["parity"]["max_rel_diff"]
        except (ValueError, TypeError, KeyError):
            log.error("The export ended well, but did not say what it published: %.200r", last)
            return None
        log.info("Snapshot at message %d published: %s (largest relative difference %.2g).", *told)
        return card

    def stop(self) -> None:
        """End an export that is under way; what it had not published, a later one clears away."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._finish()

    def _finish(self) -> tuple[str, str]:
        texts = []
        for file in (self._output, self._errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
            file.close()
        self._child = None
        return texts[0], texts[1]
