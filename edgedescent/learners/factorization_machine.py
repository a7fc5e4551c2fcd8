"""Factorization machine of order 2."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgedescent.kernels.machine import MachineKernel
from edgedescent.learners.base import Learner
from edgedescent.learners.features import shared_parameters
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import Adam, Optimizer
from edgedescent.validation import require_count, require_number


class FactorizationMachine(MachineKernel, Learner):
    takes: ClassVar[Literal["features", "ratings"]] = "features"

    def __init__(
        self,
        n_factors: int = 10,
        optimizer: Optimizer = Adam(),  # noqa: B008 - optimizers are immutable
        loss: Loss = AdaptiveHuberLoss(),  # noqa: B008 - losses are immutable
        l1: float = 0.0,
        l2: float = 0.0,
        l2_factors: float = 0.0,
        init_scale: float = 0.05,
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
        require_count(self, "n_factors", n_factors, at_least=1, at_most=1024)
        require_number(self, "l2_factors", l2_factors, at_least=0)
        require_number(self, "init_scale", init_scale, at_least=0)
        self.n_factors = n_factors
        self.optimizer = optimizer
        self.loss = loss
        self.l1 = l1
        self.l2 = l2
        self.l2_factors = l2_factors
        self.init_scale = init_scale
        self.clip = clip
        self.forgetting = forgetting
        self.features_max = features_max
        self.when_full = when_full
        self.categories = categories
        self.hash_bits = hash_bits
        self.replay_size = replay_size
        self.replay_steps = replay_steps
        self.seed = seed
        self._set_up(n_factors, init_scale, l2_factors, optimizer, loss, **shared_parameters(self))

