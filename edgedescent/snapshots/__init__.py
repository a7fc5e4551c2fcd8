"""Snapshots: the live model as a file that other runtimes serve, published only once it is proven to agree.

This runs in a process of its own, beside the daemon or without one: it reads the state, never writes it, and needs
packages that would be too heavy for the daemon.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

import edgedescent
from edgedescent.adapters import Exporter, load_adapter
from edgedescent.config import Config, describe
from edgedescent.engine.core import Engine
from edgedescent.errors import ExportError
from edgedescent.formats.json import Decoder
from edgedescent.state.files import as_owner_of, replace_atomically, sync_folder, write_durably
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

FOLDER = "snapshots"
LATEST = "latest"
CARD = "card.json"
_NAME = re.compile(r"\d{12,}-[0-9a-f]{8}")
_LEFTOVER = re.compile(rf"\.({_NAME.pattern}|{LATEST})\.\d+")
LEFTOVER_S = 3600.0
"""An export never takes so long: what one has left unfinished may be cleared away."""


class Parity(msgspec.Struct, frozen=True):
    """How far the exported file's predictions are from the live model's."""

    events: int
    max_abs_diff: float
    max_rel_diff: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the file may be published."""
        return math.isfinite(self.max_rel_diff) and self.max_rel_diff <= self.tolerance


def export(config: Config, output: Path | None = None) -> dict[str, Any]:
    """Export the newest state, check it and publish it; returns the card.

    Args:
        config: of the daemon whose state folder is read.
        output: a folder for the snapshot instead of the state folder's own.

    Raises:
        ExportError: if there is nothing to export or to check it on, or the file does not agree with the live model.
    """
    exporter: Exporter = load_adapter(config.snapshots.exporter, "snapshots.exporter")()
    store = Store(config.state.path, read_only=True)
    try:
        engine = recover(config, store)
        events = recent_events(config, store, engine, config.snapshots.check_events)
    finally:
        store.close()
    learner = engine.learner
    checked, live = predict_all(learner, events)
    if not checked:
        raise ExportError(
            "There is no event to check a snapshot on.", "Let the daemon learn a few events before exporting."
        )
    model = exporter.export(learner, {"device": config.device, "position": str(engine.position)})
    exported = exporter.predict(model, checked)
    if len(live) != len(exported):
        raise ExportError(
            f"The snapshot makes {len(exported)} predictions for {len(live)} events. It was not published."
        )
    parity = compare(live, exported, config.snapshots.tolerance)
    if not parity.holds:
        raise ExportError(
            f"The snapshot at message {engine.position} differs from the live model by {parity.max_rel_diff:.3g} "
            f"relative ({parity.max_abs_diff:.3g} absolute) on {parity.events} recent events, more than "
            f"{parity.tolerance:g}. It was not published.",
            "Please report this: the two should agree.",
        )
    card = {
        "schema": 1,
        "device": config.device,
        "position": engine.position,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "edgedescent": edgedescent.__version__,
        "learner": describe(learner),
        "metrics": engine.metrics(),
        "parity": msgspec.to_builtins(parity),
        "sha256": hashlib.sha256(model).hexdigest(),
        "bytes": len(model),
        "file": f"model{exporter.suffix}",
        **exporter.describe(learner),
    }
    # What is asked for elsewhere is for whomever that folder is for; in the state folder it is for its owner.
    folder = publish(
        output or Path(config.state.path) / FOLDER, model, card, keep=config.snapshots.keep, private=output is None
    )
    return {**card, "path": str(folder / str(card["file"]))}


def recent_events(config: Config, store: Store, engine: Engine, count: int) -> list[dict[str, Any]]:
    """The newest `count` events of the journal, oldest first, as plain dicts."""
    decoder = Decoder(
        engine.learner.input_kind,
        payload_bytes_max=config.limits.payload_bytes_max,
        events_per_message_max=config.limits.events_per_message_max,
    )
    events: list[dict[str, Any]] = []
    end, messages = engine.position, count
    while len(events) < count and end > 0:
        start = store.first_of_last(messages, end)
        earlier: list[dict[str, Any]] = []
        for message in store.read(after=start, up_to=end):
            for usable, _ in decoder.decode(message.payload):
                earlier.extend(msgspec.structs.asdict(event) for _, event in usable)
        events = earlier + events
        if start == end:
            break
        # Where messages hold less than an event each, because many were refused, look further and further back.
        end, messages = start, 2 * messages
    return events[-count:]


