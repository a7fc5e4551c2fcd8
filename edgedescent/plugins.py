"""Learners of other packages: found by name through the entry points ``edgedescent.learners``, loaded when named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points

from edgedescent import adapters
from edgedescent.errors import ConfigError
from edgedescent.learners import Learner

GROUP = "edgedescent.learners"


class Learners(Mapping[str, type]):
    """Learners by name: the built-in ones, and those of installed packages, which are imported only when asked for.

    Args:
        built_in: wins where a package has a learner of the same name.

    >>> from edgedescent import LinearRegressor
    >>> "RiverRegressor" in Learners({"LinearRegressor": LinearRegressor})
    True
    """

    def __init__(self, built_in: Mapping[str, type]) -> None:
        self._built_in = built_in

    def __getitem__(self, name: str) -> type:
        """The learner of this name.

        Raises:
            KeyError: if there is none.
            ConfigError: if it cannot be imported, or is no learner.
        """
        if name in self._built_in:
            return self._built_in[name]
        for point in entry_points(group=GROUP, name=name):
            try:
                learner = point.load()
            except (ImportError, AttributeError) as error:
                # An adapter's entry point is named after its kind and the extra that it needs.
                points = entry_points(group=adapters.GROUP)
                extras = [a.name.partition(".")[2] for a in points if a.module == point.module]
                hint = f"Install what it needs with: pip install 'edgedescent[{extras[0]}]'" if extras else ""
                raise ConfigError(f"The learner {name!r} cannot be imported: {error}.", hint) from error
            if not (isinstance(learner, type) and issubclass(learner, Learner)):
                raise ConfigError(f"The learner {name!r} of {point.value} is {learner!r:.80}, which is no learner.")
            return learner
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        others = (point.name for point in entry_points(group=GROUP))
        return iter(dict.fromkeys([*self._built_in, *sorted(others)]))

    def __contains__(self, name: object) -> bool:
        # The one of `Mapping` would load it.
        return any(name == known for known in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
