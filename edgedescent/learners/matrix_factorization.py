"""Matrix factorization of ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.learners import migration
from edgedescent.learners._matrix_factorization import MatrixFactorizationModel
from edgedescent.learners._recommender import CompiledRecommender
from edgedescent.learners.factor_recommender import FactorRecommender
from edgedescent.losses import AdaptiveHuberLoss, Loss


@dataclass(kw_only=True, eq=False, repr=False)
class MatrixFactorization(FactorRecommender):
    """Matrix factorization of ratings, with biases and latent factors of users and items.

    ::

        f = b_user + b_item + Σ p_user q_item
        prediction = clip(mean_y + sd_y f, lowest and highest rating seen)

    Users and items can appear at any time. The bias and factors of an unknown id are zero. When an id is learned for
    the first time, its factors are drawn from a normal distribution seeded with the id. Ids are strings; an integer is
    the same id as its decimal digits.

    Raises:
        ValueError: If a parameter is out of its range, an id is neither a string nor an integer, or a rating is not a
            number. A rejected rating changes nothing.

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

    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        **FactorRecommender.migrations,
        "loss": migration.target_unit,
        "forgetting": migration.goes_on,
    }

    loss: Annotated[Loss, Meta(description="What to minimize")] = AdaptiveHuberLoss()  # noqa: RUF009 - immutable
    forgetting: Annotated[
        float, Meta(gt=0, lt=1, description="Least rate at which the mean rating follows new ratings")
    ] = 0.0002

    def __post_init__(self) -> None:
        super().__post_init__()
        if math.isfinite(self.loss.least):
            raise ValueError(
                f"The `loss` of MatrixFactorization must be one for ratings of either sign. Got {self.loss!r}."
            )
        encoder = self._make_encoder()
        model = MatrixFactorizationModel(encoder, self, loss=self.loss, forgetting=self.forgetting)
        CompiledRecommender.__init__(self, encoder, model)
