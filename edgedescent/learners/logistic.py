"""Logistic regression on named features."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgedescent.kernels.linear import LinearKernel
from edgedescent.learners.base import Learner
from edgedescent.learners.features import shared_parameters
from edgedescent.losses import LogisticLoss, Loss
from edgedescent.optim import Adam, Optimizer


class LogisticRegressor(LinearKernel, Learner):
    takes: ClassVar[Literal["features", "ratings"]] = "features"

    def __init__(
        self,
        optimizer: Optimizer = Adam(),  # noqa: B008 - optimizers are immutable
        loss: Loss = LogisticLoss(),  # noqa: B008 - losses are immutable
        l1: float = 0.0,
        l2: float = 0.0,
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
        self._set_up(optimizer, loss, **shared_parameters(self))

