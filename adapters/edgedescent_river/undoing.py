"""Restoration of what River's models change while they predict.

Many add unknown names to their tables when they look them up, draw random numbers for the new entries, or keep
intermediate results in attributes. A test on every model compares all bytes of the state, which shows that nothing else
changes.
"""

from __future__ import annotations

import collections
import functools
import random
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from river.utils import VectorDict

_STILL = (
    "river._river_rust.",
    "river.drift.",
    "river.dummy",
    "river.forest.",
    "river.linear_model.lin_reg",
    "river.linear_model.pa",
    "river.metrics.",
    "river.neighbors.lazy",
    "river.neighbors.knn_regressor",
    "river.optim.",
    "river.rules.",
    "river.stats.",
    "river.tree.",
)
"""Modules of River whose classes change nothing while they predict, unless a part of them does."""

_LEAVES = (bool, int, float, str, bytes, type(None), np.ndarray, np.generic)


class Undoing:
    """Context manager that restores a model after a prediction.

    It determines once which parts can change, because trees and forests are large.

    Args:
        model: A model of River that has learned nothing.
    """

    def __init__(self, model: Any) -> None:
        self._skipped = frozenset(kind for kind, moves in _kinds(model).items() if not moves)
        self._needed = type(model) not in self._skipped

    @contextmanager
    def of(self, model: Any) -> Iterator[None]:
        """Restore tables, sets, attributes and random generators of the model after the `with` block."""
        if not self._needed:
            yield
            return
        objects, tables, sets, generators = self._watched(model)
        try:
            yield
        finally:
            for thing, attributes in objects:
                vars(thing).clear()
                vars(thing).update(attributes)
            for table, length in tables:
                # The new entries are the last ones, because tables keep the order of insertion.
                while len(table) > length:
                    table.popitem()
            for names, before in sets:
                names.intersection_update(before)
            for generator, state in generators:
                if isinstance(generator, random.Random):
                    generator.setstate(state)
                else:
                    generator.set_state(state)

    def _watched(self, model: Any) -> tuple[list[tuple[Any, Any]], ...]:
        objects: list[tuple[Any, Any]] = []
        tables: list[tuple[Any, Any]] = []
        sets: list[tuple[Any, Any]] = []
        generators: list[tuple[Any, Any]] = []
        for thing in _walk(model, self._skipped):
            if isinstance(thing, dict | VectorDict):
                tables.append((thing, len(thing)))
            elif isinstance(thing, set):
                sets.append((thing, thing.copy()))
            elif isinstance(thing, random.Random):
                generators.append((thing, thing.getstate()))
            elif isinstance(thing, np.random.RandomState):
                generators.append((thing, thing.get_state(legacy=False)))
            elif _is_of_river(thing) and hasattr(thing, "__dict__"):
                objects.append((thing, dict(vars(thing))))
        return objects, tables, sets, generators


def _kinds(model: Any) -> dict[type, bool]:
    """Return the classes of River in a model; True for those of which an object, or a part of it, may change."""
    moves: dict[type, bool] = {}
    for thing in _walk(model, frozenset()):
        kind = type(thing)
        if _is_of_river(thing):
            inside = any(not _is_still(part) for part in _walk(thing, frozenset()))
            moves[kind] = moves.get(kind, False) or inside
    return moves


def _is_still(thing: Any) -> bool:
    if not _is_of_river(thing):
        return True
    module = type(thing).__module__
    return module.startswith(_STILL) and not (module == "river.optim.initializers" and hasattr(thing, "_rng"))


def _is_of_river(thing: Any) -> bool:
    return type(thing).__module__.partition(".")[0] in ("river", "edgedescent_river")


def _walk(root: Any, skipped: frozenset[type]) -> Iterator[Any]:
    """Yield all parts of an object that could change, except those of the skipped classes."""
    stack, seen = [root], set()
    while stack:
        thing = stack.pop()
        if id(thing) in seen or type(thing) in skipped:
            continue
        seen.add(id(thing))
        yield thing
        stack += [part for part in _inside(thing) if not isinstance(part, _LEAVES)]


def _inside(thing: Any) -> Iterable[Any]:  # noqa: PLR0911 - one for each kind
    if isinstance(thing, collections.defaultdict):
        # All of its values are of one kind.
        first = next(iter(thing.values()), None)
        return [thing.default_factory, *(() if isinstance(first, _LEAVES) else thing.values())]
    if isinstance(thing, dict):
        return thing.values()
    if isinstance(thing, list | tuple):
        return thing
    if isinstance(thing, functools.partial):
        return (thing.func, *thing.args, *thing.keywords.values())
    if isinstance(thing, types.MethodType):
        return (thing.__self__,)
    if _is_of_river(thing):
        return vars(thing).values() if hasattr(thing, "__dict__") else ()
    return ()
