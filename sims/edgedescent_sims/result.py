"""Result of a simulation: what a run writes as JSON, and what reports, comparisons and bars read.

The JSON of the same scenario, seed and version is the same to the last byte: it holds no times and no sizes. Those are
in `Timing`, which is written beside it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from edgedescent.errors import ConfigError

FORMAT = 1
"""Version of the layout of the JSON."""

_HINT = "Give the JSON file that `edgedescent simulate` wrote."

Number = float | None
"""A finite number; None where there is none, such as the duration of a recovery that did not end."""


class Interval(msgspec.Struct, frozen=True):
    """A score over the seeds: its mean, and a bootstrap interval where there are several seeds."""

    value: Number
    low: Number = None
    high: Number = None
    by_seed: list[Number] = []


class ResultMark(msgspec.Struct, frozen=True):
    """Place where something was injected; see `edgedescent_sims.sources.base.Mark`."""

    kind: Literal["drift", "fault"]
    label: str
    start: int
    end: int


class Curve(msgspec.Struct, frozen=True):
    """Windowed error by the number of the event, of the first seed."""

    number: list[int]
    value: list[Number]


class Recovery(msgspec.Struct, frozen=True):
    """Recovery from one drift; `docs/scores.md` defines each score."""

    mark: int
    """Index of the drift in the result's `marks`."""
    scores: dict[str, Interval]
    """``recovery``, ``duration``, ``max_performance_loss``, ``regret``, ``early_mae``, ``early_mae_twin``, and
    of learners that recommend ``hit_recovery``."""
    run: Curve
    """Windowed error from a little before the drift to the horizon."""
    twin: Curve
    """The same of the twin that only ever saw the new regime."""


class CandidateResult(msgspec.Struct, frozen=True):
    """Scores of one candidate or peer."""

    name: str
    learner: dict[str, Any]
    """Table from which it was built: ``type`` and the parameters that were given."""
    is_peer: bool
    """True for a baseline or a learner of another library, which bars do not judge."""
    is_repeatable: bool
    """False for a learner without a seed, whose figures differ from run to run."""
    scores: dict[str, Interval]
    """``mae``, ``rmse``, ``r2``, ``mase`` and so on; of recommenders also ``recall_at_10`` and so on."""
    curve: Curve
    recoveries: list[Recovery] = []
    alarms: list[int] = []
    """Numbers of the events at which its drift detector raised an alarm, of the first seed."""


class Difference(msgspec.Struct, frozen=True):
    """Paired difference of the main score between two candidates, over the seeds."""

    first: str
    second: str
    score: str
    difference: Interval
    """Score of the first minus that of the second."""
    p_value: Number
    """Probability of a difference at least as large by chance; None for a single seed."""


class Bar(msgspec.Struct, frozen=True):
    """A bar that a candidate must not miss, and whether it did."""

    expression: str
    """Expression that holds if the bar is missed, such as ``recovery > 500``."""
    candidate: str
    value: Number
    failed: bool
    expected: str = ""
    """Why it is expected to fail today; empty where it is expected to hold."""


class SimulationResult(msgspec.Struct, frozen=True):
    """Result of one scenario: all candidates on all seeds."""

    name: str
    stresses: str
    command: str
    """Command that repeats the run."""
    version: str
    scenario: dict[str, Any]
    """The scenario as its file would have it."""
    kind: Literal["features", "ratings"]
    seed: int
    n_seeds: int
    n_events: int
    """Number of events that were scored, of the first seed."""
    window: int
    """Number of events in the windowed error."""
    main_score: str
    """Score that ranks the candidates."""
    lower_is_better: bool
    marks: list[ResultMark]
    candidates: list[CandidateResult]
    comparison: list[Difference] = []
    bars: list[Bar] = []
    format: int = FORMAT

    @property
    def failures(self) -> list[Bar]:
        """Bars that were missed and not expected to be; and all bars of a candidate that was expected to miss one."""
        missed = {bar.candidate for bar in self.bars if bar.failed}
        return [bar for bar in self.bars if (bar.candidate not in missed if bar.expected else bar.failed)]

    def to_json(self) -> bytes:
        """JSON of the result, in two levels of indentation, ending with a line break."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


class Timing(msgspec.Struct, frozen=True):
    """Cost of one candidate on one machine; never part of the result."""

    candidate: str
    us_per_event: float
    """Microseconds to predict and learn one event, the mean over all."""
    state_bytes: int | None
    """Size of its learned state at the end; None where it is unknown."""


_LOWER = re.compile(
    r"mae|rmse|mase|mse|quantile_loss|excess|distance|regret|recovery|duration|max_performance_loss|early_mae"
    r"|alarm_delay|missed_drifts|false_alarms"
)
_HIGHER = re.compile(r"r2|recall|ndcg|hit_rate|precision")


def lower_is_better(score: str) -> bool | None:
    """Return whether less of a score is better; None where neither is, as for the coverage of an interval.

    Example:
        >>> lower_is_better("rmse"), lower_is_better("recall"), lower_is_better("interval_coverage")
        (True, False, None)
    """
    if _LOWER.match(score):
        return True
    return False if _HIGHER.match(score) else None


def load_result(path: Path) -> SimulationResult:
    """Read the JSON of a result.

    Raises:
        ConfigError: If it is none, or of another version of the layout.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=SimulationResult)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", _HINT) from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is no result of a simulation: {error}.", _HINT) from None
