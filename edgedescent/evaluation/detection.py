"""Scores of a change detector: delay, misses and false alarms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Change = int | tuple[int, int]
"""Number of the last event before a change; of a gradual one, a pair: that number, and that of its last event."""


@dataclass(frozen=True)
class DetectionScores:
    """Delays, misses and false alarms of a detector on a stream; see `detection_scores`."""

    delays: tuple[int | None, ...]
    """Number of events from each change to its first alarm, in the order of the changes; None for a missed change."""
    false_alarms: int
    """Number of alarms for which there was no change."""
    repeats: int
    """Number of further alarms for a change that was detected already."""
    events_without_change: int
    """Number of events in which an alarm is false."""

    @property
    def missed(self) -> int:
        """Number of changes without an alarm."""
        return self.delays.count(None)

    @property
    def missed_rate(self) -> float | None:
        """Share of the changes that were missed (MDR); None if there is no change."""
        return self.missed / len(self.delays) if self.delays else None

    @property
    def mean_delay(self) -> float | None:
        """Mean delay over the changes that were detected (MTD); None if none was."""
        found = [delay for delay in self.delays if delay is not None]
        return sum(found) / len(found) if found else None

    @property
    def events_between_false_alarms(self) -> float | None:
        """Mean number of events between false alarms (MTFA); None if there was none."""
        return self.events_without_change / self.false_alarms if self.false_alarms else None

    @property
    def mean_time_ratio(self) -> float | None:
        """``MTFA / MTD (1 - MDR)`` (MTR): higher is better; None where one of the three is unknown."""
        between, delay, rate = self.events_between_false_alarms, self.mean_delay, self.missed_rate
        return None if between is None or delay is None or rate is None else between / delay * (1.0 - rate)


def detection_scores(
    alarms: Iterable[int], changes: Iterable[Change], *, window: int, n_events: int
) -> DetectionScores:
    """Score the alarms of a detector against the known changes of a stream.

    A change after the event with number s, which ends with event e (e = s where it is abrupt), accepts the alarms at
    the numbers from ``s + 1`` to ``e + window``, but none behind the next change, which accepts those itself:

    ::

        delay        = number of the first accepted alarm - s         at least 1
        missed       : no alarm is accepted
        repeats      : accepted alarms after the first
        false alarms : alarms that no change accepts

    Changes after the same event are one change, which lasts until the last of them ends.

    Args:
        alarms: Numbers of the events at which the detector gave an alarm; an event counts once.
        changes: The changes of the stream.
        window: Number of events after a change within which an alarm is accepted.
        n_events: Number of events of the stream.

    Raises:
        ValueError: If a number lies outside of the stream, or a change ends before it starts.

    References:
        Bifet (2017), "Classifier concept drift detection and the illusion of progress", ICAISC: MTFA, MTD, MDR and MTR.
        Gama, Žliobaitė, Bifet, Pechenizkiy, Bouchachia (2014), "A survey on concept drift adaptation", ACM Computing
        Surveys 46(4), section 5.2.

    Example:
        >>> scores = detection_scores([40, 107, 109, 400], [100, 300], window=50, n_events=1000)
        >>> scores.delays, scores.missed, scores.false_alarms, scores.repeats
        ((7, None), 1, 2, 1)
        >>> scores.events_between_false_alarms
        450.0
    """
    if window < 1:
        raise ValueError(f"The window must be >= 1 events. Got {window}.")
    numbers = sorted(set(alarms))
    if numbers and not (numbers[0] >= 1 and numbers[-1] <= n_events):
        raise ValueError(f"Alarms must have numbers from 1 to {n_events}. Got {numbers[0]} to {numbers[-1]}.")
    spans = _accepted(changes, window, n_events)
    inside = [[number for number in numbers if start < number <= end] for start, end in spans]
    n_accepted = sum(map(len, inside))
    return DetectionScores(
        delays=tuple(found[0] - start if found else None for found, (start, _) in zip(inside, spans, strict=True)),
        false_alarms=len(numbers) - n_accepted,
        repeats=n_accepted - sum(map(bool, inside)),
        events_without_change=n_events - sum(end - start for start, end in spans),
    )


def _accepted(changes: Iterable[Change], window: int, n_events: int) -> list[tuple[int, int]]:
    """Events in which an alarm is accepted for each change: from behind the first number to the second."""
    ends: dict[int, int] = {}
    for change in changes:
        start, end = (change, change) if isinstance(change, int) else change
        if not 0 <= start < n_events:
            raise ValueError(f"A change must come after an event from 0 to {n_events - 1}. Got {start}.")
        if end < start:
            raise ValueError(f"A change must not end before it starts. Got {start} to {end}.")
        ends[start] = max(end, ends.get(start, end))
    starts = sorted(ends)
    following = [*starts, n_events][1:]
    return [(start, min(ends[start] + window, after)) for start, after in zip(starts, following, strict=True)]
