"""Export of a snapshot in a child process, supervised from the daemon's loop."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

OOM_SCORE_ADJ = "1000"
"""Preference of the kernel for ending the exporting process where memory is short: before any other one (proc(5))."""


ModelCards = dict[str, Any] | list[dict[str, Any]]
"""Model card of a snapshot, or those of several horizons."""


class SnapshotJob:
    """Runs ``edgedescent export`` as a child process, one at a time.

    The child reads the state file itself, so that neither its packages nor its failures affect the daemon.

    Args:
        config_path: Path of the daemon's configuration file.
        timeout_s: Time after which the child is killed.
    """

    def __init__(self, config_path: str, *, timeout_s: float) -> None:
        self._command = [sys.executable, "-m", "edgedescent", "export", config_path, "--json"]
        self._timeout_s = timeout_s
        self._child: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0

    @property
    def running(self) -> bool:
        """True while an export is running."""
        return self._child is not None

    def start(self) -> None:
        """Start an export. A failure to start is logged."""
        try:
            with ExitStack() as files:
                # Files rather than pipes: nothing reads until the child has ended, and a full pipe would block it.
                self._output = files.enter_context(tempfile.TemporaryFile())
                self._errors = files.enter_context(tempfile.TemporaryFile())
                self._child = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=self._errors,
                )
                # From here on `_finish` closes the files.
                files.pop_all()
            # The export must never slow the learning down, and where memory runs out, it is what has to go.
            os.setpriority(os.PRIO_PROCESS, self._child.pid, 10)
            _end_first(self._child.pid)
        except OSError as error:
            log.error("The export cannot be started: %s.", error)
        self._deadline = time.monotonic() + self._timeout_s

    def poll(self) -> ModelCards | None:
        """Check on the export without waiting; failures and timeouts are logged.

        Returns:
            The model card of a snapshot that was published since the last call, or those of several horizons; else
            None.
        """
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
            # The last line holds the reason, even if a broken package leaves a stack trace.
            why = errors.strip().rpartition("\n")[2].removeprefix("Error: ")
            log.error("The export failed: %s", why or f"exit code {code}")
            return None
        # The model card is the last line; libraries may have printed others before it.
        last = output.strip().rpartition("\n")[2]
        try:
            found: ModelCards = json.loads(last)
            cards = found if isinstance(found, list) else [found]
            published = [(card["position"], card["path"], card["parity"]["max_rel_diff"]) for card in cards]
        except (ValueError, TypeError, KeyError):
            log.error("The export succeeded, but its output is not a model card: %.200r", last)
            return None
        for one in published:
            log.info("Snapshot at message %d published: %s (largest relative difference %.2g).", *one)
        return found

    def stop(self) -> None:
        """Kill a running export. A later export removes its temporary files."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._finish()

    def _finish(self) -> tuple[str, str]:
        """Close the files of a child that has ended; returns its standard output and standard error."""
        texts = []
        for file in (self._output, self._errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
            file.close()
        self._child = None
        return texts[0], texts[1]


def _end_first(pid: int) -> None:
    """Make the kernel end a process before others where memory is short. Where that is not allowed, a line says so."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text(OOM_SCORE_ADJ, encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        log.debug("The export had ended before its preference could be set.")
    except OSError as error:
        log.warning("Where memory is short, the daemon may be ended before its export: %s.", error.strerror)
