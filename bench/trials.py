"""Trials of adaptation.py: one learner on one stream, with the errors and the cost that come of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from contestants import RECOMMENDERS, REGRESSORS, Contestant
from recordings import PREVIOUS, RECORDINGS, Recording

from edgedescent.evaluation import ErrorCurve, Prequential

WINDOWS = 40
OUTLYING_SHARE, OUTLYING_DEVIATIONS, OUTLYING_SEED = 0.01, 20.0, 12
BEFORE = "MLPRegressor 0.1.0"
"""Name of the learner of the other checkout."""


@dataclass(frozen=True)
class Trial:
    """Task of a process of the pool. Streams and learners are named, because functions cannot be sent.

    Args:
        stream: name of the recording.
        learner: name of the contestant, or `BEFORE`.
        data: folder of the recordings.
        events: how many events to read.
        outliers: whether some labels are outlying.
        checkout: folder of the checkout in which `BEFORE` runs.
        known: score of an earlier run, which stands if the events are the same.
    """

    stream: str
    learner: str
    data: Path | None
    events: int
    outliers: bool = False
    checkout: Path | None = None
    known: Score | None = None


@dataclass
class Score:
    """Errors and cost of one learner on one stream."""

    learner: str
    role: str
    mae: float
    rmse: float
    events: int
    us_per_event: float
    """Processor time."""
    fingerprint: str = ""
    """Digest of the events and of the definition of the learner."""
    from_cache: bool = False
    curve: list[float] = field(default_factory=list)
    """Mean absolute error in each of `WINDOWS` equal parts of the stream."""


def recording_named(name: str) -> Recording:
    """The recording of this name."""
    return next(one for one in RECORDINGS if one.name == name)


def contestant_named(name: str) -> Contestant:
    """The contestant of this name."""
    return next(one for one in (*REGRESSORS, *RECOMMENDERS) if one.name == name)


@lru_cache(maxsize=2)
def events_of(stream: str, data: Path | None, n_max: int) -> tuple[list[Any], str]:
    """The events of a stream, and their digest."""
    events = recording_named(stream).events(data, n_max)
    return events, hashlib.sha256(repr(events).encode()).hexdigest()


def run(trial: Trial) -> Score:
    """Predict and learn each event; the first one, of which nobody can know anything, does not count."""
    events, digest = events_of(trial.stream, trial.data, trial.events)
    y = np.array([event[-1] for event in events], dtype=np.float64)
    if trial.outliers:
        events = with_labels(events, outlying(y))
    if trial.learner == BEFORE:
        assert trial.checkout is not None
        answer = run_apart(trial.checkout, "edgedescent", "MLPRegressor", {}, events)
        predictions, us_per_event = np.array(answer["predictions"]), answer["us_per_event"]
        return score(trial.learner, "before", predictions, y, us_per_event)
    contestant = contestant_named(trial.learner)
    fingerprint = f"{digest} {contestant.definition} {trial.outliers}" if contestant.definition else ""
    if trial.known is not None and fingerprint and trial.known.fingerprint == fingerprint:
        trial.known.from_cache = True
        return trial.known
    if contestant.own_lags:
        events = without_previous(events)
    step = contestant.start(recording_named(trial.stream))
    start = time.process_time()
    predictions = np.array([step(*event) for event in events], dtype=np.float64)
    elapsed_s = time.process_time() - start
    found = score(contestant.name, contestant.role, predictions, y, elapsed_s * 1e6 / len(events))
    found.fingerprint = fingerprint
    return found


def score(
    learner: str,
    role: str,
    predictions: np.ndarray[Any, np.dtype[np.float64]],
    y: np.ndarray[Any, np.dtype[np.float64]],
    us_per_event: float,
) -> Score:
    """Score predictions that were made before their labels were learned."""
    errors, curve = Prequential(), ErrorCurve(points=WINDOWS, length=max(len(y) - 1, 1))
    errors.update_many(y, predictions)
    curve.update_many(np.arange(1, len(y)), y[1:], predictions[1:])
    found = errors.summary()
    return Score(learner, role, found["mae"], found["rmse"], len(y), us_per_event, curve=curve.errors.tolist())


def without_previous(events: Sequence[Any]) -> list[Any]:
    """Events without the previous label among their features."""
    return [({name: value for name, value in x.items() if name != PREVIOUS}, y) for x, y in events]


def outlying(y: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Labels of which one in a hundred is off by 20 deviations of them all, either way; never the first one."""
    random = np.random.default_rng(OUTLYING_SEED)
    places = 1 + random.choice(len(y) - 1, max(round(OUTLYING_SHARE * len(y)), 1), replace=False)
    labels = y.copy()
    labels[places] += random.choice((-1.0, 1.0), len(places)) * OUTLYING_DEVIATIONS * y.std()
    return labels


def with_labels(events: Sequence[Any], labels: Sequence[float] | np.ndarray[Any, np.dtype[np.float64]]) -> list[Any]:
    """The events with other labels, also where one is the previous label of the next event."""
    before = [0.0, *map(float, labels[:-1])]
    return [
        ({**x, PREVIOUS: previous} if PREVIOUS in x else x, float(y))
        for (x, _), previous, y in zip(events, before, labels, strict=True)
    ]


def run_apart(
    checkout: Path | None, module: str, kind: str, parameters: dict[str, Any], events: Sequence[Any]
) -> dict[str, Any]:
    """Run one learner in a process of its own, with the interpreter of a checkout; without one, with this interpreter.

    Raises:
        RuntimeError: if the process fails.
    """
    python = str(checkout / ".venv/bin/python") if checkout else sys.executable
    script = Path(__file__).with_name("one_run.py")
    done = subprocess.run(
        [python, str(script), module, kind, json.dumps(parameters)],
        input=json.dumps(events),
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{kind} failed in {checkout or 'this checkout'}:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


# --- Results that are kept -----------------------------------------------------------------------------------------


class Cache:
    """Scores of peers in a JSON file, by stream and learner: peers do not change while ours are worked on.

    Args:
        path: of the file, written after each new score; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        found = json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else {}
        self.scores = {key: Score(**values) for key, values in found.items()}

    def find(self, trial: Trial) -> Score | None:
        """The score of an earlier run of this trial."""
        return self.scores.get(self._key(trial))

    def add(self, trial: Trial, found: Score) -> None:
        """Keep a score, unless it is one of ours."""
        if self.path is None or not found.fingerprint or found.from_cache:
            return
        self.scores[self._key(trial)] = found
        kept = json.dumps({key: asdict(one) for key, one in self.scores.items()})
        written = self.path.with_suffix(".tmp")
        written.write_text(kept, encoding="utf-8")
        written.replace(self.path)

    @staticmethod
    def _key(trial: Trial) -> str:
        return f"{trial.stream} | {trial.learner} | {trial.events} | {trial.outliers}"
