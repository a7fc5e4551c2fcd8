"""The learners of adaptation.py: ours with the settings they come with, peers with their documented ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Literal

from recordings import Recording

from edgedescent import AutoRegressor, FactorizationMachine, LinearRegressor, MatrixFactorization, MLPRegressor
from edgedescent.optim import CountedSGD
from edgedescent_sims.peers import PEERS

Step = Callable[..., float]
"""Predicts an event, then learns it; returns the prediction."""

Role = Literal["budget", "ours", "peer"]
"""A budget of the automatic regressor, another learner of ours, or a peer."""

BUDGETS = ("default", "small", "tiny")


@dataclass(frozen=True)
class Contestant:
    """A learner with one configuration for all streams.

    Args:
        name: as the table calls it.
        start: makes a fresh model for a stream and returns its step.
        role: what it is to the verdicts.
        needs: the library without which it is left out; "" for none.
        definition: its class and parameters, by which its results are found again.
        slow: whether it takes a third of a millisecond per event or more, and is left out of a quick run.
        linear: whether it is a linear model.
        own_lags: whether it keeps the last labels itself, and so does not get the previous one as a feature.
        needs_season: whether it is left out where a stream has no clock.
    """

    name: str
    start: Callable[[Recording], Step]
    role: Role
    needs: str = ""
    definition: str = ""
    slow: bool = False
    linear: bool = False
    own_lags: bool = False
    needs_season: bool = False

    def why_not(self, recording: Recording, quick: bool) -> str | None:
        """Reason why it is left out on a stream; None if it is not."""
        if self.needs and find_spec(self.needs) is None:
            return f"{self.needs} is not installed"
        if self.needs_season and not recording.season:
            return "the stream has no clock"
        return "it is slow" if quick and self.slow else None


def budget(name: str) -> Contestant:
    """Make the contestant of a budget of the automatic regressor."""
    return Contestant(
        f"AutoRegressor, {name}",
        lambda _: AutoRegressor(budget=name).predict_learn_one,  # type: ignore[arg-type]
        "budget",
        own_lags=True,
    )


def peer(
    name: str, kind: str, needs: str = "", parameters: Mapping[str, Any] | None = None, **traits: Any
) -> Contestant:
    """Make the contestant of a peer of the simulators."""
    given = dict(parameters or {})
    release = version(needs) if needs and find_spec(needs) else ""
    return Contestant(
        name,
        lambda _: PEERS[kind](**given).predict_learn_one,
        "peer",
        needs,
        definition=f"{kind}({', '.join(f'{key}={value!r}' for key, value in given.items())}) {needs} {release}".strip(),
        **traits,
    )


def river_linear(optimizer: str, lr: float) -> Contestant:
    """Make the contestant of River's linear regression with one optimizer and rate."""
    parameters = {"optimizer": optimizer, "lr": lr}
    return peer(f"River linear, {optimizer} {lr:g}", "RiverLinear", "river", parameters, linear=True)


REGRESSORS = (
    *map(budget, BUDGETS),
    Contestant("MLPRegressor", lambda _: MLPRegressor().predict_learn_one, "ours"),
    Contestant("LinearRegressor", lambda _: LinearRegressor().predict_learn_one, "ours", linear=True),
    peer("last value", "LastValue"),
    Contestant(
        "seasonal last value",
        lambda recording: PEERS["SeasonalLastValue"](period=recording.season).predict_learn_one,
        "peer",
        definition="SeasonalLastValue",
        needs_season=True,
    ),
    *(river_linear(optimizer, lr) for optimizer in ("SGD", "Adam") for lr in (0.01, 0.1)),
    peer("River Hoeffding adaptive tree", "RiverHoeffdingAdaptiveTree", "river"),
    peer("River ARF", "RiverARF", "river", slow=True),
    peer("River AMF", "RiverAMF", "river", slow=True),
    peer("VW", "VowpalWabbit", "vowpalwabbit", linear=True),
    peer("VW --coin", "VowpalWabbit", "vowpalwabbit", {"options": "--coin"}, linear=True),
    peer("SGBR", "SGBR", "samlb", slow=True),
    peer("ASML", "ASML", "samlb", slow=True),
)


# --- Recommenders ---------------------------------------------------------------------------------


def machine_of_ids(**parameters: Any) -> Callable[[Recording], Step]:
    """Make what starts a factorization machine on ids, whose predictions are clipped to the scale of the ratings."""

    def start(_recording: Recording) -> Step:
        model = FactorizationMachine(features_max=100_000, categories=("user", "item"), **parameters)
        return lambda user, item, y: clipped(model.predict_learn_one({"user": user, "item": item}, y))

    return start


def rating_peer(name: str, kind: str) -> Contestant:
    """Make the contestant of a peer whose predictions are clipped to the scale of the ratings, which is known."""

    def start(_recording: Recording) -> Step:
        step = PEERS[kind]().predict_learn_one
        return lambda user, item, y: clipped(step(user, item, y))

    return Contestant(
        name, start, "peer", "river", definition=f"{kind} {version('river') if find_spec('river') else ''}"
    )


def clipped(rating: float) -> float:
    """Clip a prediction to the scale of MovieTweetings."""
    return min(max(rating, 0.0), 10.0)


RECOMMENDERS = (
    Contestant("MatrixFactorization", lambda _: MatrixFactorization().predict_learn_one, "ours"),
    Contestant("FactorizationMachine", machine_of_ids(), "ours"),
    # Not as it comes: with the step rule that MatrixFactorization has.
    Contestant("FactorizationMachine, CountedSGD 0.3", machine_of_ids(optimizer=CountedSGD(lr=0.3)), "ours"),
    peer("running mean", "RunningMean"),
    rating_peer("River Baseline", "RiverBaseline"),
    rating_peer("River BiasedMF", "RiverBiasedMF"),
)
