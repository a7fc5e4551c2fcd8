"""Curve of the error over the numbers of the events, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgedescent.evaluation.pointwise import absolute_errors


class ErrorCurve:
    """Mean absolute error in windows of consecutive event numbers, as many as a picture needs.

    Window k holds the events numbered ``k * size + 1`` to ``(k + 1) * size``. Whenever a number lies behind the last
    window, neighbours are joined and `size` doubles. So the memory is bounded whatever the length of the stream, and a
    stream that is cut into other batches gives the same bits.

    Args:
        points: Largest number of windows. A stream without a known length ends with more than half as many.
        length: Number of the last event, where it is known: the windows then have their final size from the start.

    Example:
        >>> curve = ErrorCurve(points=2)
        >>> curve.update_many([1, 2, 3], [5.0, 6.0, 7.0], [4.0, 3.0, 7.0])
        >>> curve.size, curve.numbers.tolist(), curve.errors.tolist()
        (2, [2, 4], [2.0, 0.0])
    """

    def __init__(self, points: int = 1000, length: int | None = None) -> None:
        if points < 2 or points % 2:
            raise ValueError(f"The number of points must be even and >= 2. Got {points}.")
        if length is not None and length < 1:
            raise ValueError(f"The length of the stream must be >= 1 events. Got {length}.")
        self.size = 1 if length is None else -(-length // points)
        self._sums = np.zeros(points)
        self._counts = np.zeros(points, dtype=np.int64)

    def update_many(self, number: ArrayLike, y: ArrayLike, prediction: ArrayLike) -> None:
        """Score predictions of events.

        Args:
            number: Numbers of the events, from 1, in any order; shape (n_events,).
            y: Targets; an event whose target is not finite is skipped.
            prediction: Predictions.

        Raises:
            ValueError: If the lengths differ, or a number is below 1.
        """
        number = np.asarray(number, dtype=np.int64)
        errors = absolute_errors(y, prediction)
        if number.shape != errors.shape:
            raise ValueError(f"There must be one number an event. Got {len(number)} for {len(errors)} events.")
        scored = ~np.isnan(errors)
        number, errors = number[scored], errors[scored]
        if len(number) and number.min() < 1:
            raise ValueError(f"Events are numbered from 1. Got {number.min()}.")
        while len(number):
            beyond = number > self.size * len(self._sums)
            # Sums are joined just before the event that needs it, however the stream is cut.
            until = int(np.argmax(beyond)) if beyond.any() else len(number)
            places = (number[:until] - 1) // self.size
            np.add.at(self._sums, places, errors[:until])
            np.add.at(self._counts, places, 1)
            number, errors = number[until:], errors[until:]
            if len(number):
                self._double()

    def _double(self) -> None:
        half = len(self._sums) // 2
        for values in (self._sums, self._counts):
            values[:half] = values[::2] + values[1::2]
            values[half:] = 0
        self.size *= 2

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Number of the last event of each window in which an event is scored."""
        return (np.flatnonzero(self._counts) + 1) * self.size

    @property
    def errors(self) -> NDArray[np.float64]:
        """Mean absolute error in each of these windows."""
        scored = self._counts > 0
        means: NDArray[np.float64] = self._sums[scored] / self._counts[scored]
        return means

    def windowed(self, window: int) -> NDArray[np.float64]:
        """Mean absolute error of about the last `window` events at the end of each of these windows.

        Args:
            window: Number of events; it is rounded up to whole windows of the curve.

        Example:
            >>> curve = ErrorCurve(points=4)
            >>> curve.update_many([1, 2, 3], [5.0, 6.0, 7.0], [4.0, 3.0, 7.0])
            >>> curve.errors.tolist(), curve.windowed(2).tolist()
            ([1.0, 3.0, 0.0], [1.0, 2.0, 1.5])
        """
        span = max(1, -(-window // self.size))
        sums, counts = (np.concatenate([np.zeros(span), np.cumsum(part)]) for part in (self._sums, self._counts))
        with np.errstate(invalid="ignore"):
            means: NDArray[np.float64] = (sums[span:] - sums[:-span]) / (counts[span:] - counts[:-span])
        return means[self._counts > 0]
