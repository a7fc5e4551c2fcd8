"""Model card: the description that is published beside a snapshot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

import edgedescent
from edgedescent.config import describe
from edgedescent.engine.core import Engine
from edgedescent.engine.head import Head
from edgedescent.interfaces import Exporter
from edgedescent.learners import Learner
from edgedescent.snapshots.parity import Parity

MODEL_CARD_FILE = "model_card.json"
ENTRY = "model_card"
"""Entry of the file's own metadata that holds the model card as JSON, without what is known only of the whole file."""
SCHEMA = 2
"""Version of the keys."""


def describe_model(device: str, engine: Engine, head: Head, exporter: Exporter[Learner]) -> dict[str, Any]:
    """Describe a model before it is exported: where it comes from, and how to serve it.

    The same state gives the same description, so that it gives the same file too.

    Args:
        device: Name of the device.
        engine: The engine.
        head: The head whose learner is exported.
        exporter: The exporter; its own description of the file becomes part of the card.
    """
    return {
        "schema": SCHEMA,
        "device": device,
        "position": engine.position,
        "edgedescent": edgedescent.__version__,
        **({} if head.horizon_s is None else {"horizon_s": head.horizon_s}),
        "learner": describe(head.learner),
        "metrics": engine.metrics_of(head),
        "file": f"model{exporter.suffix}",
        **exporter.describe(head.learner),
    }


def build_model_card(description: Mapping[str, Any], model: bytes, parity: Parity) -> dict[str, Any]:
    """Complete the description of a model with what is known of its file.

    Args:
        description: What `describe_model` returned.
        model: Content of the file.
        parity: Result of the parity check.
    """
    return {
        **description,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parity": msgspec.to_builtins(parity),
        "sha256": hashlib.sha256(model).hexdigest(),
        "bytes": len(model),
    }


def identity_of(model_card: Mapping[str, Any]) -> str:
    """Position and beginning of the SHA-256 of a model, with which the name of its snapshot's folder ends.

    Raises:
        KeyError, TypeError, ValueError: If it is no model card.
    """
    return f"{model_card['position']:012d}-{model_card['sha256'][:8]}"


def read_model_card(folder: Path) -> dict[str, Any]:
    """Read the model card of a published snapshot and add the ``path`` of its file.

    Args:
        folder: The snapshot's folder.

    Raises:
        OSError: If the card cannot be read.
        ValueError, TypeError, KeyError: If it is damaged.
    """
    model_card = json.loads((folder / MODEL_CARD_FILE).read_bytes())
    required = {name: model_card[name] for name in ("position", "created_at", "metrics", "sha256")}
    if not isinstance(required["metrics"], dict) or not isinstance(
        required["metrics"].get("mae", 0.0), float | int | None
    ):
        raise TypeError("The metrics of a model card are numbers by name.")
    return {**model_card, **required, "path": str(folder / model_card["file"])}
