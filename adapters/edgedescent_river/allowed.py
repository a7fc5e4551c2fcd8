"""Allowlist of saved object graphs: the classes and functions that a graph may name, and the classes it may call."""

from __future__ import annotations

import collections
import copy
import datetime as dt
import functools
import importlib
import random
import statistics
import sys
import types
from typing import Any

from river.utils import VectorDict

from edgedescent_river.ordered import Select

PACKAGES = (
    "bandit",
    "compose",
    "covariance",
    "drift",
    "dummy",
    "ensemble",
    "facto",
    "feature_extraction",
    "feature_selection",
    "forest",
    "imblearn",
    "linear_model",
    "metrics",
    "misc",
    "model_selection",
    "neighbors",
    "optim",
    "preprocessing",
    "proba",
    "reco",
    "rules",
    "stats",
    "time_series",
    "tree",
    "utils",
)
"""Packages of River with models and their parts; its others read files, evaluate or wrap other libraries."""

_INSIDE = ("_river_rust", "anomaly", "base", "cluster", "sketch")
"""Packages with classes that only other classes of River use."""

BUILDERS: tuple[type, ...] = (
    collections.Counter,
    collections.OrderedDict,
    collections.defaultdict,
    collections.deque,
    dt.date,
    dt.datetime,
    dt.time,
    dt.timedelta,
    functools.partial,
    random.Random,
    statistics.NormalDist,
)
"""Classes beside River's of which a graph may have objects."""

_FACTORIES: tuple[type, ...] = (*BUILDERS, bool, dict, float, frozenset, int, list, set, str, tuple)
"""Classes beside River's that a graph may name, as a `defaultdict` names the class of its values."""

_OTHERS: tuple[Any, ...] = (*_FACTORIES, copy.deepcopy, Select)
_KNOWN: dict[tuple[str, str], Any] = {(thing.__module__, thing.__qualname__): thing for thing in _OTHERS}


def name_of(thing: Any) -> tuple[str, str] | None:
    """Return the module and name under which a class or function may be saved, None if it may not be saved."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    try:
        return (module, name) if look_up(module, name) is thing else None
    except ValueError:
        return None


def look_up(module: str, name: str) -> Any:
    """Return the allowed class or function of this module and name.

    Raises:
        ValueError: If there is none.
    """
    if (module, name) in _KNOWN:
        return _KNOWN[module, name]
    if _is_of_river(module):
        try:
            thing: Any = sys.modules.get(module) or importlib.import_module(module)
            for part in name.split("."):
                thing = vars(thing)[part] if isinstance(thing, type) else getattr(thing, part)
        except (ImportError, AttributeError, KeyError):
            thing = None
        thing = thing.__func__ if isinstance(thing, staticmethod) else thing
        is_named = isinstance(thing, type | types.FunctionType | types.BuiltinFunctionType)
        # A name that River itself imported, such as a function that runs programs, is not allowed.
        if is_named and _is_of_river(str(thing.__module__)):
            return thing
    raise ValueError(f"{module}.{name} is not a class or function that a saved model may hold")


def may_have_objects(kind: Any) -> bool:
    """Return True if objects of this class may be in a graph."""
    return isinstance(kind, type) and (kind in BUILDERS or kind is Select or _is_of_river(kind.__module__))


def may_be_called(kind: Any) -> bool:
    """Return True if a graph may call this class with arguments; objects of others are made empty and then filled."""
    return kind in BUILDERS or kind is VectorDict


def _is_of_river(module: str) -> bool:
    root, *parts = module.split(".")
    return root == "river" and bool(parts) and (parts[0] in PACKAGES or parts[0] in _INSIDE)
