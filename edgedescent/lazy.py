"""Names of a package that are imported when they are first used (PEP 562), to keep the memory of a daemon small."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def imported_when_used(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """The ``__getattr__`` of a package that imports names from its modules when they are first used.

    Args:
        package: ``__name__`` of the package.
        modules: Name of the module that defines each name.

    Returns:
        Function that imports a name and keeps it in the package. It raises AttributeError for any other name.

    Example:
        >>> attribute = imported_when_used("edgedescent", {"CostMeter": "edgedescent.evaluation.cost"})
        >>> attribute("CostMeter")
        <class 'edgedescent.evaluation.cost.CostMeter'>
        >>> attribute("CostMetre")
        Traceback (most recent call last):
        ...
        AttributeError: module 'edgedescent' has no attribute 'CostMetre'

    References:
        PEP 562, "Module __getattr__ and __dir__".
    """

    def attribute(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return attribute
