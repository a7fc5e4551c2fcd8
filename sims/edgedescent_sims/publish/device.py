"""The device that a scenario is replayed at: its topics, and its learner where that is known."""

from __future__ import annotations

from dataclasses import dataclass

from edgedescent.learners import Learner


@dataclass(frozen=True, kw_only=True)
class Device:
    """The device that a scenario is replayed at.

    Args:
        name: Its name.
        events: Topic that it reads.
        predictions: Topic of its answers.
        metrics: Topic of its metrics.
        status: Topic of its status.
        learner: Its learner, untrained; None where it is unknown.
    """

    name: str
    events: str
    predictions: str
    metrics: str
    status: str
    learner: Learner | None = None

    @classmethod
    def of(cls, name: str, *, topic: str | None = None) -> Device:
        """Device with the default topics.

        Args:
            name: Its name.
            topic: Topic that it reads, if it is another one.
        """
        prefix = f"edgedescent/{name}"
        return cls(
            name=name,
            events=topic or f"{prefix}/events",
            predictions=f"{prefix}/predictions",
            metrics=f"{prefix}/metrics",
            status=f"{prefix}/status",
        )
