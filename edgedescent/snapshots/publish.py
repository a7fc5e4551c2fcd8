"""Publication of snapshots: one folder each, put in place by an atomic rename."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from edgedescent.engine.head import horizon_name
from edgedescent.errors import ExportError
from edgedescent.snapshots.model_card import MODEL_CARD_FILE, identity_of
from edgedescent.snapshots.verify import SnapshotDamageError, check_snapshot
from edgedescent.state.files import as_owner_of, replace_atomically, sync_folder, write_durably

log = logging.getLogger(__name__)

FOLDER = "snapshots"
HORIZON = "horizon-"
"""Prefix of the folder within, in which the snapshots of one of several horizons are."""
"""Folder of the snapshots below the state folder."""
LATEST = "latest"
"""Link to the newest snapshot."""
LEFTOVER_S = 3600.0
"""Age at which unfinished files of an export are removed: no export takes so long."""
_NAME = re.compile(r"(?:(\d{8,})-)?(\d{12,}-[0-9a-f]{8})")
"""Number of the publication (none in versions up to 0.2), position, and the beginning of the file's SHA-256."""
_LEFTOVER = re.compile(rf"\.({_NAME.pattern}|{LATEST})\.\d+")
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


def folder_of(base: Path, horizon_s: float | None) -> Path:
    """Folder of the snapshots of a model.

    Args:
        base: Folder of all snapshots.
        horizon_s: Horizon of the model, of several; None for the only one.
    """
    return base if horizon_s is None else base / f"{HORIZON}{horizon_name(horizon_s)}"


def publish_snapshot(
    folder: Path, model: bytes, model_card: Mapping[str, Any], *, keep: int, private: bool = True
) -> Path:
    """Put a model and its model card in place as one folder, and point ``latest`` at it.

    The folders are numbered in the order of publication, whatever the clock says and wherever the positions begin. If
    the newest one holds the same model already, its card is replaced, and its model only where that is damaged.

    Args:
        folder: The folder of the model's snapshots; created if it does not exist.
        model: Content of the model's file.
        model_card: The model card.
        keep: Number of newest snapshots to keep, this one included.
        private: Make the files readable only by the owner of the folder above, whoever the caller is.

    Returns:
        The folder of the snapshot.

    Raises:
        ExportError: If something cannot be written; nothing is published then.
    """
    try:
        with as_owner_of(folder.parent) if private else nullcontext():
            return _publish(folder, model, model_card, keep, *((0o600, 0o700) if private else (0o644, 0o755)))
    except OSError as error:
        raise ExportError(f"The snapshot cannot be written to {folder}: {error.strerror}.") from error


def _publish(folder: Path, model: bytes, model_card: Mapping[str, Any], keep: int, mode: int, folder_mode: int) -> Path:
    text = json.dumps(model_card, indent=2).encode() + b"\n"
    file = str(model_card["file"])
    for path in (folder.parent, folder):
        path.mkdir(parents=True, exist_ok=True, mode=folder_mode)
    with _locked(folder):
        _remove_leftovers(folder)
        published = _published(folder)
        identity = identity_of(model_card)
        if published and published[-1].name.endswith(identity):
            final = published.pop()
            _restore(final / file, model, mode)
            replace_atomically(final / MODEL_CARD_FILE, text, mode=mode)
        else:
            final = folder / f"{_number(published[-1]) + 1 if published else 1:08d}-{identity}"
            temporary = folder / f".{final.name}.{os.getpid()}"
            try:
                temporary.mkdir(mode=folder_mode)
                write_durably(temporary / file, model, mode)
                write_durably(temporary / MODEL_CARD_FILE, text, mode)
                sync_folder(temporary)
                temporary.rename(final)
            except OSError:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
        link = folder / f".{LATEST}.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(final.name)
        link.replace(folder / LATEST)
        sync_folder(folder)
        for old in published[: max(len(published) + 1 - keep, 0)]:
            shutil.rmtree(old, ignore_errors=True)
    return final


