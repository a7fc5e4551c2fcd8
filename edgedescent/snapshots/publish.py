"""Publication of snapshots: one folder each, put in place by an atomic rename."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from edgedescent.errors import ExportError
from edgedescent.snapshots.model_card import MODEL_CARD_FILE, read_model_card
from edgedescent.state.files import as_owner_of, replace_atomically, sync_folder, write_durably

log = logging.getLogger(__name__)

FOLDER = "snapshots"
"""Folder of the snapshots below the state folder."""
LATEST = "latest"
"""Link to the newest snapshot."""
LEFTOVER_S = 3600.0
"""Age at which unfinished files of an export are removed: no export takes so long."""
_NAME = re.compile(r"\d{12,}-[0-9a-f]{8}")
_LEFTOVER = re.compile(rf"\.({_NAME.pattern}|{LATEST})\.\d+")


def publish_snapshot(
    folder: Path, model: bytes, model_card: Mapping[str, Any], *, keep: int, private: bool = True
) -> Path:
    """Put a model and its model card in place as one folder, and point ``latest`` at it.

    The folder is named after the position and the model. Publishing the same model again replaces only the card.

    Args:
        folder: The folder of all snapshots; created if it does not exist.
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
    name = f"{model_card['position']:012d}-{model_card['sha256'][:8]}"
    final, temporary = folder / name, folder / f".{name}.{os.getpid()}"
    text = json.dumps(model_card, indent=2).encode() + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=folder_mode)
        _remove_leftovers(folder)
        if final.exists():
            replace_atomically(final / MODEL_CARD_FILE, text, mode=mode)
        else:
            temporary.mkdir(mode=folder_mode)
            write_durably(temporary / str(model_card["file"]), model, mode)
            write_durably(temporary / MODEL_CARD_FILE, text, mode)
            sync_folder(temporary)
            temporary.rename(final)
        link = folder / f".{LATEST}.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        link.replace(folder / LATEST)
        sync_folder(folder)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in _published(folder)[:-keep]:
        if old != final:
            shutil.rmtree(old, ignore_errors=True)
    return final


def list_snapshots(folder: Path) -> list[dict[str, Any]]:
    """Read the model cards of the published snapshots.

    Args:
        folder: The folder of all snapshots.

    Returns:
        The model cards, oldest first, each with the ``path`` of its model. Damaged cards are logged and left out.

    Raises:
        ExportError: If the folder cannot be read.
    """
    try:
        folders = _published(folder)
    except OSError as error:
        raise ExportError(
            f"The snapshots in {folder} cannot be read: {error.strerror}.", "Run this as the daemon's user."
        ) from error
    model_cards = []
    for published in folders:
        try:
            model_cards.append(read_model_card(published))
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("The model card of the snapshot %s cannot be read: %s", published, error)
    return model_cards


def _published(folder: Path) -> list[Path]:
    """Folders of published snapshots, oldest first."""
    try:
        # Not `glob`, which from Python 3.13 on finds nothing in a folder that is closed.
        found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    # By the time of publication: in a new state folder the positions start again at 1.
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files of exports that were killed."""
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name) and path.lstat().st_mtime < time.time() - LEFTOVER_S:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
