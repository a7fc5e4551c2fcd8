"""Parity check: the predictions of an exported file against those of the live model."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np

from edgedescent.engine.assembling import event_reader
from edgedescent.engine.core import Engine
from edgedescent.errors import ExportError
from edgedescent.interfaces import Exporter, FollowsLabels, ServesLists
from edgedescent.learners import Learner
from edgedescent.learners.recommender import Recommender
from edgedescent.snapshots.list_parity import check_lists
from edgedescent.state.store import Store

Events = Sequence[Mapping[str, Any]]
"""Events as `recent_events` returns them."""


class Parity(msgspec.Struct, frozen=True):
    """Largest differences between the predictions of an exported file and of the live model.

    A relative difference is one in units of the live prediction, or of the target where the prediction is smaller:
    what cancels out to a prediction near 0 leaves the rounding error of a usual one.
    """

    events: int
    max_abs_diff: float
    max_rel_diff: float
    tolerance: float
    scale: float = 0.0
    """Size of a usual target, which a difference is divided by where the live prediction is smaller."""

    @property
    def holds(self) -> bool:
        """True if the largest relative difference is within the tolerance, so that the file may be published."""
        return math.isfinite(self.max_rel_diff) and self.max_rel_diff <= self.tolerance


def check_parity(
    learner: Learner,
    exporter: Exporter[Learner],
    model: bytes,
    events: Sequence[Mapping[str, Any]],
    *,
    tolerance: float,
) -> Parity:
    """Compare the predictions of an exported file with those of the live model, and the items that both recommend.

    Where the learner follows labels, they are also compared after the labels of these events, as further ones.

    Args:
        learner: The live model.
        exporter: The exporter that made the file and serves it.
        model: Content of the file.
        events: Events to predict, as `recent_events` returns them. Those that the live model refuses are left out.
        tolerance: Largest relative difference that is acceptable.

    Raises:
        ExportError: If there is no event to compare on, or the file makes another number of predictions or different
            ones, or recommends other items.
    """
    accepted, live = predict_all(learner, events)
    if not accepted:
        raise _nothing_to_check_on(learner, events)
    scale = target_scale(learner)
    parity = _checked(accepted, live, exporter.predict(model, accepted), tolerance, scale)
    if isinstance(learner, Recommender) and isinstance(exporter, ServesLists):
        check_lists(learner, exporter, model, [event["user"] for event in accepted], tolerance=tolerance)
    labels = known_labels(accepted)
    if not (labels and isinstance(learner, FollowsLabels)):
        return parity
    _, live = predict_all(learner.with_labels(labels), accepted)
    following = _checked(accepted, live, exporter.predict(model, accepted, labels), tolerance, scale)
    return max(parity, following, key=lambda one: one.max_rel_diff)


def known_labels(events: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the labels of the events that have one, in order."""
    return [float(event["y"]) for event in events if isinstance(event.get("y"), int | float)]


def _checked(
    events: Sequence[Mapping[str, Any]],
    live: Sequence[float],
    exported: Sequence[float],
    tolerance: float,
    scale: float,
) -> Parity:
    """Compare predictions; raises ExportError if their number differs, or one of them by more than the tolerance."""
    if len(live) != len(exported):
        raise ExportError(
            f"The snapshot makes {len(exported)} predictions for {len(live)} events. It was not published."
        )
    parity = compare(live, exported, tolerance, scale)
    if not parity.holds:
        raise _disagreement(parity, events, live, exported)
    return parity


def _nothing_to_check_on(learner: Any, events: Sequence[Mapping[str, Any]]) -> ExportError:
    """Error about a model that accepts none of the newest events."""
    if not events:
        return ExportError(
            "There is no event to check a snapshot on.", "Let the daemon learn a few events before exporting."
        )
    try:
        _predict(learner, events[-1])
    except (ValueError, TypeError) as error:
        why = f", the last one because: {error!s:.200}"
    else:
        why = "."
    return ExportError(
        f"There is no event to check a snapshot on: the learner refuses each of the {len(events)} newest ones{why}",
        "Correct what sends them, or the learner's parameters, and export again once there are events that it accepts.",
    )


