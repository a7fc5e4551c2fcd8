"""Status file of the running daemon, which `edgedescent status` reads.

It is in memory wherever possible: a full disk must not keep it from saying so, and rewriting it every ten seconds would
wear flash memory more than all messages of a slow stream.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edgedescent.config import Config
from edgedescent.errors import StateError
from edgedescent.state.files import replace_atomically
from edgedescent.state.lock import holder_of, note_of

log = logging.getLogger(__name__)

FILE = "status.json"


SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder there is checked before it is used
"""File system in memory that every Linux has."""


@contextmanager
def runtime_folder(config: Config) -> Iterator[Path]:
    """Folder of the status file for the duration of a `with` block.

    It is the one that systemd provides; else one in memory, which is removed at the end (after kill -9 the next daemon
    uses it again); else the state folder.
    """
    given = os.environ.get("RUNTIME_DIRECTORY")
    if given:
        yield Path(given)
        return
    folder = _folder_in_memory(config)
    yield Path(config.state.path) if folder is None else folder
    if folder is not None:
        with suppress(OSError):
            (folder / FILE).unlink(missing_ok=True)
            folder.rmdir()


def _folder_in_memory(config: Config) -> Path | None:
    """Folder in memory for the user's daemon on this state; None if there cannot be one."""
    path = os.fsencode(Path(config.state.path).resolve())
    name = f"edgedescent-{os.geteuid()}-{hashlib.blake2b(path, digest_size=8).hexdigest()}"
    folder = SHARED_MEMORY / name
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    # Everybody may make files there: another user may have been first.
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return folder if is_own else None


class StatusFile:
    """Writer of the status file.

    Args:
        folder: Folder of the file.
        config_sha256: Checksum of the configuration file that the daemon has read.
    """

    def __init__(self, folder: Path, config_sha256: str = "") -> None:
        self._path = folder / FILE
        self._constant = {"pid": os.getpid(), "config_sha256": config_sha256}
        self._written = True

    def write(self, status: Mapping[str, Any]) -> None:
        """Replace the status file.

        A failure is logged, only once while it lasts, because learning does not depend on the file.
        """
        path = self._path
        try:
            # Without a sync: after a power cut the status would be outdated anyway.
            replace_atomically(path, json.dumps({**status, **self._constant}).encode(), sync=False)
        except OSError as error:
            if self._written:
                log.error("The status cannot be written to %s: %s.", path, error.strerror)
            self._written = False
        else:
            self._written = True


def last_checksum(config: Config) -> str:
    """Checksum of the configuration file that the running daemon has read; empty if it is not known."""
    try:
        return str(read_status(config).get("config_sha256", ""))
    except StateError:
        return ""


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
    # The daemon records its folder in the lock.
    folder = Path(note_of(config.state.path) or config.state.path)
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
