"""Shedding: learning a share of the labelled messages where more come than the learner can bear."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence

from edgedescent.daemon.load import Load
from edgedescent.interfaces import Delivery

log = logging.getLogger(__name__)

BEHIND_S = 1.0
"""Age of the oldest waiting message from which on even less is learned, to work off what waits."""
USED_SHARE, CATCH_UP_SHARE = 0.9, 0.5
"""Shares of the learner's capacity that new messages get: usually, and while old ones wait."""
SHARE_MIN = 0.001
"""Bound on the share."""


class Sample:
    """Sample of the messages that are learned: all, or under saturation a random share of the labelled ones.

    The others are acknowledged and not journaled. Messages without a label are always answered. The share is as large
    as the learner can bear, by its own speed and by the rate at which messages come.

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

    def mark(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Deliveries with those marked as surplus that are not learned."""
        if self.share >= 1.0:
            return deliveries
        return [one if self._is_taken(one) else one.as_surplus() for one in deliveries]

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
        if (self.share >= 1.0 and not load.saturated) or load.message_capacity is None:
            return
        used = CATCH_UP_SHARE if waiting_s > BEHIND_S else USED_SHARE
        before = self.share
        self.share = max(min(used * load.message_capacity / max(load.arrivals, 1.0), 1.0), SHARE_MIN)
        if before >= 1.0 > self.share:
            log.warning(
                "More messages come than the learner can bear: until that changes, only a share of the labelled ones "
                "is learned (`limits.backlog`). The others are acknowledged and counted as `messages_shed`."
            )
        elif before < 1.0 <= self.share:
            log.info("All messages are learned again; %d were not.", self.shed)
