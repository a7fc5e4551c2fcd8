"""Results of simulations as a run would write them, made up from formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgedescent_sims.result import (
    Bar,
    CandidateResult,
    Curve,
    Difference,
    Interval,
    Recovery,
    ResultMark,
    SimulationResult,
    Timing,
)

FEATURES: list[tuple[str, dict[str, Any], bool, float, float]] = [
    ("LinearRegressor", {"type": "LinearRegressor", "optimizer": {"type": "Adam", "lr": 0.01}}, False, 1.0, 260.0),
    ("MLPRegressor", {"type": "MLPRegressor", "n_hidden": 32, "replay": 4}, False, 0.8, 420.0),
    ("mlp without replay", {"type": "MLPRegressor", "n_hidden": 32, "replay": 0}, False, 0.9, 180.0),
    ("last value", {"type": "LastValue"}, True, 2.2, 0.0),
    ("River adaptive forest", {"type": "RiverRegressor", "model": "forest.ARFRegressor"}, True, 1.1, 700.0),
]
RATINGS: list[tuple[str, dict[str, Any], bool, float, float]] = [
    ("MatrixFactorization", {"type": "MatrixFactorization", "n_factors": 16}, False, 1.0, 500.0),
    ("BPR", {"type": "BPR", "n_factors": 16}, False, 1.15, 900.0),
    ("popularity", {"type": "Popularity"}, True, 1.3, 100.0),
    ("BiasedMF", {"type": "RiverRecommender", "model": "reco.BiasedMF"}, True, 1.05, 800.0),
]
NAMES = [
    ("sign-flip", "Every weight changes its sign at once."),
    ("resting-sensor", "A sensor stands still for a long time and then moves again."),
    ("change-of-scale", "A sensor is replaced by one with another unit."),
    ("sparse-indicator", "A feature that is rarely present matters when it is."),
    ("gradual-rotation", "The weights turn slowly, event by event."),
    ("recurring-seasons", "Two regimes take turns, so that what was learned is needed again."),
    ("new-sensor", "A column appears in the middle of the stream."),
    ("lost-sensor", "A column disappears for good."),
    ("stuck-sensor", "A sensor repeats its last value."),
    ("spikes", "One value in a hundred is far off."),
    ("late-labels", "Labels arrive hundreds of events after their questions."),
    ("poisoned-labels", "One label in twenty is wrong on purpose."),
    ("outage-with-backfill", "The network is away, and everything arrives at once."),
    ("clock-ahead", "A clock runs ahead and is set back."),
    ("quantized", "Values are rounded to a few steps."),
    ("missing-values", "One value in five is missing."),
    ("taste-shift", "Half of the users change what they like."),
    ("item-launch", "New items enter and take over."),
    ("fads", "Items are popular for a short time."),
    ("user-churn", "Users leave, and others come."),
    ("popularity-feedback", "What is shown is rated more often, so that it is shown more often."),
    ("cold-start", "Most users have rated a handful of items."),
    ("rating-bias", "Every rating rises by half a star."),
    ("long-tail", "Few items have most of the ratings."),
]


def _interval(rng: np.random.Generator, mean: float, n_seeds: int, spread: float = 0.03) -> Interval:
    by_seed: list[float | None] = [float(v) for v in mean * (1 + spread * rng.standard_normal(n_seeds))]
    values = [v for v in by_seed if v is not None]
    centre = float(np.mean(values))
    if n_seeds == 1:
        return Interval(centre, by_seed=by_seed)
    half = 1.96 * float(np.std(values)) / math.sqrt(n_seeds)
    return Interval(centre, centre - half, centre + half, by_seed)


def _error(
    rng: np.random.Generator, number: np.ndarray, level: float, decay: float, marks: Sequence[ResultMark]
) -> np.ndarray:
    error = level * (0.25 + 2.0 * np.exp(-number / max(decay, 60.0)))
    for mark in marks:
        since = np.maximum(number - mark.start, 0)
        shape = np.where(number >= mark.start, np.exp(-since / max(decay, 30.0)), 0.0)
        height = 4.0 if mark.kind == "drift" else 0.6
        error = error + level * height * shape * (1 - np.exp(-since / 40.0))
    return np.asarray(error * (1 + 0.06 * rng.standard_normal(number.size)))


def _curve(number: np.ndarray, value: np.ndarray) -> Curve:
    return Curve([int(n) for n in number], [None if math.isnan(v) else float(v) for v in value])


def simulation_result(
    name: str = "sign-flip",
    stresses: str = "Every weight changes its sign at once.",
    *,
    kind: Any = "features",
    seed: int = 7,
    n_seeds: int = 5,
    n_events: int = 8000,
    n_points: int = 320,
    drifts: Sequence[str] = ("sign flip", "sensor replaced"),
    faults: Sequence[str] = ("stuck sensor",),
    unit: float = 1.0,
    failing: bool = False,
) -> SimulationResult:
    """A result with candidates and peers, one of which is not repeatable, and one that never recovers."""
    rng = np.random.default_rng([seed, len(name)])
    step = n_events / (len(drifts) + 1)
    marks = [
        ResultMark("drift", label, int(step * (i + 1)), int(step * (i + 1)) + 200 * i) for i, label in enumerate(drifts)
    ]
    marks += [
        ResultMark("fault", label, int(step * (i * 0.6 + 0.3)), int(step * (i * 0.6 + 0.42)))
        for i, label in enumerate(faults)
    ]
    number = np.linspace(n_events / n_points, n_events, n_points).astype(int)
    main = "mae" if kind == "features" else "ndcg"
    candidates = []
    for i, (title, learner, is_peer, share, decay) in enumerate(FEATURES if kind == "features" else RATINGS):
        level = share * unit
        value = _error(rng, number, level, decay, marks)
        value[: max(1, n_points // 80)] = np.nan
        if kind == "features":
            scores = {
                "mae": _interval(rng, 0.35 * level, n_seeds),
                "rmse": _interval(rng, 0.5 * level, n_seeds),
                "r2": _interval(rng, 0.97 - 0.1 * level / unit, n_seeds, 0.01),
                "mase": _interval(rng, 0.4 * level / unit, n_seeds),
                "interval_coverage": _interval(rng, 0.89, n_seeds, 0.01),
            }
        else:
            scores = {
                "ndcg": _interval(rng, 0.3 / level, n_seeds),
                "recall": _interval(rng, 0.22 / level, n_seeds),
                "hit_rate": _interval(rng, 0.4 / level, n_seeds),
                "coverage": _interval(rng, 0.5, n_seeds),
                "novelty": _interval(rng, 7.5, n_seeds),
            }
            if title == "popularity":
                scores["coverage"] = Interval(None)
        recoveries = []
        for index, mark in enumerate(marks):
            if mark.kind != "drift" or decay == 0.0:
                continue
            inside = (number > mark.start - 400) & (number <= mark.start + min(int(step), 2400))
            twin = _error(rng, number[inside] - mark.start + 1500, level, decay, [])
            duration = _interval(rng, decay * 2.5, n_seeds)
            if title == "River adaptive forest":
                ends: list[float | None] = [None if j % 2 else decay * 3 for j in range(n_seeds)]
                duration = Interval(None, by_seed=ends)
            recoveries.append(
                Recovery(
                    index,
                    {
                        "duration": duration,
                        "max_performance_loss": _interval(rng, 3.4 * level, n_seeds),
                        "regret": _interval(rng, 3.4 * level * decay, n_seeds),
                        "recovery": Interval(None) if i == 1 and failing else _interval(rng, decay * 1.7, n_seeds),
                    },
                    _curve(number[inside], value[inside]),
                    _curve(number[inside], twin),
                )
            )
        alarms = [mark.start + 35 + 20 * i for mark in marks if mark.kind == "drift"] if i < 2 else []
        candidates.append(
            CandidateResult(
                title,
                learner,
                is_peer=is_peer,
                is_repeatable=title != "River adaptive forest",
                scores=scores,
                curve=_curve(number, value),
                recoveries=recoveries,
                alarms=alarms,
            )
        )
    comparison = [
        Difference(
            candidates[0].name,
            other.name,
            main,
            _interval(rng, (candidates[0].scores[main].value or 0) - (other.scores[main].value or 0), n_seeds, 0.3),
            None if n_seeds == 1 else (0.0004, 0.21, 0.03, 0.8)[j % 4],
        )
        for j, other in enumerate(candidates[1:])
    ]
    bars = [
        Bar("recovery > 1500", candidates[0].name, 650.0, failed=False),
        Bar(
            "recovery > 500",
            candidates[1].name,
            1050.0,
            failed=True,
            expected="the numerics of the learner, see issue 4",
        ),
        Bar(f"{main} > 2", candidates[0].name, 0.35, failed=False),
    ]
    if failing:
        bars.append(Bar("recovery > 2000", candidates[1].name, None, failed=True))
    return SimulationResult(
        name=name,
        stresses=stresses,
        command=f"edgedescent simulate {name} --seed {seed} --seeds {n_seeds}",
        version="0.2.0",
        scenario={
            "name": name,
            "events": n_events,
            "source": {"type": "Linear", "n_features": 10, "noise": 0.1},
            "drift": [
                {"type": "SignFlip", "at": mark.start, "width": mark.end - mark.start}
                for mark in marks
                if mark.kind == "drift"
            ],
            "candidates": [{"name": c.name, **c.learner} for c in candidates],
            "bars": {"recovery": [500, 1500], "expected": True},
        },
        kind=kind,
        seed=seed,
        n_seeds=n_seeds,
        n_events=n_events,
        window=200,
        main_score=main,
        lower_is_better=kind == "features",
        marks=marks,
        candidates=candidates,
        comparison=comparison,
        bars=bars,
    )


def library() -> list[SimulationResult]:
    """Results of 24 scenarios: with one and two drifts, without, with faults, of recommenders, and with other units."""
    results = []
    for i, (name, stresses) in enumerate(NAMES):
        drifts = (("sign flip",), ("taste shift", "items launched"), ("scale", "sensor lost", "sensor new"), ())[i % 4]
        results.append(
            simulation_result(
                name,
                stresses,
                kind="ratings" if i >= 16 else "features",
                seed=7 + i,
                n_seeds=1 if i == 5 else 5,
                n_events=4000 + 1000 * (i % 5),
                drifts=drifts,
                faults=(("stuck sensor", "spikes") if i % 3 == 0 else ("missing values",) if i % 3 == 1 else ()),
                unit=250.0 if i == 2 else 0.004 if i == 14 else 1.0,
                failing=i in {1, 9},
            )
        )
    return results


def timings(results: Sequence[SimulationResult]) -> dict[str, list[Timing]]:
    """Costs of the candidates of each scenario."""
    return {
        result.name: [
            Timing(candidate.name, 0.6 + 7.3 * i * i, None if candidate.is_peer else 4096 * (i + 1) ** 3)
            for i, candidate in enumerate(result.candidates)
        ]
        for result in results
    }
