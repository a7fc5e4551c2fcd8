"""Preflight checks of `edgedescent check` on this machine: state folder, disk, clock, learner and running daemon."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from edgedescent.config import Config, checksum, describe
from edgedescent.daemon.input_checks import inputs_of
from edgedescent.daemon.status import last_checksum
from edgedescent.errors import StateError
from edgedescent.interfaces import CheckResult, NeedsPackages, error, ok, warning
from edgedescent.state.lock import holder_of
from edgedescent.state.recovery import require_same_owner
from edgedescent.state.state_file import state_exists
from edgedescent.state.store import FILE, Store

BUILT_AT = 1_735_689_600.0
"""2025-01-01: an earlier time means that the clock is not set."""
CLOCK_SLACK_S = 60.0
"""Tolerated difference between the clock and the time of the state file."""
SPARE_BYTES = 67_108_864
"""Space for SQLite's write-ahead log and the snapshots, in addition to journal, dead letters and checkpoints."""
DEAD_LETTER_BYTES = 17_408
"""Size of a dead letter with the longest payload that is kept."""
CHECKPOINTS = 3
"""Number of checkpoints in the file, while one is written."""
_VOLATILE = ("tmpfs", "ramfs")
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph")
_WITHOUT_PERMISSIONS = ("vfat", "exfat", "msdos")


def preflight(config: Config, path: str) -> Iterator[CheckResult]:
    """Run all checks that need no broker. Nothing is written.

    Args:
        config: The configuration to check.
        path: Path of its file.

    Yields:
        The results.
    """
    folder = Path(config.state.path)
    yield from _permissions(folder)
    yield from _disk_space(config, folder)
    yield _file_system(_mount_of(_existing(folder)))
    yield from _holder(config, folder, path)
    yield from _learner(config, folder)
    yield from _clock(folder)
    yield from inputs_of(config, folder)


def check_exporter(config: Config) -> Iterator[CheckResult]:
    """Check that snapshots can be made, if any are configured.

    Args:
        config: The configuration to check.
    """
    if config.snapshots.every_events is None and config.snapshots.every_s is None:
        return
    exporter = config.build_exporter()
    missing = exporter.missing_packages() if isinstance(exporter, NeedsPackages) else []
    if missing:
        yield warning(
            "snapshots",
            f"None can be made: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed.",
            f"Install with: pip install 'edgedescent[{config.snapshots.exporter}]'.",
        )


def _existing(folder: Path) -> Path:
    """The folder, or its nearest existing parent."""
    folder = folder.resolve()
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _permissions(folder: Path) -> Iterator[CheckResult]:
    there = _existing(folder)
    made = there == folder.resolve()
    if not os.access(there, os.W_OK | os.X_OK):
        yield error(
            "permissions",
            f"this user (uid {os.geteuid()}) may not write to {there}.",
            "Run the check as the daemon's user, or give that user the folder.",
        )
    elif not made:
        yield ok("permissions", f"{folder} will be created at the first start.")
    else:
        yield ok("permissions", f"{folder} is writable.")
    if not made:
        return
    names = ("", FILE, f"{FILE}-wal", f"{FILE}-shm")
    if exposed := [str(folder / name) for name in names if _mode(folder / name) & 0o077]:
        # The permissions of the files do not matter if the folder itself is closed to others.
        if not _mode(folder) & 0o077:
            return
        yield warning("permissions", f"others may have access to {', '.join(exposed)}.", f"chmod -R go-rwx {folder}")
    if (owner := folder.stat().st_uid) not in (os.geteuid(), 0) and os.geteuid() != 0:
        yield warning("permissions", f"{folder} belongs to uid {owner}, this is uid {os.geteuid()}.")


def _mode(path: Path) -> int:
    found = _stat(path)
    return 0 if found is None else stat.S_IMODE(found.st_mode)


def _stat(path: Path) -> os.stat_result | None:
    """Status of a file; None if it does not exist or is not accessible."""
    try:
        return path.stat()
    except OSError:
        return None


