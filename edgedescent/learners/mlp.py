"""A small network on named features."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgedescent.kernels.network import NetworkKernel
from edgedescent.learners.base import Learner
from edgedescent.learners.features import shared_parameters
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import Adam, Optimizer
from edgedescent.validation import require_count


class MLPRegressor(NetworkKernel, Learner):
    takes: ClassVar[Literal["features", "ratings"]] = "features"

    def __init__(
        self,
        hidden: tuple[int, ...] = (64, 32),
        optimizer: Optimizer = Adam(lr=0.002),  # noqa: B008 - optimizers are immutable
        loss: Loss = AdaptiveHuberLoss(),  # noqa: B008 - losses are immutable
        l1: float = 0.0,
        l2: float = 0.0,
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
        self.optimizer = optimizer
        self.loss = loss
        self.l1 = l1
        self.l2 = l2
        self.clip = clip
        self.forgetting = forgetting
        self.features_max = features_max
        self.when_full = when_full
        self.categories = categories
        self.hash_bits = hash_bits
        self.replay_size = replay_size
        self.replay_steps = replay_steps
        self.seed = seed
        self._set_up(self.hidden, optimizer, loss, **shared_parameters(self))