def _restore(path: Path, model: bytes, mode: int) -> None:
    """Write the model of a published snapshot again if its file is not what was published."""
    try:
        is_whole = path.read_bytes() == model
    except OSError as error:
        log.warning("The snapshot %s cannot be read: %s. It is written again.", path, error.strerror)
    else:
        if is_whole:
            return
        log.warning("The snapshot %s is damaged. It is written again.", path)
    replace_atomically(path, model, mode=mode)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock for the duration of a `with` block: two exports at once would take the same number."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            # A file system without locks, such as one that `--output` names: two exports at once are rare.
            if error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        os.close(descriptor)


def list_snapshots(folder: Path) -> list[dict[str, Any]]:
    """Read the model cards of the published snapshots.

    Args:
        folder: The folder of all snapshots.

    Returns:
        The model cards, oldest first, one horizon after the other, each with the ``path`` of its model. Damaged
        snapshots are logged and left out.

    Raises:
        ExportError: If the folder cannot be read.
    """
    model_cards = []
    for part in _folders(folder):
        for published in find_snapshots(part):
            try:
                model_cards.append(check_snapshot(published))
            except SnapshotDamageError as error:
                log.warning("The snapshot %s is damaged: %s", published, error)
    return model_cards


def verify_snapshots(folder: Path) -> dict[str, str | None]:
    """Check the published snapshots and the link to the newest one.

    Args:
        folder: The folder of all snapshots.

    Returns:
        By the name of each snapshot, oldest first, and `LATEST`: what is wrong with it; None if nothing is. Those of
        several horizons have their folder before the name.

    Raises:
        ExportError: If the folder cannot be read.
    """
    faults: dict[str, str | None] = {}
    for part in _folders(folder):
        before = "" if part == folder else f"{part.name}/"
        faults |= {f"{before}{name}": fault for name, fault in _verify(part).items()}
    return faults


def _folders(folder: Path) -> list[Path]:
    """The folder, and those of several horizons in it, in their order."""
    try:
        found = [path for path in folder.iterdir() if path.name.startswith(HORIZON) and path.is_dir()]
    except OSError:
        # `find_snapshots` tells it.
        return [folder]
    return [folder, *sorted(found, key=lambda path: (len(path.name.partition(".")[0]), path.name))]


def _verify(folder: Path) -> dict[str, str | None]:
    """Check the snapshots of one folder and its link."""
    faults: dict[str, str | None] = {}
    for published in find_snapshots(folder):
        try:
            check_snapshot(published)
            faults[published.name] = None
        except SnapshotDamageError as error:
            faults[published.name] = str(error)
    if faults:
        newest, link = list(faults)[-1], folder / LATEST
        leads = link.is_symlink() and link.readlink() == Path(newest)
        faults[LATEST] = None if leads else f"it does not lead to {newest}."
    return faults


def find_snapshots(folder: Path) -> list[Path]:
    """Find the folders of the published snapshots, oldest first, damaged ones included.

    Args:
        folder: The folder of all snapshots.

    Raises:
        ExportError: If the folder cannot be read.
    """
    try:
        return _published(folder)
    except OSError as error:
        raise ExportError(
            f"The snapshots in {folder} cannot be read: {error.strerror}.", "Run this as the daemon's user."
        ) from error


def _published(folder: Path) -> list[Path]:
    """Folders of published snapshots, oldest first."""
    try:
        # Not `glob`, which from Python 3.13 on finds nothing in a folder that is closed.
        found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    # Not by position, which starts again at 1 in a new state folder, nor by time: a clock may be set back.
    return sorted(found, key=lambda path: (_number(path), path.name))


def _number(path: Path) -> int:
    """Number of a snapshot in the order of publication; 0 if it is older than these numbers."""
    name = _NAME.fullmatch(path.name)
    return int(name[1] or 0) if name else 0


def _remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files of exports that were killed."""
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name) and path.lstat().st_mtime < time.time() - LEFTOVER_S:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
