"""Matrix factorization of interactions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, SupportsFloat, SupportsIndex

import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from edgedescent.learners._bpr import BPRModel
from edgedescent.learners._recommender import CompiledRecommender
from edgedescent.learners.recommender import Recommender
from edgedescent.optim import Adam, Optimizer


@dataclass(kw_only=True, eq=False, repr=False)
class BPR(Recommender):
    """Ranks items for users from what they took, watched or bought, where nobody says what was disliked.

    ::

        f_ui = b_i + Σ p_u q_i
        prediction = 1 / (1 + exp(-f_ui))

    Each interaction of user u with item i is compared with `n_negatives` items j drawn at random, and takes one step
    of `optimizer` for each along the gradient of::

        loss = -log(1 / (1 + exp(-(f_ui - f_uj)))) + penalties

    An unknown item scores 0, so that a prediction is the probability that the user prefers the item to one that
    nothing is known about. It ranks; it does not tell how many interactions there will be. A `y` may be left out; one
    of 0 or less means that the item was not taken, which is counted and teaches nothing.

    Users and items may appear at any time. Ids are strings; an integer is the same id as its decimal digits.

    Raises:
        ValueError: if a parameter is out of its range, an id is neither a string nor an integer, or a `y` is given
            that is not a number. A refused interaction changes nothing.

    Example:
        >>> from edgedescent import BPR
        >>> ranker = BPR(n_factors=4)
        >>> for i in range(300):
        ...     ranker.learn_one("ann", ("tea", "scones")[i % 2])
        ...     ranker.learn_one("bob", ("beer", "crisps")[i % 2])
        >>> sorted(ranker.recommend("ann", k=2))
        ['scones', 'tea']
        >>> ranker.predict_one("ann", "tea") > 0.5 > ranker.predict_one("ann", "beer")
        True

    References:
        Rendle, Freudenthaler, Gantner and Schmidt-Thieme 2009, "BPR: Bayesian Personalized Ranking from Implicit
        Feedback", UAI.
    """

    n_factors: Annotated[int, Meta(ge=1, le=1024, description="Number of latent factors")] = 16
    optimizer: Annotated[Optimizer, Meta(description="Step rule")] = Adam(lr=0.01)  # noqa: RUF009 - immutable
    n_negatives: Annotated[
        int, Meta(ge=1, le=1000, description="Number of drawn items that each interaction is compared with")
    ] = 4
    l2_factors: Annotated[float, Meta(ge=0, description="Weight of the penalty on factors")] = 0.005
    init_scale: Annotated[float, Meta(ge=0, description="Standard deviation of the first factors")] = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        encoder = self._make_encoder()
        CompiledRecommender.__init__(self, encoder, BPRModel(encoder, self))

    def predict_learn_one(self, user: str | SupportsIndex, item: str | SupportsIndex, y: SupportsFloat = 1.0) -> float:
        """Predict, then learn that `user` took `item`; returns what `predict_one` would have returned before."""
        return super().predict_learn_one(user, item, y)

    def learn_one(self, user: str | SupportsIndex, item: str | SupportsIndex, y: SupportsFloat = 1.0) -> None:
        """Learn that `user` took `item`; a `y` that is not a finite number above 0 is counted and skipped."""
        super().learn_one(user, item, y)

    def learn_many(
        self, users: Iterable[str | SupportsIndex], items: Iterable[str | SupportsIndex], y: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Predict each interaction, then learn from it, in order; returns the predictions.

        Args:
            users: ids, n_events of them.
            items: ids, n_events of them.
            y: positive where the item was taken, shape (n_events,); may be left out where all were.
        """
        users = list(users)
        return super().learn_many(users, items, np.ones(len(users)) if y is None else y)
