"""Bayesian personalized ranking: matrix factorization of interactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.learners import migration
from edgedescent.learners._bpr import BPRModel
from edgedescent.learners._recommender import CompiledRecommender
from edgedescent.learners.factor_recommender import FactorRecommender
from edgedescent.learners.interactions import Interactions
from edgedescent.optim import Adam, Optimizer


@dataclass(kw_only=True, eq=False, repr=False)
class BPR(Interactions, FactorRecommender):
    """Bayesian personalized ranking: matrix factorization of implicit feedback (clicks, views, purchases).

    ::

        f_ui = b_i + Σ p_u q_i
        prediction = 1 / (1 + exp(-f_ui))

    Each interaction of user u with item i is compared with `n_negatives` items j drawn at random, and takes one step
    of `optimizer` for each along the gradient of::

        loss = -log(1 / (1 + exp(-(f_ui - f_uj)))) + penalties

    An unknown item has score 0, so a prediction is the probability that the user prefers the item to an unknown one. It
    is suited to ranking, not to predicting the number of interactions. The argument `y` is optional; a value of 0 or
    less means that the item was not taken. Such an event is counted but not learned.

    Users and items can appear at any time. Ids are strings; an integer is the same id as its decimal digits.

    Raises:
        ValueError: If a parameter is out of its range, an id is neither a string nor an integer, or `y` is not a
            number. A rejected interaction changes nothing.

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

    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        **FactorRecommender.migrations,
        "n_negatives": migration.goes_on,
    }

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
