"""The checks themselves: each broken promise below must be caught by the check that stands for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from edgedescent import LinearRegressor
from edgedescent.formats import Event, Format, JsonFormat, Piece
from edgedescent.learners import Learner
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import SGD, Adam, Optimizer
from edgedescent.testing import (
    FORMAT_CHECKS,
    LEARNER_CHECKS,
    LOSS_CHECKS,
    OPTIMIZER_CHECKS,
    check_format,
    check_learner,
    check_loss,
    check_optimizer,
)
from edgedescent.testing.learners import check_wrong_states_are_refused


class ForgetsAParameter(LinearRegressor):
    def get_params(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_params().items() if name != "clip"}


class ClonesItsExperience(LinearRegressor):
    def clone(self, new_params: Mapping[str, Any] | None = None, include_attributes: bool = False) -> Self:  # noqa: ARG002
        return super().clone(new_params, include_attributes=True)


class PredictsNumpyFloats(LinearRegressor):
    def predict_one(self, x: dict[str, Any]) -> float:
        return np.float64(super().predict_one(x))


class GrowsByPredicting(LinearRegressor):
    def predict_one(self, x: dict[str, Any]) -> float:
        super().learn_one(dict.fromkeys(x, 0.0), 0.0)
        return super().predict_one(x)


class PredictsAfterLearning(LinearRegressor):
    def predict_learn_one(self, x: dict[str, Any], y: Any) -> float:
        self.learn_one(x, y)
        return self.predict_one(x)


class LearnsManyBackwards(LinearRegressor):
    def learn_many(self, X: Any, y: Any, names: Any = None) -> Any:
        return super().learn_many(X[::-1], y[::-1], names)[::-1]


class LearnsAtRandom(LinearRegressor):
    def learn_one(self, x: dict[str, Any], y: Any) -> None:
        super().learn_one(x, y if isinstance(y, str) or y is None else y + id(object()) % 97 + np.random.rand())  # noqa: NPY002


class LearnsTheOpposite(LinearRegressor):
    def learn_one(self, x: dict[str, Any], y: Any) -> None:
        super().learn_one(x, y if isinstance(y, str) or y is None else -y)


class CountsUnknownNames(LinearRegressor):
    def predict_one(self, x: dict[str, Any]) -> float:
        return super().predict_one(x) + float("never" in x)


class NeverForgets(LinearRegressor):
    def __init__(self, features_max: int = 4096) -> None:
        super().__init__(features_max=100 * features_max)
        vars(self)["features_max"] = features_max


class TakesNaN(LinearRegressor):
    def learn_one(self, x: dict[str, Any], y: Any) -> None:
        super().learn_one(x, y)
        if any(isinstance(value, float) and math.isnan(value) for value in x.values()):
            self.model.weights.arrays[0][0] = math.nan


class LearnsFromBrokenTargets(LinearRegressor):
    def learn_one(self, x: dict[str, Any], y: Any) -> None:
        broken = isinstance(y, float) and math.isinf(y)
        super().learn_one(x, 1000.0 if broken else y)


class LearnsHalfOfARefusedEvent(LinearRegressor):
    def learn_one(self, x: dict[str, Any], y: Any) -> None:
        if isinstance(x, dict) and "fresh" in x:
            super().learn_one({"fresh": 1.0}, 1.0)
        super().learn_one(x, y)


class ForgetsTheScale(LinearRegressor):
    def state_dict(self) -> Any:
        return {**super().state_dict(), "loss": np.array([1.0, 0.0])}


class HandsOutItsOwnArrays(LinearRegressor):
    def state_dict(self) -> Any:
        state = super().state_dict()
        return {**state, "weights": self.model.weights.arrays[0][: len(state["weights"])]}


class SavesObjects(LinearRegressor):
    def state_dict(self) -> Any:
        return {**super().state_dict(), "extra": np.array([object()])}


class LoadsAnything(LinearRegressor):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict({**self.state_dict(), **{k: v for k, v in state.items() if k != "unheard_of"}})


class KeepsAPartOfARefusedState(LinearRegressor):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        try:
            super().load_state_dict(state)
        except ValueError:
            self.learn_one({"refused": 1.0}, 1.0)
            raise


class CopiesAreTheSame(LinearRegressor):
    def __deepcopy__(self, memo: Any) -> Self:
        return self


class TakesAnyParameter(LinearRegressor):
    def __init__(self, clip: Any = 5.0) -> None:
        super().__init__(clip=clip if isinstance(clip, float) and clip > 0 else 5.0)
        vars(self)["clip"] = clip


BROKEN_LEARNERS: dict[str, Learner] = {
    "check_parameters_round_trip": ForgetsAParameter(),
    "check_state_is_plain": SavesObjects(),
    "check_clone_has_learned_nothing": ClonesItsExperience(),
    "check_predictions_are_finite_floats": PredictsNumpyFloats(),
    "check_predicting_leaves_the_state": GrowsByPredicting(),
    "check_predict_learn_one_is_both": PredictsAfterLearning(),
    "check_learn_many_is_one_by_one": LearnsManyBackwards(),
    "check_is_deterministic": LearnsAtRandom(),
    "check_learns": LearnsTheOpposite(),
    "check_emerging_and_vanishing": CountsUnknownNames(),
    "check_memory_is_bounded": NeverForgets(),
    "check_broken_input_does_no_harm": TakesNaN(),
    "check_broken_targets_teach_nothing": LearnsFromBrokenTargets(),
    "check_refused_events_change_nothing": LearnsHalfOfARefusedEvent(),
    "check_state_round_trip": ForgetsTheScale(),
    "check_state_is_a_copy": HandsOutItsOwnArrays(),
    "check_wrong_states_are_refused": LoadsAnything(),
    "check_copies_go_their_own_way": CopiesAreTheSame(),
    "check_parameters_are_validated": TakesAnyParameter(),
}


@pytest.mark.parametrize("check", LEARNER_CHECKS, ids=lambda check: check.__name__)
def test_a_broken_learner_is_caught(check: Any) -> None:
    learner = BROKEN_LEARNERS[check.__name__]
    with pytest.raises(AssertionError, match=type(learner).__name__):
        check(learner)
    with pytest.raises(AssertionError):
        check_learner(learner)


def test_a_state_that_is_refused_and_yet_changes_something_is_caught() -> None:
    with pytest.raises(AssertionError, match=r"load_state_dict with .* changes the state"):
        check_wrong_states_are_refused(KeepsAPartOfARefusedState())


class ReordersItsParameters(Adam):
    @property
    def hyper(self) -> tuple[float, ...]:
        return super().hyper[::-1]


@dataclass(frozen=True)
class Unvalidated(SGD):
    def __post_init__(self) -> None:
        pass


@dataclass(frozen=True)
class NamesASlotTwice(Optimizer):
    slots: ClassVar[tuple[str, ...]] = ("m", "m")

    def step(self, w: Any, g: Any, *slots: Any, lr: float) -> None:  # noqa: ARG002
        w -= lr * g


@dataclass(frozen=True)
class GoesUp(SGD):
    @property
    def rate(self) -> float:
        return -self.lr


@dataclass(frozen=True)
class MovesWhatItIsNotGiven(Optimizer):
    def step(self, w: Any, g: Any, lr: float) -> None:  # noqa: ARG002
        w -= 0.1


BROKEN_OPTIMIZERS: dict[str, Optimizer] = {
    "check_optimizer_is_an_immutable_value": ReordersItsParameters(),
    "check_optimizer_parameters_are_validated": Unvalidated(),
    "check_slots_are_the_arrays_of_the_rule": NamesASlotTwice(),
    "check_no_gradient_no_step": MovesWhatItIsNotGiven(),
    "check_first_step_goes_down": GoesUp(),
}


@pytest.mark.parametrize("check", OPTIMIZER_CHECKS, ids=lambda check: check.__name__)
def test_a_broken_optimizer_is_caught(check: Any) -> None:
    if check.__name__ not in BROKEN_OPTIMIZERS:
        # Only a rule compiled wrong could break it, and there is none.
        check(SGD())
        return
    with pytest.raises(AssertionError):
        check(BROKEN_OPTIMIZERS[check.__name__])
    with pytest.raises(AssertionError):
        check_optimizer(BROKEN_OPTIMIZERS[check.__name__])


@dataclass(frozen=True)
class UnvalidatedLoss(AdaptiveHuberLoss):
    def __post_init__(self) -> None:
        pass


@dataclass(frozen=True)
class NegativeLoss(AdaptiveHuberLoss):
    @property
    def hyper(self) -> tuple[float, ...]:
        return (-self.k, self.rate_min)


@dataclass
class MutableLoss:
    k: float = 3.0
    rule: ClassVar[str] = "squared"
    hyper: ClassVar[tuple[float, ...]] = (3.0,)


BROKEN_LOSSES: dict[str, Any] = {
    "check_loss_is_an_immutable_value": MutableLoss(),
    "check_loss_parameters_are_validated": UnvalidatedLoss(),
    "check_slope_is_the_derivative": NegativeLoss(),
    "check_slope_never_falls": NegativeLoss(),
}


@pytest.mark.parametrize("check", LOSS_CHECKS, ids=lambda check: check.__name__)
def test_a_broken_loss_is_caught(check: Any) -> None:
    if check.__name__ not in BROKEN_LOSSES:
        check(AdaptiveHuberLoss())
        return
    with pytest.raises(AssertionError):
        check(BROKEN_LOSSES[check.__name__])
    with pytest.raises(AssertionError):
        check_loss(BROKEN_LOSSES[check.__name__])


class ForgetsTheId(JsonFormat):
    def encode(self, event: Event) -> bytes:
        return super().encode(event).replace(b'"id"', b'"no"')


class Raises(JsonFormat):
    def decode(self, payload: bytes) -> Iterable[Piece]:
        payload.decode("ascii")
        return super().decode(payload)


class RemembersMessages(JsonFormat):
    calls = 0

    def decode(self, payload: bytes) -> Iterable[Piece]:
        self.calls += 1
        return super().decode(payload if self.calls < 50 else b"{}")


class TakesAnyLength(JsonFormat):
    def read(self, payload: bytes) -> Iterable[Piece]:
        return self.decode(payload)


class DecodesOtherwise(JsonFormat):
    def decode(self, payload: bytes) -> Iterable[Piece]:
        return super().decode(payload.replace(b'"y":3', b'"y":4'))


BROKEN_FORMATS: dict[str, type[Format]] = {
    "check_what_it_encodes_is_decoded": ForgetsTheId,
    "check_no_bytes_raise": Raises,
    "check_the_same_bytes_are_the_same_events": RemembersMessages,
    "check_a_long_payload_is_rejected": TakesAnyLength,
    "check_the_reader_agrees": DecodesOtherwise,
}


@pytest.mark.parametrize("check", FORMAT_CHECKS, ids=lambda check: check.__name__)
def test_a_broken_format_is_caught(check: Any) -> None:
    broken = BROKEN_FORMATS[check.__name__]
    with pytest.raises(AssertionError, match=broken.__name__):
        check(broken)
    with pytest.raises(AssertionError):
        check_format(broken)


def test_the_names_of_the_tables_are_those_of_the_checks() -> None:
    assert list(BROKEN_FORMATS) == [check.__name__ for check in FORMAT_CHECKS]
    assert list(BROKEN_LEARNERS) == [check.__name__ for check in LEARNER_CHECKS]
    assert set(BROKEN_OPTIMIZERS) <= {check.__name__ for check in OPTIMIZER_CHECKS}
    assert set(BROKEN_LOSSES) <= {check.__name__ for check in LOSS_CHECKS}
    assert [field.name for field in fields(Loss)] == []


def test_the_slots_of_a_compiled_rule_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="Fewer cannot change the slots of the compiled rule 'adam'"):

        class Fewer(Adam):
            slots: ClassVar[tuple[str, ...]] = ("m", "v")
