"""Events without a rating: that a user took an item."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgedescent.dataframes import as_list
from edgedescent.learners._recommender import CompiledRecommender


class Interactions(CompiledRecommender):
    """Methods of learners of interactions (clicks, plays, purchases), whose argument `y` is optional."""

    labels_are_amounts: ClassVar[bool] = False

    def predict_learn_one(self, user: str | SupportsIndex, item: str | SupportsIndex, y: SupportsFloat = 1.0) -> float:
        """Predict, then learn that `user` took `item`; return the prediction from before the update."""
        return super().predict_learn_one(user, item, y)

    def learn_one(self, user: str | SupportsIndex, item: str | SupportsIndex, y: SupportsFloat = 1.0) -> None:
        """Learn that `user` took `item`; an event whose `y` is not finite or not above 0 is counted and skipped."""
        super().learn_one(user, item, y)

    def learn_many(
        self, users: Iterable[str | SupportsIndex], items: Iterable[str | SupportsIndex], y: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Predict each interaction, then learn from it, in order; return the predictions.

        Args:
            users: User ids, one per event.
            items: Item ids, one per event.
            y: Positive if the item was taken, shape (n_events,); not given if all were.
        """
        users = as_list(users)
        return super().learn_many(users, items, np.ones(len(users)) if y is None else y)
