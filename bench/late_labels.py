"""Send events without labels, and their labels later on another topic, to a daemon that is killed on the way.

Each label comes 24 events later; some never come, some twice. Counters and memory must be those counted beforehand, and
errors and weights those of a loop in this process that predicts each event and learns it when its label is there:

    python bench/late_labels.py hour.csv.gz --kills 10
"""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgspec
import pandas as pd
from killed_daemon import BROKER_AND_STATE, Sent, differences_of_state, drive

from edgedescent import config as configuration
from edgedescent.assembly.labels import FEATURE_BYTES, QUESTION_BYTES
from edgedescent.evaluation import Prequential
from edgedescent.state import codec, recording
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store
from edgedescent_sims.broker.process import BrokerProcess

HOUR_S = 3600.0
DELAY = 24
TTL_ROWS = 48

CONFIG = (
    """
device = "bikes"
learner = "{learner}"
[inputs.hour]
topics = ["bikes/hour"]
fields = {{ {fields} }}
time = "time"
id = "id"
[inputs.count]
topics = ["bikes/count"]
fields = {{ cnt = "cnt" }}
id = "id"
[assembly]
emit = "hour"
lateness_s = 0
[label]
input = "count"
feature = "count.cnt"
by = "id"
ttl_s = {ttl}
"""
    + BROKER_AND_STATE
)


@dataclass(frozen=True)
class Trial:
    """Table whose labels come later.

    Args:
        frame: the features, and the label in the column ``cnt``; one row an hour.
        learner: type of the learner.
        never: share of the labels that never come.
        twice: share of those that come twice, half of them with another value the second time.
        kills: how often the daemon is killed.
        seed: decides which.
    """

    frame: pd.DataFrame
    learner: str = "LinearRegressor"
    never: float = 0.01
    twice: float = 0.01
    kills: int = 0
    seed: int = 0


@dataclass
class Expected:
    """Expected outcome of a trial, counted while its messages are made."""

    messages: list[Sent] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    summary: dict[str, float] = field(default_factory=dict)
    """Errors of the loop in this process."""
    state: dict[str, Any] = field(default_factory=dict)
    """State of its learner."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a trial."""

    n_messages: int
    mae: float
    counters: dict[str, int]
    differences: list[str]
    """From what was expected; none is the aim."""


def expected(trial: Trial, learner: Any) -> Expected:
    """Make the messages of a trial, and learn as a loop in this process does."""
    dice = random.Random(trial.seed)  # noqa: S311 - a repeatable stream, not a secret
    found, errors = Expected(), Prequential()
    counts = dict.fromkeys(
        ("questions", "labels_joined", "labels_repeated", "labels_corrected", "questions_expired", "waiting"), 0
    )
    names = [name for name in trial.frame.columns if name != "cnt"]
    rows = trial.frame.to_dict("records")
    waiting: dict[int, tuple[dict[str, float], float]] = {}
    for i in range(len(rows) + DELAY):
        if i < len(rows):
            x = {f"hour.{name}": float(rows[i][name]) for name in names}
            found.messages.append(_sent("hour", id=i, time=HOUR_S * i, **{name: rows[i][name] for name in names}))
            counts["questions"] += 1
            # What is older than its time to live has expired when the event comes.
            for old in [k for k in waiting if k < i - TTL_ROWS]:
                del waiting[old]
                counts["questions_expired"] += 1
            waiting[i] = (x, learner.predict_one(x))
        j = i - DELAY
        if j < 0 or dice.random() < trial.never:
            continue
        y = float(rows[j]["cnt"])
        found.messages.append(_sent("count", id=j, cnt=y))
        x, prediction = waiting.pop(j)
        learner.learn_one(x, y)
        errors.update(y, prediction)
        counts["labels_joined"] += 1
        if dice.random() < trial.twice:
            other = dice.random() < 0.5
            found.messages.append(_sent("count", id=j, cnt=y + other))
            counts["labels_corrected" if other else "labels_repeated"] += 1
    counts["waiting"] = len(waiting)
    found.messages.append(_sent("end", id=-1))
    found.counters, found.summary, found.state = counts, errors.summary(), learner.state_dict()
    return found


def _sent(topic: str, **fields: Any) -> Sent:
    return Sent(f"bikes/{topic}", json.dumps(fields).encode())


def run(trial: Trial) -> Outcome:
    """Send a trial through a broker and a daemon, and compare."""
    with tempfile.TemporaryDirectory() as name, BrokerProcess(kind="mosquitto") as broker:
        folder = Path(name)
        path = folder / "device.toml"
        names = [name for name in trial.frame.columns if name != "cnt"]
        fields = ", ".join(f'{name} = "{name}"' for name in names)
        ttl = TTL_ROWS * HOUR_S
        text = CONFIG.format(learner=trial.learner, port=broker.port, folder=folder, fields=fields, ttl=ttl)
        # The end must be journaled, too.
        path.write_text(text.replace('["bikes/count"]', '["bikes/count", "bikes/end"]'))
        config = configuration.load(path)
        wanted = expected(trial, config.build_learner())
        drive(path, broker.port, wanted.messages, kills=trial.kills, seed=trial.seed)
        messages = list(recording.read(config.state.path))
        store = Store(config.state.path, read_only=True)
        try:
            engine = recover(config, store)
        finally:
            store.close()
        metrics, state = engine.metrics(), engine.learner.state_dict()
        got = {name: int(metrics.get(name, 0)) for name in wanted.counters if name != "waiting"}
        got["waiting"] = int(metrics["questions_waiting"])
        differences = [
            f"{name} is {got[name]}, expected {count}" for name, count in wanted.counters.items() if got[name] != count
        ]
        size = wanted.counters["waiting"] * (QUESTION_BYTES + FEATURE_BYTES * len(names))
        if metrics["questions_waiting_bytes"] != size:
            differences.append(f"{metrics['questions_waiting_bytes']} bytes wait, expected {size}")
        differences += [
            f"{name} is {metrics[name]!r}, expected {value!r}"
            for name, value in wanted.summary.items()
            if metrics[name] != value
        ]
        differences += [
            f"the learner's {name} is another one than that of the loop"
            for name in state
            if codec.encode({"a": state[name]}) != codec.encode({"a": wanted.state[name]})
        ]
        differences += differences_of_state(config, messages)
        return Outcome(len(messages), float(metrics["mae"]), got, differences)


def bikes(path: str) -> pd.DataFrame:
    """The bike-sharing data: what is known before the hour, and the count."""
    frame = pd.read_csv(path)
    return frame.drop(columns=["instant", "dteday", "casual", "registered"])


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False))
@click.option("--kills", default=10, show_default=True, help="How often the daemon is killed.")
@click.option("--rows", type=int, help="Only so many rows.")
@click.option("--learner", default="LinearRegressor", show_default=True, help="Type of the learner.")
@click.option("--seed", default=0, show_default=True)
def main(path: str, kills: int, rows: int | None, learner: str, seed: int) -> None:
    """Compare what a daemon learns from late labels of the table at PATH with a loop in this process."""
    outcome = run(Trial(bikes(path).iloc[:rows], learner, kills=kills, seed=seed))
    click.echo(msgspec.json.format(msgspec.json.encode(outcome)).decode())
    if outcome.differences:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
