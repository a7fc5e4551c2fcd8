"""Registries: the one way in which plug-ins are found by name.

A registry holds the plug-ins of one kind: the built-in ones, and those that installed packages declare as entry points
of the registry's group. Each is imported when it is first asked for, because one may need packages that are large or
not installed. The registry of a kind stands with its concept: `edgedescent.optim.OPTIMIZERS`, for example.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from edgedescent.errors import ConfigError, did_you_mean, shown
from edgedescent.interfaces import Exporter, TransportAdapter

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Plug-ins of one kind by name, imported when they are first asked for.

    Args:
        kind: Word for one of them in error messages.
        group: Entry point group under which installed packages declare further ones.
        built_in: References such as ``edgedescent.optim.adam:Adam`` by name. They win over entry points.
        base: Class that every plug-in of this kind is derived from; None where a protocol describes it.

    Example:
        >>> losses = Registry("loss", "edgedescent.losses", {"HuberLoss": "edgedescent.losses.huber:HuberLoss"})
        >>> losses.find("HuberLoss", "learner.loss.type")
        <class 'edgedescent.losses.huber.HuberLoss'>
        >>> losses.find("HubertLoss", "learner.loss.type")
        Traceback (most recent call last):
        ...
        edgedescent.errors.ConfigError: `learner.loss.type` is 'HubertLoss': expected one of HuberLoss.
    """

    def __init__(
        self, kind: str, group: str, built_in: Mapping[str, str] | None = None, *, base: type | None = None
    ) -> None:
        self.kind = kind
        self.group = group
        self._built_in = {name: EntryPoint(name, value, group) for name, value in (built_in or {}).items()}
        self._base = base

    @property
    def built_in(self) -> tuple[str, ...]:
        """Names of the built-in plug-ins."""
        return tuple(self._built_in)

    def find(self, name: object, path: str) -> T:
        """Plug-in that the configuration names at `path`.

        Raises:
            ConfigError: If there is none, it cannot be imported, or it is of another kind.
        """
        if isinstance(name, str) and (point := self._point(name)) is not None:
            return self._load(point)
        raise ConfigError(f"`{path}` is {shown(name)}: expected one of {', '.join(self)}.", did_you_mean(name, self))

    def __getitem__(self, name: str) -> T:
        if (point := self._point(name)) is None:
            raise KeyError(name)
        return self._load(point)

    def __iter__(self) -> Iterator[str]:
        others = sorted(point.name for point in _declared(self.group))
        return iter(dict.fromkeys([*self._built_in, *others]))

    def __contains__(self, name: object) -> bool:
        # The method of `Mapping` would import it.
        return isinstance(name, str) and self._point(name) is not None

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _point(self, name: str) -> EntryPoint | None:
        return self._built_in.get(name) or next((point for point in _declared(self.group) if point.name == name), None)

    def _load(self, point: EntryPoint) -> T:
        try:
            plugin = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"The {self.kind} {point.name!r} cannot be imported: {error}.", _install_hint(point, error)
            ) from error
        if self._base is not None and not (isinstance(plugin, type) and issubclass(plugin, self._base)):
            raise ConfigError(
                f"The {self.kind} {point.name!r} of {point.value} is {plugin!r:.80}, which is no {self.kind}."
            )
        return cast("T", plugin)


def exported(package: str, names: Mapping[str, Any], base: type) -> dict[str, str]:
    """References to the classes derived from `base` that a package exports, for its registry.

    Args:
        package: Name of the package.
        names: Its `globals()`.
        base: Class that they are derived from; it is left out itself.
    """
    classes = (value for value in names.values() if isinstance(value, type) and value is not base)
    return {kind.__name__: f"{package}:{kind.__name__}" for kind in classes if issubclass(kind, base)}


def _declared(group: str) -> Iterable[EntryPoint]:
    """Entry points of a group in all installed packages; read again when a package came or went."""
    changed: dict[str, int] = {}
    for folder in sys.path:
        with suppress(OSError):
            changed[folder] = os.stat(folder or ".").st_mtime_ns  # noqa: PTH116 - a few paths on each look-up
    return _entry_points(tuple(changed.items())).get(group, ())


@lru_cache(maxsize=1)
def _entry_points(_folders: tuple[tuple[str, int], ...]) -> Mapping[str, Iterable[EntryPoint]]:
    """Entry points by group. A file of each package is opened: without the cache, a look-up would take 10 ms."""
    found = entry_points()
    return {group: found.select(group=group) for group in found.groups}


def _install_hint(point: EntryPoint, error: Exception) -> str:
    """Command that installs the missing package, if the plug-in's distribution has an extra for it."""
    missing = (getattr(error, "name", None) or "").partition(".")[0]
    if point.dist is None or not missing:
        return ""
    for requirement in point.dist.requires or ():
        found = re.match(r"([\w.-]+).*\bextra\s*==\s*['\"]([\w.-]+)", requirement)
        if found and found[1].replace("-", "_").lower() == missing.lower():
            return f"Install what it needs with: pip install '{point.dist.name}[{found[2]}]'"
    return ""


TRANSPORTS: Registry[type[TransportAdapter]] = Registry("transport", "edgedescent.transports")
EXPORTERS: Registry[type[Exporter[Any]]] = Registry("exporter", "edgedescent.exporters")
