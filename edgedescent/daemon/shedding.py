"""Shedding: learning a share of the labelled messages where more come than the learner can bear."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence

from edgedescent.daemon.intake import drop
from edgedescent.daemon.load import Load
from edgedescent.interfaces import Delivery

log = logging.getLogger(__name__)

BEHIND_S = 1.0
"""Age of the oldest waiting message from which on less is learned."""
LESS, MORE, SHARE_MIN = 0.7, 1.1, 0.001
"""Factors by which the share changes in a second, and its bound."""
IDLE_SHARE = 0.8
"""Share of the time up to which a learner may be busy and still gets more."""


class Sample:
    """Admission rule that learns all messages, or under saturation a random share of the labelled ones.

    The others are acknowledged and not journaled. Messages without a label are always answered.

    Args:
        is_question: Returns True for a payload without a label.

    Attributes:
        share: Share that is learned.
        shed: Number of messages that were not learned.
    """

    def __init__(self, is_question: Callable[[bytes], bool]) -> None:
        self._is_question = is_question
        # Not by count: sensors that take turns would be sampled unequally.
        self._dice = random.Random(0)  # noqa: S311 - nothing secret depends on it
        self.share = 1.0
        self.shed = 0

    def __call__(self, deliveries: Sequence[Delivery], received_at: float) -> Sequence[Delivery]:  # noqa: ARG002
        """Mark the messages that are not learned."""
        if self.share >= 1.0:
            return deliveries
        return [one if self._is_taken(one) else drop(one) for one in deliveries]

    def _is_taken(self, one: Delivery) -> bool:
        if one.surplus or self._dice.random() < self.share or self._is_question(one.payload):
            return True
        self.shed += 1
        return False

    def update(self, load: Load, waiting_s: float) -> None:
        """Adapt the share to the load, once for each update of it.

        Args:
            load: The load.
            waiting_s: Age of the oldest message that waits to be learned.
        """
        if self.share >= 1.0 and not load.saturated:
            return
        before = self.share
        if waiting_s > BEHIND_S:
            self.share = max(self.share * LESS, SHARE_MIN)
        elif load.busy < IDLE_SHARE:
            self.share = min(self.share * MORE, 1.0)
        if before >= 1.0 > self.share:
            log.warning(
                "More messages come than the learner can bear: until that changes, only a share of the labelled ones "
                "is learned (`limits.backlog`). The others are acknowledged and counted as `messages_shed`."
            )
        elif before < 1.0 <= self.share:
            log.info("All messages are learned again; %d were not.", self.shed)
