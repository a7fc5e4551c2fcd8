"""Factorization machine of order 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from edgedescent.learners._factorization_machine import FactorizationMachineModel
from edgedescent.learners.feature_learner import FeatureLearner


@dataclass(kw_only=True, eq=False, repr=False)
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

    target_kind: ClassVar[Literal["numeric", "binary", "any"]] = "any"

    model_type = FactorizationMachineModel

    n_factors: Annotated[int, Meta(ge=1, le=1024, description="Number of latent factors of each feature")] = 10
    l2_factors: Annotated[float, Meta(ge=0, description="Weight of the penalty on factors")] = 0.0
    init_scale: Annotated[float, Meta(ge=0, description="Standard deviation of the first factors")] = 0.05