def target_scale(learner: Learner) -> float:
    """Root mean square of the targets that a learner has learned; 0 if it keeps no statistics of them.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> model = LinearRegressor()
        >>> for y in (6.0, 8.0):
        ...     model.learn_one({"a": 1.0}, y)
        >>> round(target_scale(model) ** 2)
        50
    """
    state = learner.state_dict()
    if "history.numbers" in state:
        mean, deviation = np.asarray(state["history.numbers"])[:2].tolist()
        return math.hypot(mean, deviation)
    if not {"target.mean", "target.variance"} <= state.keys():
        return 0.0
    mean, variance = (float(np.asarray(state[name]).flat[0]) for name in ("target.mean", "target.variance"))
    return math.hypot(mean, math.sqrt(variance))


def _disagreement(
    parity: Parity, events: Sequence[Mapping[str, Any]], live: Sequence[float], exported: Sequence[float]
) -> ExportError:
    """Error about a file that does not agree with the live model; shows the event on which it differs most."""
    worst = max(range(len(live)), key=lambda i: _difference(live[i], exported[i], parity.scale)[1])
    event = {name: value for name, value in events[worst].items() if name in ("x", "user", "item")}
    return ExportError(
        f"The snapshot differs from the live model by {parity.max_rel_diff:.3g} relative ({parity.max_abs_diff:.3g} "
        f"absolute) on {parity.events} recent events, more than {parity.tolerance:g}. It was not published. It differs "
        f"most on {event!s:.500}: the live model predicts {live[worst]!r}, the snapshot {exported[worst]!r}.",
        "If such a difference is of no importance to you, raise `snapshots.tolerance`. Please report it in any case, "
        "with `[learner]` of the configuration and this message: the two should agree.",
    )


def recent_events(store: Store, engine: Engine, count: int, horizon_s: float | None = None) -> list[dict[str, Any]]:
    """Read the newest events of the journal.

    Args:
        store: The state, open for reading.
        engine: The recovered engine, whose position ends the search.
        count: The largest number of events to return.
        horizon_s: Horizon of the model, of several; None for the only one.

    Returns:
        The events as plain dicts, oldest first.
    """
    events: list[dict[str, Any]] = []
    end, messages = engine.position, count
    while len(events) < count and end > 0:
        start = store.first_of_last(messages, end)
        earlier: list[dict[str, Any]] = []
        read = event_reader(engine.format, engine.assembling, horizon_s)
        for message in store.read(after=start, up_to=end):
            earlier.extend(msgspec.structs.asdict(event) for event in read(message))
        events = earlier + events
        if start == end:
            break
        # Messages may hold less than one usable event each: twice as many are read the next time.
        end, messages = start, 2 * messages
    return events[-count:]


def predict_all(learner: Any, events: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[float]]:
    """Predict events with the live model.

    Returns:
        The events that the model accepts, and its predictions for them. Those that it refuses are dead letters.
    """
    accepted, predictions = [], []
    for event in events:
        with suppress(ValueError, TypeError):
            predictions.append(_predict(learner, event))
            accepted.append(event)
    return accepted, predictions


def _predict(learner: Any, event: Mapping[str, Any]) -> float:
    inputs = (event["x"],) if learner.input_kind == "features" else (event["user"], event["item"])
    prediction: float = learner.predict_one(*inputs)
    return prediction


def compare(live: Sequence[float], exported: Sequence[float], tolerance: float, scale: float = 0.0) -> Parity:
    """Measure the largest differences between two sequences of predictions; infinite if one is not finite.

    Args:
        live: Predictions of the live model.
        exported: Predictions of the file for the same events.
        tolerance: Largest relative difference that is acceptable.
        scale: Size of a usual target.

    Example:
        >>> compare([1.0, 2.0], [1.0, 2.5], 1e-5).max_rel_diff
        0.25
        >>> compare([1.0, 1e-14], [1.0, 2e-14], 1e-5, scale=1.0).max_rel_diff
        1e-14
    """
    absolute = relative = 0.0
    for a, b in zip(live, exported, strict=True):
        differences = _difference(a, b, scale)
        absolute, relative = max(absolute, differences[0]), max(relative, differences[1])
    return Parity(len(live), absolute, relative, tolerance, scale)


def _difference(live: float, exported: float, scale: float) -> tuple[float, float]:
    """Absolute and relative difference of two predictions; infinite if one is not finite."""
    if not (math.isfinite(live) and math.isfinite(exported)):
        # The division below would give NaN, which `max` does not notice.
        return math.inf, math.inf
    difference = abs(live - exported)
    return difference, difference and difference / max(abs(live), scale, sys.float_info.min)
