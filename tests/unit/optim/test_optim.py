"""The faces of the optimizers: what they refuse, how they look, and those that are written in Python."""

from __future__ import annotations

import dataclasses
import inspect
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from edgedescent import LinearRegressor, MatrixFactorization, MLPRegressor, optim
from edgedescent.config import build, describe
from edgedescent.optim import SGD, Adam, CosineRestarts, MiniBatch, Momentum, Optimizer
from edgedescent.optim._stepper import run_steps
from edgedescent.testing.support import bits
from edgedescent.validation import parameters
from support.exported import GRADIENT_LEARNERS, OPTIMIZERS, SCHEDULES, exported, small
from support.strategies import EVERY_OPTIMIZER


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.SGD(lr=0), "`lr` of SGD must be > 0. Got 0"),
        (lambda: optim.Momentum(mu=1.0), "`mu` of Momentum must be .* < 1"),
        (lambda: optim.Nesterov(mu=-0.1), "`mu` of Nesterov must be >= 0"),
        (lambda: optim.AdaGrad(initial=-1), "`initial` of AdaGrad must be >= 0"),
        (lambda: optim.CountedSGD(power=1.1), "`power` of CountedSGD must be .* <= 1"),
        (lambda: optim.RMSProp(rho=1), "`rho` of RMSProp must be .* < 1"),
        (lambda: optim.AdaDelta(eps=0), "`eps` of AdaDelta must be > 0"),
        (lambda: optim.Adam(beta2=1.0), "`beta2` of Adam must be .* < 1"),
        (lambda: optim.AdamW(weight_decay=-1), "`weight_decay` of AdamW must be >= 0"),
        (lambda: optim.AMSGrad(beta1=2), "`beta1` of AMSGrad must be .* < 1"),
        (lambda: optim.NAdam(eps=0), "`eps` of NAdam must be > 0"),
        (lambda: optim.FTRLProximal(beta=0), "`beta` of FTRLProximal must be > 0"),
        (lambda: optim.FTRLProximal(l1=-1), "`l1` of FTRLProximal must be >= 0"),
        (lambda: optim.NormalizedAdaptive(lr=-1), "`lr` of NormalizedAdaptive must be > 0"),
        (lambda: optim.ImportanceAware(lr=0), "`lr` of ImportanceAware must be > 0"),
        (lambda: optim.RLS(forgetting=0), "`forgetting` of RLS must be > 0"),
        (lambda: optim.RLS(forgetting=1.01), "`forgetting` of RLS must be .* <= 1"),
        (lambda: optim.RLS(forgetting_after_change=0), "`forgetting_after_change` of RLS must be > 0"),
        (lambda: optim.RLS(prior=0), "`prior` of RLS must be > 0"),
        (lambda: optim.RLS(drift=-0.1), "`drift` of RLS must be >= 0"),
        (lambda: optim.RLS(dense_max=0), "`dense_max` of RLS must be an integer >= 1"),
        (
            lambda: MiniBatch(optimizer=optim.RLS()),
            "`optimizer` of MiniBatch must be one that can step with an average",
        ),
        (lambda: optim.COCOB(alpha=0), "`alpha` of COCOB must be > 0"),
        (lambda: MiniBatch(optimizer=Adam(), size=0), "`size` of MiniBatch must be an integer >= 1"),
        (lambda: MiniBatch(optimizer="adam"), "`optimizer` of MiniBatch must be an instance of Optimizer"),  # type: ignore[arg-type]
        (lambda: MiniBatch(optimizer=MiniBatch()), "`optimizer` of MiniBatch must not be a MiniBatch itself"),
        (lambda: SGD(clip_value=0), "`clip_value` of SGD must be > 0"),
        (lambda: SGD(clip_norm=-1), "`clip_norm` of SGD must be > 0"),
        (lambda: SGD(average_rate=1.5), "`average_rate` of SGD must be .* <= 1"),
    ],
)
def test_hyper_parameters_are_validated(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", [*OPTIMIZERS, *SCHEDULES])
def test_every_argument_is_documented_once(kind: Any) -> None:
    documentation = inspect.getdoc(kind) or ""
    own = list(parameters(kind))
    assert set(own) == set(inspect.signature(kind).parameters)
    arguments = documentation.split("Args:\n")[1].split("\n\n")[0] if own else ""
    assert re.findall(r"^    (\w+):", arguments, re.MULTILINE) == own
    assert "Example:" in documentation
    if issubclass(kind, Optimizer):
        assert "::" in documentation
        assert re.search(r"References:\n    .*\b(19|20)\d\d\b", documentation)


@pytest.mark.parametrize("optimizer", EVERY_OPTIMIZER, ids=repr)
def test_it_looks_as_it_is_made(optimizer: Optimizer) -> None:
    names = vars(optim)
    assert eval(repr(optimizer), dict(names)) == optimizer  # noqa: S307 - our own text
    assert build(Optimizer, describe(optimizer), "optimizer") == optimizer  # type: ignore[type-abstract]


def test_only_what_differs_from_the_default_is_shown() -> None:
    assert repr(Adam(lr=0.02)) == "Adam(lr=0.02)"
    assert repr(SGD(clip_norm=2.0, schedule=CosineRestarts())) == (
        "SGD(schedule=CosineRestarts(period=1000, growth=2.0, floor=0.0), clip_norm=2.0)"
    )
    assert repr(MiniBatch(optimizer=SGD(lr=0.5), size=4)) == "MiniBatch(optimizer=SGD(lr=0.5), size=4)"


def test_a_mini_batch_takes_everything_else_from_its_optimizer() -> None:
    inner = Momentum(lr=0.3, mu=0.5, clip_norm=2.0, average_rate=0.1, schedule=CosineRestarts())
    batch = MiniBatch(optimizer=inner, size=4)
    for name in ("rule", "slots", "hyper", "rate", "schedule", "clip_value", "clip_norm", "average_rate", "averaging"):
        assert getattr(batch, name) == getattr(inner, name)
    assert batch.batch == 4
    assert batch.state_names == ("v", "batch_sum", "batch_count", "average", "averaged")
    assert dataclasses.replace(batch, size=5) == MiniBatch(optimizer=inner, size=5) != batch


def test_the_state_of_a_learner_has_an_array_for_each_of_its_names() -> None:
    model = LinearRegressor(optimizer=MiniBatch(optimizer=Adam(average_rate=0.1), size=3))
    model.learn_one({"a": 1.0}, 2.0)
    names = [f"weights.{name}" for name in ("m", "v", "c1", "c2", "batch_sum", "batch_count", "average", "averaged")]
    assert [name for name in model.state_dict() if name.startswith("weights.")] == names


def test_the_average_predicts_and_the_last_iterate_learns() -> None:
    averaging = LinearRegressor(optimizer=SGD(lr=0.2, average_rate=0.001))
    plain = LinearRegressor(optimizer=SGD(lr=0.2))
    rng = np.random.default_rng(0)
    errors = np.zeros(2)
    for n in range(4000):
        x = float(rng.normal())
        y = 2.0 * x + float(rng.normal())
        got = [model.predict_learn_one({"x": x}, y) for model in (averaging, plain)]
        errors += [abs(p - 2.0 * x) for p in got] if n > 1000 else 0.0
    assert averaging.state_dict()["weights"].tobytes() == plain.state_dict()["weights"].tobytes()
    # Noise that the last iterate follows averages out.
    assert errors[0] < 0.3 * errors[1]


@dataclass(frozen=True)
class PythonAdam(Optimizer):
    """Adam in Python, to compare with the compiled one."""

    slots = ("m", "v", "t")

    lr: float = 0.01

    def step(self, w: Any, g: Any, m: Any, v: Any, t: Any, lr: float) -> None:
        t += 1
        m += 0.1 * (g - m)
        v += 0.001 * (g * g - v)
        w -= lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


@dataclass(frozen=True)
class Stumbles(Optimizer):
    """Fails in its third step, and keeps what it is given, which it should not."""

    slots = ("n",)

    lr: float = 0.1
    kept: list[Any] = dataclasses.field(default_factory=list, compare=False)

    def step(self, w: Any, g: Any, n: Any, lr: float) -> None:
        n += 1
        self.kept.extend((w, g, n))
        if n.max() >= 3:
            raise ZeroDivisionError("the third step")
        w -= lr * g


@dataclass(frozen=True)
class Explodes(Optimizer):
    """Leaves what is not finite, in the parameters or beside them."""

    slots = ("n",)

    lr: float = 0.1
    where: str = "n"

    def step(self, w: Any, g: Any, n: Any, lr: float) -> None:
        n += 1
        w -= lr * g
        if n.max() >= 3:
            (w if self.where == "w" else n)[-1] = np.inf


class TestInPython:
    def test_it_gives_the_numbers_of_the_compiled_rule(self) -> None:
        g = np.random.default_rng(0).normal(size=(30, 3))
        g[::4, 1] = np.nan
        got, expected = (run_steps(optimizer, g, [0.0, 1.0, 2.0])[0] for optimizer in (PythonAdam(), Adam()))
        np.testing.assert_allclose(got, expected, rtol=1e-9)

    @pytest.mark.parametrize("learner", GRADIENT_LEARNERS)
    def test_every_learner_learns_by_it_and_restores_it(self, learner: Any) -> None:
        slow, fast = small(learner, optimizer=PythonAdam(lr=0.02)), small(learner, optimizer=Adam(lr=0.02))
        labels = getattr(getattr(slow, "loss", None), "binary", False)
        events: list[Any] = [
            ({"a": float(n % 7), "b": n % 3}, float(n % 2 if labels else n % 5 + 1))
            if slow.input_kind == "features"
            else (n % 7, n % 3, float(n % 5 + 1))
            for n in range(60)
        ]
        for event in events:
            assert slow.predict_learn_one(*event) == pytest.approx(fast.predict_learn_one(*event), rel=1e-6, abs=1e-9)
        restored = slow.clone(include_attributes=True)
        for event in events:
            assert slow.predict_learn_one(*event) == restored.predict_learn_one(*event)
        assert bits(slow) == bits(restored)

    def test_it_takes_mini_batches_schedules_and_clipping_like_any_other(self) -> None:
        g = np.random.default_rng(0).normal(size=(30, 3))
        common: dict[str, Any] = {"schedule": CosineRestarts(period=7), "clip_norm": 1.0, "average_rate": 0.2}
        got, expected = (
            run_steps(MiniBatch(optimizer=kind(lr=0.1, **common), size=3), g, [0.0, 1.0, 2.0], 0.01)
            for kind in (PythonAdam, Adam)
        )
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-9)
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-9)

    @pytest.mark.parametrize("many", [False, True])
    def test_what_it_raises_is_raised_and_harms_nothing(self, many: bool) -> None:
        optimizer = Stumbles()
        model = LinearRegressor(optimizer=optimizer)
        for n in range(2):
            model.learn_one({"a": float(n)}, float(n))
        before = model.state_dict()
        learn = partial(model.learn_many, [[2.0]], [3.0], ["a"]) if many else partial(model.learn_one, {"a": 2.0}, 3.0)
        with pytest.raises(ZeroDivisionError, match="the third step"):
            learn()
        assert model.state_dict()["weights"][0].tobytes() == before["weights"][0].tobytes()
        assert model.n_events == 3
        # Its steps began anew, so that there are two more.
        model.learn_one({"a": 3.0}, 4.0)
        optimizer.kept[0][:] = np.nan
        assert np.isfinite(model.predict_one({"a": 1.0}))

    def test_learners_with_more_than_one_table_raise_once(self) -> None:
        ranker = MatrixFactorization(n_factors=2, optimizer=Stumbles())
        network = MLPRegressor(hidden=(3,), replay_steps=3, replay_batch=1, optimizer=Stumbles())
        for n in range(2):
            ranker.learn_one("ann", "tea", float(n))
        with pytest.raises(ZeroDivisionError):
            ranker.learn_one("ann", "tea", 3.0)
        ranker.predict_one("ann", "tea")
        with pytest.raises(ZeroDivisionError):
            network.learn_one({"a": 1.0}, 1.0)
        assert np.isfinite(network.predict_one({"a": 1.0}))

    @pytest.mark.parametrize("where", ["w", "n"])
    def test_what_is_not_finite_is_undone_and_counted(self, where: str) -> None:
        path, _, undone = run_steps(Explodes(where=where), np.ones((6, 2)), np.zeros(2))
        assert path[:, 0].tolist() == pytest.approx([-0.1, -0.2, -0.2, -0.3, -0.4, -0.4])
        assert undone == 2

    def test_one_without_a_step_is_refused(self) -> None:
        with pytest.raises(ValueError, match="a compiled `rule` or a method `step`"):
            LinearRegressor(optimizer=Optimizer())


def test_exports_are_found_by_kind() -> None:
    assert Optimizer not in exported(optim, Optimizer)
