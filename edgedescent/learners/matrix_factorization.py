"""Matrix factorization of ratings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edgedescent.learners._matrix_factorization import MatrixFactorizationModel
from edgedescent.learners._recommender import CompiledRecommender
from edgedescent.learners.recommender import Recommender
from edgedescent.losses import AdaptiveHuberLoss, Loss


@dataclass(kw_only=True, eq=False, repr=False)
class MatrixFactorization(Recommender):
    """Biases and latent factors of users and items, learned from one rating at a time.

    ::

        f = b_user + b_item + Σ p_user q_item
        prediction = clip(mean_y + sd_y f, lowest and highest rating seen)

    Users and items may appear at any time. An id that was never learned is predicted with zero bias and factors; once
    learned, its factors start from a normal distribution seeded by the id itself. Ids are strings; an integer is the
    same id as its decimal digits.

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
