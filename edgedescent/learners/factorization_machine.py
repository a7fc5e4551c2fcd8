"""Factorization machine of order 2."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgedescent.learners._factorization_machine import FactorizationMachineModel
from edgedescent.learners.feature_learner import FeatureLearner
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import Adam, Optimizer
from edgedescent.validation import require_count, require_number


class FactorizationMachine(FeatureLearner):
    """A linear model and the interactions of every two features, learned as products of latent factors.

    ::

        z = clip((x - mean) / sd, ±clip)            per feature, running; 1 for a category
        f = w₀ + Σ_i w_i z_i + Σ_{i<j} (v_i · v_j) z_i z_j
        prediction = mean_y + sd_y f                or mean_y exp(f), for a Poisson loss;
                                                    1 / (1 + exp(-f)), for a logistic one

    The sum over pairs takes time linear in the number of features. With a user and an item as categories it is matrix
    factorization; whatever else an event holds (the hour, the item's genre, the user's region) then says something
    about users and items that are new.

    Features have any names, and may appear and vanish at any time. Numbers and booleans are standardized online, so
    that the learning rate means the same on every stream. Strings, and integers listed in `categories`, are one-hot:
    each value has a row of its own. A nested dict counts as features whose names are joined by a dot. What is absent,
    None or not finite counts as being at its mean, an unknown category as nothing.

    Args:
        n_factors: how many latent factors each feature has; >= 1.
        optimizer: the step rule; an event of n > 16 features takes 16 / n of its steps, as LinearRegressor explains.
        loss: what to minimize, for numbers or for labels.
        l1: weight of the penalty ``l1 |w|`` per feature and event, which sets weights to exactly zero; >= 0.
        l2: weight of the penalty ``l2 w² / 2`` on linear weights, per feature and event; >= 0.
        l2_factors: weight of the same penalty on factors; >= 0.
        init_scale: standard deviation of the first factors; >= 0.
        clip: standardized features are clipped at ±clip; > 0.
        forgetting: the least rate at which means and variances follow new values: they remember about 1 / forgetting
            events; in (0, 1).
        features_max: how many features, counting each value of a category as one, have a row at the same time; >= 1.
        when_full: what a further feature meets: ``"evict"`` gives it the row of the feature that was least recently
            learned, ``"share"`` leaves it out. Both are counted. An event never evicts its own features.
        categories: the features whose integers are names of something, such as a site or an hour, rather than amounts.
        hash_bits: let the values of categories share 2 ** hash_bits rows by their hash instead of one row each; None
            for one each; in 1 to 30. ONNX cannot express the hash.
        replay_size: how many of the latest events are kept for replay; >= 1.
        replay_steps: how many of them, drawn at random, are learned again after each event; >= 0.
        seed: of the first factors and of the draws for replay; >= 0.

    Raises:
        ValueError: if a parameter is out of its range, a feature's name is not a string, its value neither a number
            nor a string, or the target not a number. A refused event changes nothing.

    Example:
        >>> from edgedescent import FactorizationMachine
        >>> model = FactorizationMachine(n_factors=4)
        >>> for i in range(3000):
        ...     user, genre = ("ann", "bob")[i % 2], ("opera", "punk")[i // 2 % 2]
        ...     model.learn_one({"user": user, "genre": genre}, 5.0 if (user == "ann") == (genre == "opera") else 1.0)
        >>> round(model.predict_one({"user": "ann", "genre": "opera"}))
        5
        >>> round(model.predict_one({"user": "bob", "genre": "opera"}))
        1

    References:
        Rendle 2010, "Factorization Machines", ICDM, equations 1 and 4.
    """

    labels: ClassVar[Literal["numbers", "yes/no", "both"]] = "both"

    model_type = FactorizationMachineModel

    def __init__(
        self,
        n_factors: int = 10,
        optimizer: Optimizer = Adam(),  # noqa: B008 - optimizers are immutable
        loss: Loss = AdaptiveHuberLoss(),  # noqa: B008 - losses are immutable
        l1: float = 0.0,
        l2: float = 0.0,
        l2_factors: float = 0.0,
        init_scale: float = 0.05,
        clip: float = 5.0,
        forgetting: float = 0.0002,
        features_max: int = 4096,
        when_full: str = "evict",
        categories: tuple[str, ...] = (),
        hash_bits: int | None = None,
        replay_size: int = 2000,
        replay_steps: int = 0,
        seed: int = 1,
    ) -> None:
        require_count(self, "n_factors", n_factors, at_least=1, at_most=1024)
        require_number(self, "l2_factors", l2_factors, at_least=0)
        require_number(self, "init_scale", init_scale, at_least=0)
        self.n_factors = n_factors
        self.l2_factors = l2_factors
        self.init_scale = init_scale
        self._keep(
            optimizer,
            loss,
            l1,
            l2,
            clip,
            forgetting,
            features_max,
            when_full,
            categories,
            hash_bits,
            replay_size,
            replay_steps,
            seed,
        )
        self._build()
