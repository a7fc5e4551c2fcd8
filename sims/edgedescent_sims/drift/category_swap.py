"""Concept drift: categories swap their meaning."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, cast

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.drift.base import OWN_DRAWS, Drift
from edgedescent_sims.drift.draws import mapped
from edgedescent_sims.drift.mixing import choose
from edgedescent_sims.sources.base import suggest
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class CategorySwap(Drift):
    """Concept drift in which the values of a text column swap their meaning: the sign flip of a category.

    ::

        x <- p(x)        p: v_1 -> v_2 -> ... -> v_k -> v_1

    Every one of the `values` is replaced by the next one, the last one by the first. Without `values` they are all
    those of the first 1000 events, in a random order by the seed. Other values stay, and so do the label and its
    optimum. In a gradual or incremental drift an event is changed with the probability s.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> sites = np.array(["north", "south", "north", None], dtype=object)
        >>> stream = InMemorySource(Batch.of({"site": sites}, np.array([1.0, 2.0, 1.0, 0.0])))
        >>> [event["x"].get("site") for event in CategorySwap(stream, column="site", at=1).events()]
        ['north', 'north', 'south', None]
    """

    column: Annotated[str, Meta(description="Column of texts")]
    values: Annotated[
        tuple[str, ...], Meta(description="Values that swap in a circle; all of the first 1000 events if empty")
    ] = ()

    @functools.cached_property
    def _next(self) -> dict[str, str]:
        values = list(self.values) or self._known
        if not self.values:
            np.random.default_rng([self.seed, OWN_DRAWS]).shuffle(values)
        return dict(zip(values, [*values[1:], *values[:1]], strict=True))

    @functools.cached_property
    def _known(self) -> list[str]:
        return sorted({value for value in self.reference.batch.column(self.column).tolist() if value is not None})

    def touched(self) -> frozenset[str]:
        """The column."""
        return frozenset({self.column})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        if not self.reference.holds_texts(self.column):
            raise ConfigError(
                f"The drift CategorySwap needs texts, and the column {self.column!r} of {self.name} holds numbers.",
                "For numbers there is SignFlip.",
            )
        for value in self.values:
            if value not in self._known:
                raise ConfigError(
                    f"The drift CategorySwap names the value {value!r}, which {self.column!r} does not have in the "
                    f"first {len(self.reference.batch)} events of {self.name}.",
                    suggest(value, self._known, "values"),
                )
        if len(set(self.values)) < len(self.values):
            raise ConfigError(f"The `values` of CategorySwap must be different ones. Got {self.values!r}.")
        self.require_change(len(self._next) > 1, "it has only one value to swap")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its categories swapped."""
        old = cast("NDArray[np.object_]", batch.column(self.column))
        if old.dtype != object:
            # A batch without the column.
            return batch
        new = mapped(old, lambda value: self._next.get(value, value))
        return batch.with_columns({self.column: choose(old, new, self.switched(batch, share))})
