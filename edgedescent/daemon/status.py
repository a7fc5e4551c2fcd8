"""Whether the daemon is alive, and how it is doing."""

from __future__ import annotations

import json
import logging
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
    """Where the status lies: in memory where systemd offers a folder for it, else with the state."""
    return Path(os.environ.get("RUNTIME_DIRECTORY") or config.state.path)


class StatusFile:
    """What the daemon last said of itself, for `read_status`.

    Args:
        config: of the daemon.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._written = True

    def write(self, status: Mapping[str, Any]) -> None:
        """Write it; that it cannot be written is logged once each time it begins: learning does not depend on it."""
        path = runtime_folder(self._config) / FILE
        try:
            # No sync: a status lost in a power cut tells nothing that is still true.
            replace_atomically(path, json.dumps(status).encode(), sync=False)
        except OSError as error:
            if self._written:
                log.error("The status cannot be written to %s: %s.", path, error.strerror)
            self._written = False
        else:
            self._written = True


def read_status(config: Config) -> dict[str, Any]:
    """What the running daemon last said of itself, with its age in seconds.

    Raises:
        StateError: if no daemon runs, or it has not reported for three intervals.
    """
    pid = holder_of(config.state.path)
    if pid is None:
        raise StateError(
            f"No daemon is using the state folder {config.state.path}.", "Start one with: edgedescent run CONFIG"
        )
    # The daemon says where it writes: systemd gives it a folder that whoever asks here knows nothing of.
    folder = Path(note_of(config.state.path) or runtime_folder(config))
    try:
        status: dict[str, Any] = json.loads((folder / FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        # After a power cut the file may be empty: it is not synced.
        status = {}
    except OSError as error:
        raise StateError(f"The status in {folder} cannot be read: {error.strerror}.") from error
    if status.get("pid") != pid:
        raise StateError(f"The daemon (process {pid}) is starting.", "Ask again in a moment.")
    status["age_s"] = round(time.time() - status["time"], 1)
    if status["age_s"] > 3 * config.metrics.interval_s + 5:
        raise StateError(f"The daemon (process {pid}) has not reported for {status['age_s']:.0f} s.", "See its log.")
    return status
