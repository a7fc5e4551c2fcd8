"""A small network on named features."""

from __future__ import annotations

from edgedescent.learners._mlp import MLPModel
from edgedescent.learners.feature_learner import FeatureLearner
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import Adam, Optimizer
from edgedescent.validation import require_count


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

    Args:
        hidden: the widths of the hidden layers, one to three; each >= 1.
        optimizer: the step rule; an event of n > 16 features takes 16 / n of its steps, as LinearRegressor explains.
        loss: what to minimize.
        l1: weight of the penalty ``l1 |w|`` per weight and event, which sets weights to exactly zero; >= 0.
        l2: weight of the penalty ``l2 w² / 2`` per weight and event; >= 0.
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
        seed: of the first weights and of the draws for replay; >= 0.

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

    def __init__(
        self,
        hidden: tuple[int, ...] = (64, 32),
        optimizer: Optimizer = Adam(lr=0.002),  # noqa: B008 - optimizers are immutable
        loss: Loss = AdaptiveHuberLoss(),  # noqa: B008 - losses are immutable
        l1: float = 0.0,
        l2: float = 0.0002,
        clip: float = 5.0,
        forgetting: float = 0.0002,
        features_max: int = 4096,
        when_full: str = "evict",
        categories: tuple[str, ...] = (),
        hash_bits: int | None = None,
        replay_size: int = 2000,
        replay_steps: int = 8,
        seed: int = 1,
    ) -> None:
        if not isinstance(hidden, tuple | list) or not 1 <= len(hidden) <= 3:
            raise ValueError(f"The `hidden` of MLPRegressor must be one to three widths. Got {hidden!r}.")
        for width in hidden:
            require_count(self, "hidden", width, at_least=1, at_most=4096)
        self.hidden = tuple(hidden)
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

    def counts(self) -> dict[str, int]:
        """How often a guard or a bound stepped in."""
        return {**super().counts(), "units_restarted": self.model.n_restarts}
