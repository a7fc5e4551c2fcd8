"""Base class of the recommenders with latent factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from edgedescent.learners import migration
from edgedescent.learners.explaining import explained
from edgedescent.learners.recommender import Recommender
from edgedescent.optim import CountedSGD, Optimizer


@dataclass(kw_only=True, eq=False, repr=False)
class FactorRecommender(Recommender):
    """Base class of the recommenders with latent factors of users and items, which are learned by gradient descent."""

    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        **Recommender.migrations,
        "optimizer": migration.optimizer,
        "l2_bias": migration.goes_on,
        "l2_factors": migration.goes_on,
        "init_scale": migration.drawn_later,
        "users_max": migration.table_of("users", "user_"),
        "items_max": migration.table_of("items", "item_"),
        "replay_size": migration.replay_buffer,
        "replay_steps": migration.replay_buffer,
    }

    n_factors: Annotated[int, Meta(ge=1, le=1024, description="Number of latent factors")] = 10
    optimizer: Annotated[Optimizer, Meta(description="Step rule")] = CountedSGD(lr=0.3)  # noqa: RUF009 - immutable
    l2_bias: Annotated[float, Meta(ge=0, description="Weight of the penalty on biases")] = 0.005
    l2_factors: Annotated[float, Meta(ge=0, description="Weight of the penalty on factors")] = 0.05
    init_scale: Annotated[float, Meta(ge=0, description="Standard deviation of the first factors")] = 0.03
    replay_size: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Number of the latest events that are kept for replay")
    ] = 2000
    replay_steps: Annotated[
        int,
        Meta(ge=0, le=1000, description="Number of kept events, drawn at random, that are learned again after each"),
    ] = 0

    def counts(self) -> dict[str, int]:
        """Return counters of undone updates, and of users and items that were evicted or got no row."""
        return {"updates_undone": self.model.stepper.n_undone, **super().counts()}

    def explain_one(self, user: str | int, item: str | int) -> dict[str, float]:
        """Return the contributions of user, item and their taste to a prediction; they add up to it.

        ::

            f = b_user + b_item + Σ p_user q_item

        ``(intercept)`` is the prediction for an unknown user and an unknown item. Where ratings are clipped to those
        seen, and for a probability, the three contributions are multiplied by one factor, so that they add up.

        Args:
            user: User id.
            item: Item id.

        Returns:
            Contributions named ``(intercept)``, ``user``, ``item`` and ``taste``, which is the product of the factors.

        Raises:
            ValueError: If an id is neither a string nor an integer.

        Example:
            >>> from edgedescent import MatrixFactorization
            >>> ranker = MatrixFactorization()
            >>> for user, item, rating in (("ann", "tea", 5.0), ("bob", "tea", 4.0), ("bob", "beer", 1.0)) * 50:
            ...     ranker.learn_one(user, item, rating)
            >>> parts = ranker.explain_one("bob", "beer")
            >>> round(sum(parts.values()) - ranker.predict_one("bob", "beer"), 9), parts["item"] < 0.0
            (0.0, True)
        """
        prediction, model = self.predict_one(user, item), self.model
        u, i = self.encoder.users.row(str(user)), self.encoder.items.row(str(item))
        users, items = model.user_rows.serving, model.item_rows.serving
        shares = np.array([users[u, 0] - users[0, 0], items[i, 0] - items[0, 0], users[u, 1:] @ items[i, 1:]])
        return explained(prediction, ["user", "item", "taste"], shares, model.rated(0, 0), 0.0)
