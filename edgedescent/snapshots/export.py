"""Export of snapshots: recover the newest state, export each model, check its parity, and publish it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgedescent.config import Config
from edgedescent.engine.core import Engine
from edgedescent.engine.head import Head
from edgedescent.interfaces import Exporter
from edgedescent.learners import Learner
from edgedescent.snapshots.model_card import ENTRY, build_model_card, describe_model
from edgedescent.snapshots.parity import Events, check_parity, recent_events
from edgedescent.snapshots.publish import FOLDER, folder_of, publish_snapshot
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store


def export_snapshots(config: Config, output: Path | None = None) -> list[dict[str, Any]]:
    """Export the newest state, check it against the live model, and publish it.

    The models of several horizons are snapshots of their own. None is published unless all agree.

    Args:
        config: The configuration of the daemon whose state is exported.
        output: Folder for the snapshots instead of the one in the state folder.

    Returns:
        The model cards in the order of the horizons, each with the ``path`` of the exported file.

    Raises:
        ExportError: If there is nothing to export or to check it on, or a file does not agree with the live model.
        StateError: If the state cannot be read.
    """
    exporter = config.build_exporter()
    store = Store(config.state.path, read_only=True)
    try:
        engine = recover(config, store)
        heads = engine.heads.all
        events = [recent_events(store, engine, config.snapshots.check_events, head.horizon_s) for head in heads]
    finally:
        store.close()
    made = [_exported(config, exporter, engine, head, own) for head, own in zip(heads, events, strict=True)]
    # A folder that the user names is for whoever may read it; the state folder is for its owner alone.
    base = output or Path(config.state.path) / FOLDER
    cards = []
    for head, (model, model_card) in zip(heads, made, strict=True):
        folder = publish_snapshot(
            folder_of(base, head.horizon_s), model, model_card, keep=config.snapshots.keep, private=output is None
        )
        cards.append({**model_card, "path": str(folder / str(model_card["file"]))})
    return cards


def _exported(
    config: Config, exporter: Exporter[Learner], engine: Engine, head: Head, events: Events
) -> tuple[bytes, dict[str, Any]]:
    """File of a model that agrees with the live one, and its model card."""
    description = describe_model(config.device, engine, head, exporter)
    metadata = {"device": config.device, "position": str(engine.position), ENTRY: json.dumps(description)}
    model = exporter.export(head.learner, metadata)
    parity = check_parity(head.learner, exporter, model, events, tolerance=config.snapshots.tolerance)
    return model, build_model_card(description, model, parity)
