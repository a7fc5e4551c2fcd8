"""Model card: the description that is published beside a snapshot."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

import edgedescent
from edgedescent.config import describe
from edgedescent.engine.core import Engine
from edgedescent.interfaces import Exporter
from edgedescent.learners import Learner
from edgedescent.snapshots.parity import Parity

MODEL_CARD_FILE = "model_card.json"
SCHEMA = 1
"""Version of the keys."""


def build_model_card(
    device: str, engine: Engine, exporter: Exporter[Learner], model: bytes, parity: Parity
) -> dict[str, Any]:
    """Describe a snapshot: where it comes from, what it was checked on, and how to serve it.

    Args:
        device: Name of the device.
        engine: The engine whose learner was exported.
        exporter: The exporter; its own description of the file becomes part of the card.
        model: Content of the file.
        parity: Result of the parity check.
    """
    return {
        "schema": SCHEMA,
        "device": device,
        "position": engine.position,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "edgedescent": edgedescent.__version__,
        "learner": describe(engine.learner),
        "metrics": engine.metrics(),
        "parity": msgspec.to_builtins(parity),
        "sha256": hashlib.sha256(model).hexdigest(),
        "bytes": len(model),
        "file": f"model{exporter.suffix}",
        **exporter.describe(engine.learner),
    }


def read_model_card(folder: Path) -> dict[str, Any]:
    """Read the model card of a published snapshot and add the ``path`` of its file.

    Args:
        folder: The snapshot's folder.

    Raises:
        OSError: If the card cannot be read.
        ValueError, TypeError, KeyError: If it is damaged.
    """
    model_card = json.loads((folder / MODEL_CARD_FILE).read_bytes())
    required = {name: model_card[name] for name in ("position", "created_at", "metrics")}
    return {**model_card, **required, "path": str(folder / model_card["file"])}
