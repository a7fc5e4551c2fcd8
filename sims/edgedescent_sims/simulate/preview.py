"""Preview of a scenario: the error of its first candidate over the stream, as a small picture needs it."""

from __future__ import annotations

from edgedescent.evaluation import ErrorCurve
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.progressive import ProgressiveRun
from edgedescent_sims.simulate.run import fresh

POINTS = 24
"""Number of characters of a sparkline."""


def preview(scenario: Scenario, points: int = POINTS) -> list[float]:
    """Mean absolute error of the first candidate in equal parts of the stream, without twins and peers.

    Args:
        scenario: The scenario.
        points: Largest number of parts; even.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent_sims.sources import LinearStream
        >>> stream = LinearStream(n_events=1000, noise=0.0)
        >>> errors = preview(Scenario(stream=stream, candidates={"linear": LinearRegressor()}), points=4)
        >>> len(errors), errors[0] > errors[-1]
        (4, True)
    """
    everyone = {**scenario.candidates, **scenario.peers}
    curve = ErrorCurve(points, scenario.stream.length())
    for scored in ProgressiveRun(scenario.stream, fresh(next(iter(everyone.values())))):
        curve.update_many(scored.number, scored.target, scored.prediction)
    return [float(error) for error in curve.errors]
