"""Export of a snapshot: recover the newest state, export it, check its parity, and publish it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgedescent.config import Config
from edgedescent.snapshots.model_card import ENTRY, build_model_card, describe_model
from edgedescent.snapshots.parity import check_parity, recent_events
from edgedescent.snapshots.publish import FOLDER, publish_snapshot
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store


def export_snapshot(config: Config, output: Path | None = None) -> dict[str, Any]:
    """Export the newest state, check it against the live model, and publish it.

    Args:
        config: The configuration of the daemon whose state is exported.
        output: Folder for the snapshot instead of the one in the state folder.

    Returns:
        The model card, with the ``path`` of the exported file.

    Raises:
        ExportError: If there is nothing to export or to check it on, or the file does not agree with the live model.
        StateError: If the state cannot be read.
    """
    exporter = config.build_exporter()
    store = Store(config.state.path, read_only=True)
    try:
        engine = recover(config, store)
        events = recent_events(store, engine, config.snapshots.check_events)
    finally:
        store.close()
    description = describe_model(config.device, engine, exporter)
    metadata = {"device": config.device, "position": str(engine.position), ENTRY: json.dumps(description)}
    model = exporter.export(engine.learner, metadata)
    parity = check_parity(engine.learner, exporter, model, events, tolerance=config.snapshots.tolerance)
    model_card = build_model_card(description, model, parity)
    # A folder that the user names is for whoever may read it; the state folder is for its owner alone.
    folder = publish_snapshot(
        output or Path(config.state.path) / FOLDER,
        model,
        model_card,
        keep=config.snapshots.keep,
        private=output is None,
    )
    return {**model_card, "path": str(folder / str(model_card["file"]))}
