"""Status file of the running daemon, which `edgedescent status` reads."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgedescent.config import Config
from edgedescent.errors import StateError
from edgedescent.state.files import replace_atomically
from edgedescent.state.lock import holder_of, note_of

log = logging.getLogger(__name__)

FILE = "status.json"


def runtime_folder(config: Config) -> Path:
    """Folder of the status file: the one in memory that systemd provides, else the state folder."""
    return Path(os.environ.get("RUNTIME_DIRECTORY") or config.state.path)


class StatusFile:
    """Writer of the status file.

    Args:
        config: Configuration of the daemon.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._written = True

    def write(self, status: Mapping[str, Any]) -> None:
        """Replace the status file.

        A failure is logged, only once while it lasts, because learning does not depend on the file.
        """
        path = runtime_folder(self._config) / FILE
        try:
            # Without a sync: after a power cut the status would be outdated anyway.
            replace_atomically(path, json.dumps(status).encode(), sync=False)
        except OSError as error:
            if self._written:
                log.error("The status cannot be written to %s: %s.", path, error.strerror)
            self._written = False
        else:
            self._written = True


def read_status(config: Config) -> dict[str, Any]:
    """Read the last status of the running daemon.

    Args:
        config: Configuration of the daemon.

    Returns:
        The status, with its age in seconds as ``age_s``.

    Raises:
        StateError: If no daemon runs, or it has not reported for three intervals.
    """
    pid = holder_of(config.state.path)
    if pid is None:
        raise StateError(
            f"No daemon is using the state folder {config.state.path}.", "Start one with: edgedescent run CONFIG"
        )
    # The daemon records its folder in the lock: a folder that systemd provides is unknown to other processes.
    folder = Path(note_of(config.state.path) or runtime_folder(config))
    try:
        status = _decoded((folder / FILE).read_bytes())
    except FileNotFoundError:
        status = {}
    except (OSError, ValueError) as error:
        # The folder is one that the lock names, which may be damaged.
        why = error.strerror if isinstance(error, OSError) else error
        raise StateError(f"The status in {folder} cannot be read: {why}.", "Run this as the daemon's user.") from error
    if status.get("pid") != pid:
        raise StateError(f"The daemon (process {pid}) is starting.", "Ask again in a moment.")
    status["age_s"] = round(time.time() - status["time"], 1)
    if status["age_s"] > 3 * config.metrics.interval_s + 5:
        raise StateError(f"The daemon (process {pid}) has not reported for {status['age_s']:.0f} s.", "See its log.")
    return status


def _decoded(content: bytes) -> dict[str, Any]:
    """Fields of a status file; none if it is damaged."""
    try:
        status = json.loads(content)
        is_whole = math.isfinite(status["time"]) and status["pid"] > 0
        if "state" in status:
            is_whole = is_whole and math.isfinite(status["since"]) and "version" in status
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        # After a power cut the file may be empty: it is not synced.
        return {}
    return status if is_whole else {}