def _disk_space(config: Config, folder: Path) -> Iterator[CheckResult]:
    there = _existing(folder)
    free = shutil.disk_usage(there).free
    file = _stat(folder / FILE)
    needed = _largest(config, folder) - (0 if file is None else file.st_size)
    message = f"{_mib(free)} are free for {folder}"
    if free < SPARE_BYTES:
        yield error("disk", f"{message}.", "Free some space: on a full disk nothing is acknowledged or learned.")
    elif free < needed:
        hint = "Free some space, or lower `state.journal_bytes_max` or `state.dead_letters_bytes_max`."
        yield warning("disk", f"{message}; the state may need {_mib(needed)} more.", hint)
    else:
        yield ok("disk", f"{message}.")
    inodes = os.statvfs(there)
    if inodes.f_files and inodes.f_favail < 100:
        yield error("disk", f"{inodes.f_favail} inodes are free for {folder}.", "Remove files.")


def _largest(config: Config, folder: Path) -> int:
    """Size that a state may reach: journal, dead letters, checkpoints as large as the newest one, and the rest."""
    state = config.state
    # A dead letter of a few words takes a row and an index entry.
    dead_letters = min(state.dead_letters_bytes_max * 5 // 4, state.dead_letters_max * DEAD_LETTER_BYTES)
    return state.journal_bytes_max + dead_letters + CHECKPOINTS * _checkpoint_bytes(folder) + SPARE_BYTES


def _checkpoint_bytes(folder: Path) -> int:
    """Size of the newest checkpoint; 0 if there is none, or it cannot be read, which another check reports."""
    try:
        if not state_exists(folder / FILE):
            return 0
        store = Store(folder, read_only=True)
        try:
            return store.checkpoint_bytes
        finally:
            store.close()
    except StateError:
        return 0


def _mib(count: int) -> str:
    return f"{max(count, 0) / 1_048_576:,.0f} MiB"


def _mount_of(path: Path) -> tuple[str, str, str]:
    """Mount point, type and options of the file system of a path."""
    found = ("/", "unknown", "")
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:  # noqa: PTH123
        for line in mounts:
            point, kind, options = line.split()[1:4]
            # A space is escaped as in C (fstab(5)).
            point = point.replace("\\040", " ")
            if path.is_relative_to(point) and len(point) >= len(found[0]):
                found = point, kind, options
    return found


def _file_system(mount: tuple[str, str, str]) -> CheckResult:
    point, kind, options = mount
    message = f"the state is on {kind} at {point}"
    if "ro" in options.split(","):
        return error("file system", f"{message}, which is read-only.", "Mount it writable.")
    if kind in _REMOTE:
        return error("file system", f"{message}: SQLite needs a local disk.", "Set `state.path` to a folder on one.")
    if kind in _VOLATILE:
        return warning("file system", f"{message}, which is lost when the machine restarts.", "Set `state.path`.")
    if kind in _WITHOUT_PERMISSIONS:
        return warning("file system", f"{message}, which stores no permissions and is easily damaged.", "Use ext4.")
    return ok("file system", f"{message}.")


def _holder(config: Config, folder: Path, path: str) -> Iterator[CheckResult]:
    try:
        pid = holder_of(folder)
    except StateError as fault:
        yield error("daemon", str(fault), fault.hint)
        return
    if pid is None:
        yield ok("daemon", "no daemon is using the state folder.")
    else:
        yield ok(
            "daemon", f"process {pid} is using the state folder; a second one for {config.device!r} will not start."
        )
        if last_checksum(config) not in ("", checksum(path)):
            yield warning(
                "daemon", f"{path} has changed since process {pid} started.", "Restart it to apply the change."
            )


def _learner(config: Config, folder: Path) -> Iterator[CheckResult]:
    wanted = describe(config.build_learner())["type"]
    try:
        if not state_exists(folder / FILE):
            yield ok("learner", f"{wanted}; there is no state yet.")
            return
        store = Store(folder, read_only=True)
        try:
            require_same_owner(config, store)
            yield ok("learner", f"{wanted}; the state at message {store.last_position} belongs to it.")
        finally:
            store.close()
    except StateError as fault:
        yield error("learner", str(fault), fault.hint)


def _clock(folder: Path) -> Iterator[CheckResult]:
    now = time.time()
    hint = "Set it, and synchronize it by NTP (timedatectl)."
    if now < BUILT_AT:
        yield warning("clock", f"the time is {time.strftime('%Y-%m-%d', time.gmtime(now))}.", hint)
        return
    file = _stat(folder / FILE)
    ahead = 0.0 if file is None else file.st_mtime - now
    if ahead > CLOCK_SLACK_S:
        yield warning("clock", f"the state was written {ahead:.0f} s in the future.", hint)
    else:
        yield ok("clock", f"the time is {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now))}.")
