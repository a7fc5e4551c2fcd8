"""Matrix factorization of interactions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgedescent.learners._bpr import BPRModel
from edgedescent.learners.recommender import Recommender
from edgedescent.optim import Adam, Optimizer
from edgedescent.validation import require_choice, require_count, require_instance, require_number


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

    Args:
        n_factors: how many latent factors; >= 1.
        optimizer: the step rule.
        n_negatives: how many drawn items each interaction is compared with; >= 1.
        l2_bias: weight of the penalty on biases; >= 0.
        l2_factors: weight of the penalty on factors; >= 0.
        init_scale: standard deviation of the first factors; >= 0.
        users_max: how many users have a row at the same time; >= 1.
        items_max: how many items have a row at the same time; >= 1.
        when_full: what a further id meets: ``"evict"`` gives it the row of the id that was least recently learned,
            ``"share"`` predicts it like any unknown one. Both are counted.
        replay_size: how many of the latest interactions are kept for replay; >= 1.
        replay_steps: how many of them, drawn at random, are learned again after each event; >= 0.
        seen_max: how many different items are remembered per user, for `recommend` to leave out; >= 0.
        seed: of the first factors and of the draws; >= 0.

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

    def __init__(
        self,
        n_factors: int = 16,
        optimizer: Optimizer = Adam(lr=0.01),  # noqa: B008 - optimizers are immutable
        n_negatives: int = 4,
        l2_bias: float = 0.005,
        l2_factors: float = 0.005,
        init_scale: float = 0.05,
        users_max: int = 25_000,
        items_max: int = 25_000,
        when_full: str = "evict",
        replay_size: int = 2000,
        replay_steps: int = 0,
        seen_max: int = 32,
        seed: int = 1,
    ) -> None:
        require_count(self, "n_factors", n_factors, at_least=1, at_most=1024)
        require_instance(self, "optimizer", optimizer, Optimizer)
        require_count(self, "n_negatives", n_negatives, at_least=1, at_most=1000)
        require_number(self, "l2_bias", l2_bias, at_least=0)
        require_number(self, "l2_factors", l2_factors, at_least=0)
        require_number(self, "init_scale", init_scale, at_least=0)
        require_count(self, "users_max", users_max, at_least=1, at_most=10_000_000)
        require_count(self, "items_max", items_max, at_least=1, at_most=10_000_000)
        require_choice(self, "when_full", when_full, ("evict", "share"))
        require_count(self, "replay_size", replay_size, at_least=1, at_most=1_000_000)
        require_count(self, "replay_steps", replay_steps, at_most=1000)
        require_count(self, "seen_max", seen_max, at_most=10_000)
        require_count(self, "seed", seed, at_most=2**62)
        self.n_factors = n_factors
        self.optimizer = optimizer
        self.n_negatives = n_negatives
        self.l2_bias = l2_bias
        self.l2_factors = l2_factors
        self.init_scale = init_scale
        self.users_max = users_max
        self.items_max = items_max
        self.when_full = when_full
        self.replay_size = replay_size
        self.replay_steps = replay_steps
        self.seen_max = seen_max
        self.seed = seed
        encoder = self._make_encoder()
        super().__init__(encoder, BPRModel(encoder, self))

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
