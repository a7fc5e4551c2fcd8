"""Checks of what every drift must hold.

Example:
    >>> import numpy as np
    >>> from edgedescent_sims.drift import LabelBias
    >>> from edgedescent_sims.drift.contract import check_drift
    >>> from edgedescent_sims.sources.batch import Batch
    >>> from edgedescent_sims.sources.in_memory import InMemorySource
    >>> stream = InMemorySource(Batch.of({"temp": np.arange(100.0)}, np.arange(100.0)))
    >>> check_drift(LabelBias(stream, offset=10.0, at=50))
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedescent.testing.support import require
from edgedescent_sims.drift.base import LABEL, Drift
from edgedescent_sims.sources.base import Source
from edgedescent_sims.sources.batch import Batch
from edgedescent_sims.sources.in_memory import InMemorySource

CUTS = (7, 64)
"""Lengths of the batches in which the stream must be the same."""


def check_drift(drift: Drift) -> None:
    """Check a drift on its stream, which must be small enough for memory, and hold each number once.

    It must be repeatable, independent of how its source is cut, change nothing before it and nothing but what it names,
    label `y` and `target` alike, change something at all, and go on as its copies that are frozen after each mark.

    Args:
        drift: A drift whose stream ends after its start.

    Raises:
        AssertionError: If it breaks one of its promises; the message says which.
        ConfigError: If its own checks refuse it.
    """
    drift.check()
    name = type(drift).__name__
    before, after = _read(drift.source), _read(drift)
    require(name, _differences(after, _read(drift)) == [], "it yields other events when it is read again")
    if drift.adds_events:
        _, first = np.unique(after.number, return_index=True)
        _check_changes(drift, before, after.take(np.sort(first)))
    else:
        _check_changes(drift, before, after)
    for cut in CUTS:
        again = _read(drift.around(InMemorySource(before, batch_events=cut, label=drift.name)))
        differing = _differences(after, again)
        require(name, differing == [], f"{differing} are others where batches have {cut} events")
    _check_marks(drift, after)


def _check_changes(drift: Drift, before: Batch, after: Batch) -> None:
    name, share = type(drift).__name__, drift.share_of(before.number)
    require(name, len(before) == len(after), f"{len(before)} events become {len(after)}")
    require(name, bool(((share >= 0) & (share <= 1)).all()), "a share is not between 0 and 1")
    untouched = share == (1 if drift.changes_old_regime else 0)
    differing = _differences(before.take(untouched), after.take(untouched))
    require(name, differing == [], f"{differing} change in the regime that it must leave as it is")
    touched = drift.touched()
    labels = {"y", "target"} if LABEL in touched else set()
    changed = set(_differences(before, after))
    require(name, changed <= touched | labels | {"optimum"}, f"it touches {sorted(touched)}, and changes {changed}")
    require(name, bool(changed) == bool(touched), f"it touches {sorted(touched)}, and changes {changed}")
    if not drift.adds_events:
        is_question = np.isnan(before.y)
        require(name, bool((np.isnan(after.y) == is_question).all()), "a question gets a label, or a label is lost")
        faultless = before.y == before.target
        require(name, bool((after.y == after.target)[faultless].all()), "`y` and `target` change differently")


def _check_marks(drift: Drift, after: Batch) -> None:
    name, marks = type(drift).__name__, drift.marks()
    require(name, bool(marks), "it has no mark")
    ends = [mark.start for mark in marks[1:]] + [int(after.number.max())]
    for mark, end in zip(marks, ends, strict=True):
        twin = drift.frozen_after(mark)
        require(name, twin.marks() == [], "a frozen copy has marks")
        if mark.end >= end:
            continue
        events = _read(twin)
        one = after.take((after.number > mark.end) & (after.number <= end))
        other = events.take((events.number > mark.end) & (events.number <= end))
        differing = _differences(one, other)
        require(name, differing == [], f"{differing} of its copy frozen after {mark} differ in ({mark.end}, {end}]")


def _read(source: Source) -> Batch:
    return Batch.concatenate(list(source.batches()))


def _differences(one: Batch, other: Batch) -> list[str]:
    """Names of the columns and arrays that are not equal to the last bit."""
    names = dict.fromkeys([*one.columns, *other.columns])
    differing = [name for name in names if not _equal(one.column(name), other.column(name))]
    arrays = ("number", "y", "target", "optimum", "time", "arrival")
    return differing + [name for name in arrays if not _equal(getattr(one, name), getattr(other, name))]


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.dtype != other.dtype or len(one) != len(other):
        return len(one) == len(other) == 0
    if one.dtype == object:
        return bool(one.tolist() == other.tolist())
    return one.tobytes() == other.tobytes()
