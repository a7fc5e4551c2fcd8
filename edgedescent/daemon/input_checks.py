"""Checks on the inputs: each feature with its last value and age, as the newest checkpoint has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgedescent.assembly import Assembler
from edgedescent.config import Config
from edgedescent.engine.assembling import Assembling
from edgedescent.errors import StateError
from edgedescent.interfaces import CheckResult, ok, warning
from edgedescent.state.state_file import state_exists
from edgedescent.state.store import FILE, Store

FEATURES_MAX = 200
"""Number of features that are listed."""


def inputs_of(config: Config, folder: Path) -> Iterator[CheckResult]:
    """Explain the inputs and their features. Nothing is written.

    Args:
        config: The configuration.
        folder: The state folder.

    Yields:
        The results; none where there are no inputs.
    """
    settings = config.assembly_settings()
    if settings is None:
        return
    label = settings.label
    horizons = [f"{horizon:g}" for horizon in label.horizons if horizon is not None]
    ahead = f", {', '.join(horizons)} s ahead" if horizons else ""
    ahead += ", each by a model of its own" if len(horizons) > 1 else ""
    derived = sum(len(one.names) for one in settings.build_derived())
    yield ok(
        "inputs",
        f"{len(settings.inputs)} inputs, {derived} derived features; an event by {settings.emit!r}, which predicts "
        f"{label.feature!r}{ahead}.",
    )
    assembler, changes = _newest(config, folder)
    if changes:
        yield warning(
            "horizons",
            f"from the next message on, {'; '.join(changes)}.",
            "To keep a model that ends, leave its horizon in `label.horizon_s`.",
        )
    if assembler is None:
        yield ok("features", "there is no state yet that says what was received.")
        return
    found = assembler.describe()
    if not found:
        yield warning("features", "no input has sent anything so far.", "Listen with: edgedescent init --list URL")
    for feature in found[:FEATURES_MAX]:
        name, age, share = feature["feature"], feature["age_s"], feature["missing_share"]
        said = (
            f"{feature['value']!r}, {age:.6g} s before the newest reading" if feature["value"] is not None else "a gap"
        )
        said += f"; missing in {share:.1%} of the events" if share else ""
        if feature["missing"]:
            yield warning("feature", f"{name} of {feature['input']!r} is missing: its last value was {said}.")
        else:
            yield ok("feature", f"{name} of {feature['input']!r}: {said}.")
    if len(found) > FEATURES_MAX:
        yield ok("feature", f"and {len(found) - FEATURES_MAX} more.")
    for problem in assembler.problems()[:FEATURES_MAX]:
        yield warning("feature", problem)
    for name in assembler.silent:
        yield warning("feature", f"the input {name!r} is silent: nothing came for `inputs.{name}.silent_after_s`.")


def _newest(config: Config, folder: Path) -> tuple[Assembler | None, list[str]]:
    """Assembler as the newest checkpoint has it, None if there is none or it is of other inputs; and changed models."""
    try:
        if not state_exists(folder / FILE):
            return None, []
        store = Store(folder, read_only=True)
    except StateError:
        # Another check tells it.
        return None, []
    try:
        checkpoint = next(iter(store.checkpoints()), None)
        settings = config.assembly_settings()
        recorded = None if checkpoint is None else store.records.settings.at(checkpoint.position)
        if checkpoint is None or settings is None or recorded is None:
            return None, []
        if recorded.assembly != settings:
            return None, config.engine_settings().changed_models(recorded)
        assembling = Assembling(settings, config.limits.payload_bytes_max, config.limits.events_per_message_max)
        assembling.restore(checkpoint.state, "assembly.")
    except (StateError, KeyError, ValueError):
        # Damage is told by the check of the learner; an older state has no inputs.
        return None, []
    else:
        return assembling.assembler, []
    finally:
        store.close()