def predict_all(learner: Any, events: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[float]]:
    """The events that the live model takes, and its predictions; those that it refused are dead letters."""
    taken, predictions = [], []
    for event in events:
        inputs = (event["x"],) if learner.input_kind == "features" else (event["user"], event["item"])
        with suppress(ValueError, TypeError):
            predictions.append(learner.predict_one(*inputs))
            taken.append(event)
    return taken, predictions


def compare(live: Sequence[float], exported: Sequence[float], tolerance: float) -> Parity:
    """Measure how far two sequences of predictions are apart; anything not finite is infinitely far.

    >>> compare([1.0, 2.0], [1.0, 2.5], 1e-5).max_rel_diff
    0.25
    """
    absolute = relative = 0.0
    for a, b in zip(live, exported, strict=True):
        if not (math.isfinite(a) and math.isfinite(b)):
            # Not left to the division: it gives NaN, which no maximum notices.
            return Parity(len(live), math.inf, math.inf, tolerance)
        difference = abs(a - b)
        absolute = max(absolute, difference)
        relative = max(relative, difference / max(abs(a), 1e-12))
    return Parity(len(live), absolute, relative, tolerance)


def publish(folder: Path, model: bytes, card: Mapping[str, Any], *, keep: int, private: bool = True) -> Path:
    """Put the model and its card in place as one folder, by an atomic rename, and point ``latest`` at it.

    The folder's name tells the position and the model, so a model that is published again only gets its new card.

    Args:
        folder: where; made if it is missing.
        model: the file's content.
        card: what to say of it.
        keep: how many of the newest stay, this one included.
        private: whether it is for the owner of the folder above alone, whoever calls this.

    Raises:
        ExportError: if something cannot be written; nothing is then published.
    """
    try:
        with as_owner_of(folder.parent) if private else nullcontext():
            return _publish(folder, model, card, keep, *((0o600, 0o700) if private else (0o644, 0o755)))
    except OSError as error:
        raise ExportError(f"The snapshot cannot be written to {folder}: {error.strerror}.") from error


def _publish(folder: Path, model: bytes, card: Mapping[str, Any], keep: int, mode: int, folder_mode: int) -> Path:
    name = f"{card['position']:012d}-{card['sha256'][:8]}"
    final, temporary = folder / name, folder / f".{name}.{os.getpid()}"
    written = json.dumps(card, indent=2).encode() + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=folder_mode)
        _clear_leftovers(folder)
        if final.exists():
            replace_atomically(final / CARD, written, mode=mode)
        else:
            temporary.mkdir(mode=folder_mode)
            write_durably(temporary / str(card["file"]), model, mode)
            write_durably(temporary / CARD, written, mode)
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


def snapshots(folder: Path) -> list[dict[str, Any]]:
    """The cards of the published snapshots, oldest first, each with the ``path`` of its model.

    Raises:
        ExportError: if the folder cannot be read.
    """
    try:
        folders = _published(folder)
    except OSError as error:
        raise ExportError(
            f"The snapshots in {folder} cannot be read: {error.strerror}.", "Ask as the user of the daemon."
        ) from error
    cards = []
    for published in folders:
        try:
            card = json.loads((published / CARD).read_bytes())
            known = {name: card[name] for name in ("position", "created_at", "metrics")}
            cards.append({**card, **known, "path": str(published / card["file"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("The card of the snapshot %s cannot be read: %s", published, error)
    return cards


def _published(folder: Path) -> list[Path]:
    """The folders that were published here, and no others, oldest first."""
    found = (path for path in folder.glob("*") if _NAME.fullmatch(path.name) and path.is_dir())
    # By the time of publication: in a new state folder the positions begin anew.
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _clear_leftovers(folder: Path) -> None:
    """Remove what exports that were killed have left unfinished."""
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name) and path.lstat().st_mtime < time.time() - LEFTOVER_S:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
