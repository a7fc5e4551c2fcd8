"""Matrix factorization of ratings."""

from __future__ import annotations

import math

from edgedescent.learners._matrix_factorization import MatrixFactorizationModel
from edgedescent.learners.recommender import Recommender
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import CountedSGD, Optimizer
from edgedescent.validation import require_choice, require_count, require_instance, require_number


class MatrixFactorization(Recommender):
    """Biases and latent factors of users and items, learned from one rating at a time.

    ::

        f = b_user + b_item + Σ p_user q_item
        prediction = clip(mean_y + sd_y f, lowest and highest rating seen)

    Users and items may appear at any time. An id that was never learned is predicted with zero bias and factors; once
    learned, its factors start from a normal distribution seeded by the id itself. Ids are strings; an integer is the
    same id as its decimal digits.

    Args:
        n_factors: how many latent factors; >= 1.
        optimizer: the step rule.
        loss: what to minimize.
        l2_bias: weight of the penalty on biases; >= 0.
        l2_factors: weight of the penalty on factors; >= 0.
        init_scale: standard deviation of the first factors; >= 0.
        forgetting: the least rate at which the mean rating follows new ratings; in (0, 1).
        users_max: how many users have a row at the same time; >= 1.
        items_max: how many items have a row at the same time; >= 1.
        when_full: what a further id meets: ``"evict"`` gives it the row of the id that was least recently learned,
            ``"share"`` predicts it like any unknown one. Both are counted.
        replay_size: how many of the latest ratings are kept for replay; >= 1.
        replay_steps: how many of them, drawn at random, are learned again after each event; >= 0.
        seen_max: how many different items are remembered per user, for `recommend` to leave out; >= 0.
        seed: of the first factors; >= 0.

    Raises:
        ValueError: if a parameter is out of its range, an id is neither a string nor an integer, or a rating not a
            number. A refused rating changes nothing.

    Example:
        >>> from edgedescent import MatrixFactorization
        >>> ranker = MatrixFactorization(n_factors=4)
        >>> for _ in range(300):
        ...     ranker.learn_one("ann", "tea", 5.0)
        ...     ranker.learn_one("ann", "beer", 1.0)
        >>> ranker.predict_one("ann", "tea") > ranker.predict_one("ann", "beer")
        True
        >>> ranker.recommend("ann", k=1)
        ['tea']

    References:
        Koren, Bell and Volinsky 2009, "Matrix Factorization Techniques for Recommender Systems", Computer 42(8).
    """

    def __init__(
        self,
        n_factors: int = 10,
        optimizer: Optimizer = CountedSGD(lr=0.3),  # noqa: B008 - optimizers are immutable
        loss: Loss = AdaptiveHuberLoss(),  # noqa: B008 - losses are immutable
        l2_bias: float = 0.005,
        l2_factors: float = 0.05,
        init_scale: float = 0.03,
        forgetting: float = 0.0002,
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
        require_instance(self, "loss", loss, Loss)
        if math.isfinite(loss.least):
            raise ValueError(f"The `loss` of MatrixFactorization must be one for ratings of either sign. Got {loss!r}.")
        require_number(self, "l2_bias", l2_bias, at_least=0)
        require_number(self, "l2_factors", l2_factors, at_least=0)
        require_number(self, "init_scale", init_scale, at_least=0)
        require_number(self, "forgetting", forgetting, above=0, below=1)
        require_count(self, "users_max", users_max, at_least=1, at_most=10_000_000)
        require_count(self, "items_max", items_max, at_least=1, at_most=10_000_000)
        require_choice(self, "when_full", when_full, ("evict", "share"))
        require_count(self, "replay_size", replay_size, at_least=1, at_most=1_000_000)
        require_count(self, "replay_steps", replay_steps, at_most=1000)
        require_count(self, "seen_max", seen_max, at_most=10_000)
        require_count(self, "seed", seed, at_most=2**62)
        self.n_factors = n_factors
        self.optimizer = optimizer
        self.loss = loss
        self.l2_bias = l2_bias
        self.l2_factors = l2_factors
        self.init_scale = init_scale
        self.forgetting = forgetting
        self.users_max = users_max
        self.items_max = items_max
        self.when_full = when_full
        self.replay_size = replay_size
        self.replay_steps = replay_steps
        self.seen_max = seen_max
        self.seed = seed
        encoder = self._make_encoder()
        super().__init__(encoder, MatrixFactorizationModel(encoder, self, loss=loss, forgetting=forgetting))
