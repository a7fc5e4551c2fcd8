"""Inputs that have fallen silent."""

from __future__ import annotations

import math
from collections import Counter


class Silence:
    """Inputs from which nothing came for longer than they may be quiet.

    Args:
        after_s: Time after which each input counts as silent; None for never.

    Attributes:
        silent: Numbers of the silent inputs, in order.

    Example:
        >>> silence, counts = Silence([60.0, None]), Counter()
        >>> silence.heard(0, 100.0)
        >>> silence.update(200.0, counts)
        >>> silence.silent, counts["inputs_fell_silent"]
        ([0], 1)
    """

    def __init__(self, after_s: list[float | None]) -> None:
        self._after_s = [math.inf if seconds is None else seconds for seconds in after_s]
        self._heard = [-math.inf] * len(after_s)
        self._due = math.inf
        self.silent: list[int] = []

    def heard(self, number: int, now: float) -> None:
        """Note that an input said something."""
        if self._due == math.inf and self._heard[number] == -math.inf:
            # Inputs that say nothing at all are silent, too.
            self._heard = [max(heard, now) for heard in self._heard]
            self._due = now + min(self._after_s)
        self._heard[number] = now
        if self.silent and number in self.silent:
            self.silent.remove(number)
        self._due = min(self._due, now + self._after_s[number])

    def update(self, now: float, counts: Counter[str]) -> None:
        """Find the inputs that are silent at a time of the stream, and count those that have become so."""
        if now <= self._due:
            return
        deadlines = [heard + after for heard, after in zip(self._heard, self._after_s, strict=True)]
        silent = [i for i, deadline in enumerate(deadlines) if deadline < now]
        counts["inputs_fell_silent"] += len(set(silent) - set(self.silent))
        self.silent = silent
        self._due = min((deadline for deadline in deadlines if deadline >= now), default=math.inf)

    @property
    def due(self) -> float:
        """Time of the stream at which the next input falls silent; infinite for never."""
        return self._due

    def save(self) -> list[float]:
        """Time of the last message of each input, and whether it is silent."""
        return [*self._heard, *(float(i in self.silent) for i in range(len(self._heard)))]

    def restore(self, saved: list[float]) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If it belongs to other inputs.
        """
        n = len(self._heard)
        if len(saved) != 2 * n or any(map(math.isnan, saved)):
            raise ValueError("The times of the inputs do not fit.")
        self._heard = list(saved[:n])
        self.silent = [i for i in range(n) if saved[n + i]]
        deadlines = [
            h + a for i, (h, a) in enumerate(zip(self._heard, self._after_s, strict=True)) if i not in self.silent
        ]
        self._due = min((deadline for deadline in deadlines if math.isfinite(deadline)), default=math.inf)
