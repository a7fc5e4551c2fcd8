"""Verification of published snapshots: whether a model and its card are still what was published."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from edgedescent.snapshots.model_card import identity_of, read_model_card


class SnapshotDamageError(Exception):
    """A snapshot is not what was published."""


def check_snapshot(folder: Path) -> dict[str, Any]:
    """Compare a published snapshot with its model card, and the card with the name of the folder.

    Args:
        folder: The snapshot's folder.

    Returns:
        The model card, with the ``path`` of the model.

    Raises:
        SnapshotDamageError: If the model or its card is missing or damaged; says which.
    """
    try:
        model_card = read_model_card(folder)
        identity = identity_of(model_card)
    except OSError as error:
        raise SnapshotDamageError(f"its model card cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise SnapshotDamageError("its model card is no model card.") from error
    if not folder.resolve().name.endswith(identity):
        raise SnapshotDamageError(f"its model card is that of {identity}.")
    try:
        with Path(model_card["path"]).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SnapshotDamageError(f"its model cannot be read: {error.strerror}.") from error
    except ValueError as error:
        # A damaged card may name a file that no file system can have.
        raise SnapshotDamageError("its model card is no model card.") from error
    if found != model_card["sha256"]:
        raise SnapshotDamageError("its model is not the one that its model card describes: the SHA-256 differs.")
    return model_card
