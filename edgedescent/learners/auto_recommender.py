"""Automatic recommender: an ensemble for ratings that needs no tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from edgedescent.learners import migration
from edgedescent.learners._auto_recommender import AutoRecommenderModel
from edgedescent.learners._recommender import CompiledRecommender
from edgedescent.learners.explaining import explained
from edgedescent.learners.recommender import Recommender


@dataclass(kw_only=True, eq=False, repr=False)
class AutoRecommender(Recommender):
    """Prediction of ratings without tuning: biases, factors and recent ratings of users and items, mixed online.

    Three experts predict the rating in standard deviations from the mean: the biases, matrix factorization, and
    recursive least squares w on 16 inputs x of the pair. A mixture weights them by their regret (MLpol)::

        f_1 = b_user + b_item
        f_2 = f_1 + Σ p_user q_item
        f_3 = w · x
        prediction = clip(mean_y + sd_y Σ v_e f_e, lowest and highest rating seen)

    The inputs are the biases, the product of the factors, and for the user and the item the last rating, a
    time-decayed shrunken bias and the spread of the ratings; and products of these with the number of ratings so far.
    So the weights say how much each estimate counts for an id with few ratings, and for one with many.

    Users and items can appear at any time; an unknown id is predicted as new ids were. When an id is learned for the
    first time, its factors are drawn from a normal distribution seeded with the id; those of the other id learn nothing
    from them. Ids are strings; an integer is the same id as its decimal digits.

    Raises:
        ValueError: If a parameter is out of its range, an id is neither a string nor an integer, or a rating is not a
            number. A rejected rating changes nothing.

    Example:
        >>> from edgedescent import AutoRecommender
        >>> model = AutoRecommender()
        >>> for n in range(300):
        ...     model.learn_one("ann", "tea", 5.0)
        ...     model.learn_one("ann", "beer", 1.0)
        >>> model.predict_one("ann", "tea") > model.predict_one("ann", "beer")
        True
        >>> model.recommend("ann", k=1)
        ['tea']

    References:
        Koren, Bell and Volinsky 2009, "Matrix Factorization Techniques for Recommender Systems", Computer 42(8).
        Sill, Takács, Mackey and Lin 2009, "Feature-Weighted Linear Stacking", arXiv:0911.0460.
        Gaillard, Stoltz and van Erven 2014, "A Second-order Bound with Excess Losses", COLT.
    """

    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        **Recommender.migrations,
        "init_scale": migration.drawn_later,
    }

    n_factors: Annotated[int, Meta(ge=1, le=1024, description="Number of latent factors")] = 20
    init_scale: Annotated[float, Meta(ge=0, description="Standard deviation of the first factors")] = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        encoder = self._make_encoder()
        CompiledRecommender.__init__(self, encoder, AutoRecommenderModel(encoder, self))

    def explain_one(self, user: str | int, item: str | int) -> dict[str, float]:
        """Return the contributions of user, item and their taste to a prediction; they add up to it.

        ``(intercept)`` is the prediction for an unknown user and an unknown item, ``taste`` what the product of the
        factors adds. The rest belongs to the user and the item by their Shapley values: the mean of what each adds to
        the prediction alone, and beside the other. Where ratings are clipped to those seen, the three contributions are
        multiplied by one factor, so that they add up.

        Args:
            user: User id.
            item: Item id.

        Returns:
            Contributions named ``(intercept)``, ``user``, ``item`` and ``taste``.

        Raises:
            ValueError: If an id is neither a string nor an integer.

        Example:
            >>> from edgedescent import AutoRecommender
            >>> model = AutoRecommender()
            >>> for user, item, rating in (("ann", "tea", 5.0), ("bob", "tea", 4.0), ("bob", "beer", 1.0)) * 50:
            ...     model.learn_one(user, item, rating)
            >>> parts = model.explain_one("bob", "beer")
            >>> abs(sum(parts.values()) - model.predict_one("bob", "beer")) < 1e-9, parts["item"] < 0.0
            (True, True)
        """
        prediction, model = self.predict_one(user, item), self.model
        u, i = self.encoder.users.row(str(user)), self.encoder.items.row(str(item))
        taste = model.taste(u, i)
        both, cold = model.score(u, i) - taste, model.score(0, 0)
        alone = np.array([model.score(u, 0), model.score(0, i)])
        shares = [*(0.5 * ((alone - cold) + (both - alone[::-1]))), taste]
        return explained(prediction, ["user", "item", "taste"], np.array(shares), model.rated(0, 0), 0.0)

    def _learned(self) -> list[str]:
        weights, _ = self.model.mixture.experts()
        names = ("biases", "factorization", "least squares")
        experts = ", ".join(f"{name} {weight:.0%}" for name, weight in zip(names, weights, strict=True))
        return [*super()._learned(), f"weights of the experts: {experts}"]
