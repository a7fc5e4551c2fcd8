"""Is the daemon alive, and how is it doing?"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from edgedescent.config import Config
from edgedescent.errors import StateError
from edgedescent.lock import holder_of

FILE = "status.json"


def runtime_folder(config: Config) -> Path:
    """Where the status lies: in memory where systemd offers a folder for it, else with the state."""
    return Path(os.environ.get("RUNTIME_DIRECTORY") or config.state.path)


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
    try:
        status: dict[str, Any] = json.loads((runtime_folder(config) / FILE).read_bytes())
    except FileNotFoundError:
        raise StateError(f"The daemon (process {pid}) is starting.", "Ask again in a moment.") from None
    if status["pid"] != pid:
        raise StateError(f"The daemon (process {pid}) is starting.", "Ask again in a moment.")
    status["age_s"] = round(time.time() - status["time"], 1)
    if status["age_s"] > 3 * config.metrics.interval_s + 5:
        raise StateError(f"The daemon (process {pid}) has not reported for {status['age_s']:.0f} s.", "See its log.")
    return status
