"""A small network on named features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edgedescent.learners._mlp import MLPModel
from edgedescent.learners.feature_learner import FeatureLearner
from edgedescent.optim import Adam, Optimizer


@dataclass(kw_only=True, eq=False, repr=False)
class MLPRegressor(FeatureLearner):
    """A network of one to three hidden layers with a linear model beside it, trained with experience replay.

    ::

        z  = clip((x - mean) / sd, ±clip)           per feature, running; 1 for a category
        a₁ = relu(W₁ z + b₁)
        a₂ = relu(W₂ a₁ + b₂)                       and so on, for each of `hidden`
        f  = b + u · z + v · a
        prediction = mean_y + sd_y f                or mean_y exp(f), for a Poisson loss

    Features have any names, and may appear and vanish at any time. Numbers and booleans are standardized online, so
    that the learning rate means the same on every stream. Strings, and integers listed in `categories`, are one-hot:
    each value has a row of its own. A nested dict counts as features whose names are joined by a dot. What is absent,
    None or not finite counts as being at its mean, an unknown category as nothing.

    After each event, `replay_steps` events drawn from the latest `replay_size` are learned again, each with a whole
    step of `optimizer`: a network that sees every event once learns too little from it. Weights start from normal
    distributions of variance 2 / inputs (He et al. 2015), those of categories from a tenth of that deviation. The
    linear model ``u`` starts at zero; with it, the layers only have to learn what is not linear.

    Against exploding gradients, the gradient of an event is scaled down to the length 10 unless the optimizer has a
    `clip_norm` of its own. Against vanishing ones, a unit that was silent for the last 50,000 events and replays,
    through which no gradient flows any more, starts anew with fresh incoming weights and without a say in the
    prediction (Dohare et al. 2024); `n_restarts` counts them.

    Raises:
        ValueError: if a parameter is out of its range, a feature's name is not a string, its value neither a number
            nor a string, or the target not a number. A refused event changes nothing.

    Example:
        >>> from edgedescent import MLPRegressor
        >>> model = MLPRegressor(hidden=(16,))
        >>> for i in range(1000):
        ...     a, b = i % 2, i // 2 % 2
        ...     model.learn_one({"a": a, "b": b}, 10.0 * (a ^ b))
        >>> [round(model.predict_one({"a": a, "b": b})) for a, b in ((0, 0), (0, 1), (1, 0), (1, 1))]
        [0, 10, 10, 0]

    References:
        He, Zhang, Ren and Sun 2015, "Delving Deep into Rectifiers", ICCV, section 2.2.
        Lin 1992, "Self-Improving Reactive Agents Based on Reinforcement Learning, Planning and Teaching", Machine
        Learning 8.
        Pascanu, Mikolov and Bengio 2013, "On the Difficulty of Training Recurrent Neural Networks", ICML, section 3.2.
        Dohare et al. 2024, "Loss of Plasticity in Deep Continual Learning", Nature 632.
    """

    model_type = MLPModel

    hidden: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=4096)], ...],
        Meta(min_length=1, max_length=3, description="Widths of the hidden layers"),
    ] = (64, 32)
    optimizer: Annotated[
        Optimizer, Meta(description="Step rule; an event of n > 16 features takes 16 / n of its steps")
    ] = Adam(lr=0.002)  # noqa: RUF009 - optimizers are immutable
    l2: Annotated[float, Meta(ge=0, description="Weight of the penalty ``l2 w² / 2`` per weight and event")] = 0.0002
    replay_steps: Annotated[
        int,
        Meta(ge=0, le=1000, description="Number of kept events, drawn at random, that are learned again after each"),
    ] = 8

    def counts(self) -> dict[str, int]:
        """How often a guard or a bound stepped in."""
        return {**super().counts(), "units_restarted": self.model.n_restarts}
