"""Base class of drifts, and the course that each of them can take."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.drift import draws
from edgedescent_sims.drift.reference import Reference
from edgedescent_sims.sources.base import Kind, Mark, Source, Transform
from edgedescent_sims.sources.batch import Batch

Shape = Literal["abrupt", "gradual", "incremental", "recurring", "blip"]

LABEL = "y"
"""Name of the label among the columns that a drift touches."""

RANDOM_FROM, RANDOM_TO = 0.3, 0.7
"""Part of the stream in which a drift starts whose position is drawn at random."""

_POSITION, _REGIME, _SWITCH = 0, 1, 2
"""Streams of draws: of the position, of the regime of each event, and of those that switch one by one."""

OWN_DRAWS = 8
"""First stream of draws that is free for a subclass."""


@dataclass(kw_only=True, eq=False)
class Drift(Transform):
    """A change of the stream from one regime to another.

    The share of the new regime in the event with number n is a function s(n) from 0 to 1, by `shape`:

    ::

        abrupt       s = 1 for n > at
        gradual      each event is of the new regime with a probability that rises from 0 to 1 over `width` events
        incremental  s rises from 0 to 1 over `width` events
        recurring    s = 1 for the first half of each `period` after `at`, 0 for the second
        blip         s = 1 for `width` events after `at`, then 0 again

    A subclass declares parameters and implements `apply`, which changes the events of a batch by their share, and
    `touched`, which names what it changes. In an incremental drift parameters are interpolated: a share of 0.3 of an
    offset of 10 is an offset of 3. What cannot be interpolated, such as a swap, happens to each event with the
    probability s (`switched`). The optimum of an event is that of its own regime, even where the regime is drawn.

    References:
        Gama, Žliobaitė, Bifet, Pechenizkiy, Bouchachia (2014), "A survey on concept drift adaptation", ACM Computing
        Surveys 46(4), figure 2: the patterns of change over time.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("features", "ratings")
    """Kinds of sources that it applies to."""
    changes_old_regime: ClassVar[bool] = False
    """True for a drift that changes the events before it, and leaves those of the new regime as they are."""
    adds_events: ClassVar[bool] = False
    """True for a drift after which an event can arrive twice: as a question, later with its label."""

    at: Annotated[
        int | None,
        Meta(
            ge=0, description="Number of the last event before the drift; None for a random one in the stream's middle"
        ),
    ] = None
    shape: Annotated[Shape, Meta(description="Course of the drift over time")] = "abrupt"
    width: Annotated[int, Meta(ge=0, description="Number of events that the transition, or a blip, takes")] = 0
    period: Annotated[int, Meta(ge=0, description="Number of events after which a recurring drift repeats")] = 0

    frozen_share: float | None = field(default=None, init=False, repr=False)
    """Share of the new regime in every event, where the drift does not change any more."""
    origin: Source | None = field(default=None, init=False, repr=False)
    """Source that a frozen copy takes its estimates from: that of the drift which it is a copy of."""

    _is_checked: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        if self.shape in ("gradual", "incremental", "blip") and self.width < 1:
            raise ValueError(f"The `width` of {name} must be >= 1 where the shape is {self.shape!r}. Got {self.width}.")
        if self.shape == "recurring" and self.period < 2:
            raise ValueError(f"The `period` of {name} must be >= 2 where the shape is 'recurring'. Got {self.period}.")
        if self.shape in ("abrupt", "recurring") and self.width:
            raise ValueError(f"The `width` of {name} must be 0 where the shape is {self.shape!r}. Got {self.width}.")
        if self.shape != "recurring" and self.period:
            raise ValueError(f"The `period` of {name} must be 0 where the shape is {self.shape!r}. Got {self.period}.")

    # --- What a subclass implements -------------------------------------------------------------------------------

    @abstractmethod
    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its events changed.

        What becomes of an event must follow from the event and its share alone, not from its batch or its forerunners.

        Args:
            batch: Events of the wrapped source.
            share: Share of the new regime in each event, shape (n_events,): 0 leaves an event as it is.
        """

    @abstractmethod
    def touched(self) -> frozenset[str]:
        """Names of the columns that it changes, `y` for the label."""

    def new_columns(self) -> frozenset[str]:
        """Names of the touched columns that the source does not have."""
        return frozenset()

    def label(self) -> str:
        """Description in a few words, for marks."""
        return " ".join([type(self).__name__, ", ".join(sorted(self.touched() - {LABEL}))]).strip()

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run; a subclass adds checks of its own.

        Raises:
            ConfigError: If the drift lies behind the end, names a column that there is not, or would change nothing.
        """
        if self.source.kind not in self.kinds:
            raise ConfigError(
                f"The drift {type(self).__name__} applies to {' or '.join(self.kinds)}, and {self.name} holds "
                f"{self.source.kind}."
            )
        start, length = self.start(), self.length()
        if length is not None and start >= length:
            raise ConfigError(
                f"The drift {type(self).__name__} at {start} lies behind the end of {self.name}, which has {length} "
                "events."
            )
        self.reference.require_columns(sorted(self.touched() - self.new_columns() - {LABEL}))

    def require_change(self, changes: bool, otherwise: str) -> None:
        """Refuse a drift that changes nothing.

        Args:
            changes: Whether it changes something.
            otherwise: Why it does not, such as ``its `offset` is 0``.

        Raises:
            ConfigError: If it changes nothing.
        """
        if not changes:
            raise ConfigError(f"The drift {self.label()} changes nothing: {otherwise}.")

    # --- The course over time -------------------------------------------------------------------------------------

    def start(self) -> int:
        """Return the number of the last event before the drift.

        Raises:
            ConfigError: If the position is to be drawn from a stream of unknown length.
        """
        return self._start if self.at is None else self.at

    @functools.cached_property
    def _start(self) -> int:
        length = self.length()
        if length is None:
            raise ConfigError(
                f"The drift {type(self).__name__} has no position, and the length of {self.name} is unknown.",
                "Give its `at`.",
            )
        place = np.random.default_rng([self.seed, _POSITION]).uniform(RANDOM_FROM, RANDOM_TO)
        return int(place * length)

    def course(self, number: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share s(n) of the new regime at these numbers; of a gradual drift, its probability."""
        if self.frozen_share is not None:
            return np.full(len(number), self.frozen_share)
        since = number - self.start()
        after = since > 0
        if self.shape == "abrupt":
            return after.astype(np.float64)
        if self.shape == "blip":
            return (after & (since <= self.width)).astype(np.float64)
        if self.shape == "recurring":
            return (after & ((since - 1) % self.period < self._half_period)).astype(np.float64)
        return np.clip(since / self.width, 0.0, 1.0)

    def share_of(self, number: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of the new regime in the events with these numbers: 0 or 1 in a gradual drift, by a draw.

        The draw belongs to the number, so that a message that arrives twice is of one regime.
        """
        share = self.course(number)
        if self.shape != "gradual" or not ((share > 0) & (share < 1)).any():
            return share
        return (draws.uniform(self.seed, _REGIME, number) < share).astype(np.float64)

    def switched(self, batch: Batch, share: NDArray[np.float64]) -> NDArray[np.bool_]:
        """True for the events that are of the new regime, where an event can only be of one of the two.

        Args:
            batch: Events of the wrapped source.
            share: Share of the new regime in each event; it is the probability that an event is of the new regime.
        """
        if not ((share > 0) & (share < 1)).any():
            return share > 0
        return draws.uniform(self.seed, _SWITCH, batch.number) < share

    @property
    def _half_period(self) -> int:
        return (self.period + 1) // 2

    def marks(self) -> list[Mark]:
        """Places at which the regime changes: one for most shapes, two for a blip, many for a recurring drift."""
        if self.frozen_share is not None:
            return []
        self.check()
        start, length = self.start(), self.length()
        end = start + self.width if self.shape in ("gradual", "incremental") else start
        marks = [Mark("drift", self.label(), start, end)]
        if self.shape == "blip":
            marks.append(Mark("drift", f"{self.label()} ends", start + self.width, start + self.width))
        if self.shape == "recurring":
            if length is None:
                raise ConfigError(
                    f"The recurring drift {self.label()} needs the length of {self.name}, which is unknown."
                )
            for cycle in range(start, length, self.period):
                marks += [Mark("drift", f"{self.label()} again", cycle, cycle)] if cycle > start else []
                ends = cycle + self._half_period
                marks.append(Mark("drift", f"{self.label()} ends", ends, ends))
        return [mark for mark in marks if length is None or mark.start < length]

    def frozen_after(self, mark: Mark, source: Source | None = None) -> Self:
        """Return this drift in the regime that it is in right after a mark, from the first event on and for good.

        From the end of the mark to its next mark its events equal those of this drift, to the last bit.

        Args:
            mark: A mark of this drift or of another one of the stream.
            source: What the copy wraps; the same source if None.
        """
        frozen = replace(self, source=self.source if source is None else source, at=self.start())
        frozen.frozen_share = float(self.course(np.array([mark.end + 1]))[0])
        # In a twin the source below is frozen too: what is estimated from it would be another value there.
        frozen.origin = self.origin or self.source
        return frozen

    def around(self, source: Source) -> Self:
        """Return the same drift around another source."""
        copy = super().around(source)
        copy.frozen_share, copy.origin = self.frozen_share, self.origin
        return copy

    # --- The stream -----------------------------------------------------------------------------------------------

    @functools.cached_property
    def reference(self) -> Reference:
        """First events of the wrapped source: its columns, and the estimates of their centers and scales."""
        added: list[str] = []
        below = self.source
        while isinstance(below, Transform):
            if isinstance(below, Drift):
                added += sorted(below.new_columns())
            below = below.source
        return Reference(type(self).__name__, self.origin or self.source, added)

    def ensure_checked(self) -> None:
        """Check once, before the source is opened: checks read its first events, and a source counts what it skips."""
        if not self._is_checked:
            self.check()
            self._is_checked = True

    def batches(self) -> Iterator[Batch]:
        """Yield the events of the wrapped source, changed by their share of the new regime."""
        self.ensure_checked()
        for batch in self.source.batches():
            share = self.share_of(batch.number)
            # An event of the old regime is untouched to the last bit, which "x + 0 * change" would not promise.
            is_touched = (share < 1).any() if self.changes_old_regime else share.any()
            yield self.apply(batch, share) if is_touched else batch
