"""Factorization machine of order 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.learners import migration
from edgedescent.learners._factorization_machine import FactorizationMachineModel
from edgedescent.learners.gradient_learner import GradientLearner, largest_weights
from edgedescent.optim import ImportanceAware, Optimizer


@dataclass(kw_only=True, eq=False, repr=False)
class FactorizationMachine(GradientLearner):
    """Factorization machine: a linear model plus pairwise feature interactions, modeled as products of latent factors.

    ::

        z = clip((x - mean) / sd, ±clip)            per feature, running; 1 for a category
        f = w₀ + Σ_i w_i z_i + Σ_{i<j} (v_i · v_j) z_i z_j
        prediction = mean_y + sd_y f                or mean_y exp(f), for a Poisson loss;
                                                    1 / (1 + exp(-f)), for a logistic one

    The sum over pairs takes time linear in the number of features. With only a user and an item as categories, it is a
    matrix factorization. Additional features (the hour, the genre of the item, the region of the user) improve the
    predictions for new users and items.

    Features can have any names, and can appear and vanish at any time. Numbers and booleans are standardized online, so
    that the same learning rate suits all streams. Strings, and the integers of features listed in `categories`, are
    one-hot encoded. Features in a nested dict have names joined by a dot. A feature that is absent, None or not finite
    counts as its mean, and an unknown category as 0.

    Raises:
        ValueError: If a parameter is out of its range, a feature name is neither a string nor an integer, a feature
            value is neither a number nor a string, or the target is not a number. A rejected event changes
            nothing.

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
    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        **GradientLearner.migrations,
        "l2_factors": migration.goes_on,
        "init_scale": migration.drawn_later,
    }

    optimizer: Annotated[
        Optimizer, Meta(description="Step rule; an event of n > 16 features takes 16 / n of the steps of some")
    ] = ImportanceAware(lr=0.03)  # noqa: RUF009 - optimizers are immutable
    n_factors: Annotated[int, Meta(ge=1, le=1024, description="Number of latent factors of each feature")] = 10
    l2_factors: Annotated[float, Meta(ge=0, description="Weight of the penalty on factors")] = 0.0
    init_scale: Annotated[float, Meta(ge=0, description="Standard deviation of the first factors")] = 0.05

    def _shares(self, rows: NDArray[np.intp], z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        table = self.model.weights.serving
        factors = z[:, np.newaxis] * table[rows, 1:]
        # Σ_{j ≠ i} <vᵢ, vⱼ> zᵢ zⱼ of each feature i, of which half belongs to the other one.
        products = factors @ factors.sum(axis=0) - (factors**2).sum(axis=1)
        shares = table[rows, 0] * z + 0.5 * products
        return float(table[0, 0] + shares.sum()), shares

    def _learned(self) -> list[str]:
        names = self.encoder.vocabulary.keys()
        lines = largest_weights(names, self.model.weights.serving[1 : len(names) + 1, 0])
        what = "largest weights beside the factors, per standard deviation of the feature:"
        return [*super()._learned(), *([what, *lines] if lines else [])]
