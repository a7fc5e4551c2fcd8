"""Recommender drift: users leave, and new ones come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import OWN_DRAWS
from edgedescent_sims.drift.draws import mapped, uniform_of_ids
from edgedescent_sims.drift.mixing import choose
from edgedescent_sims.drift.ratings_base import USER, RatingsDrift, ids_of
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class UserChurn(RatingsDrift):
    """Recommender drift in which a share of the users leaves, and as many new ones with the same tastes come.

    ::

        user <- user + suffix        if the user is among those that leave

    A user leaves if a draw that belongs to the user's id is below s users: in an incremental drift one after the other.
    A newcomer likes what the user did who left, so the label and its optimum stay; but the id has never been seen.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> columns = {"user": np.array(["ann"] * 2, dtype=object), "item": np.array(["tv", "tv"], dtype=object)}
        >>> stream = InMemorySource(Batch.of(columns, np.array([5.0, 5.0])))
        >>> [event["user"] for event in UserChurn(stream, at=1).events()]
        ['ann', 'ann-new']
    """

    users: Annotated[float, Meta(ge=0, le=1, description="Share of the users that leave")] = 1.0
    suffix: Annotated[str, Meta(description="What the id of a new user ends with")] = "-new"

    def touched(self) -> frozenset[str]:
        """The users."""
        return frozenset({USER})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.require_change(self.users > 0, "its share of `users` is 0")
        self.require_change(self.suffix != "", "its `suffix` is empty")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with new users."""
        old = ids_of(batch, USER)
        leaves = uniform_of_ids(self.seed, OWN_DRAWS, old) < share * self.users
        return batch.with_columns({USER: choose(old, mapped(old, lambda user: user + self.suffix), leaves)})
