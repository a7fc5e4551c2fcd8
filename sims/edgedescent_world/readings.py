"""Worlds of inputs: sensors that publish single readings with their times, and what an engine must make of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from edgedescent.assembly import AssemblySpec, InputSpec, LabelSpec
from edgedescent.config import Config, Limits, Topics
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.state import codec
from edgedescent_world.broker import Broker
from edgedescent_world.chance import Chance
from edgedescent_world.invariants import copied, redelivered
from edgedescent_world.ledger import Violation
from edgedescent_world.sensors import Publishers, SentMessage
from edgedescent_world.settings import Settings
from edgedescent_world.timeline import Timeline

ROOT = "edgedescent/pump/events"
NAMES = ("a", "b", "c")
STEP_S = 10.0
"""Time between two readings of a sensor, by its own clock: far more than passes in a world, so that ticks are rare."""
MAX_AGE_S = 25.0
HORIZONS = (10.0, 30.0, 30.5, (10.0, 30.5), (10.0, 30.0, 50.5))
"""Horizons of the forecasts, of which a world has one or several."""


def with_inputs(settings: Settings, chance: Chance) -> Settings:
    """Settings of a world whose device has inputs: three sensors, of which one makes the events, and one is forecast.

    Args:
        settings: Settings of a world of whole events.
        chance: Random source of the world.
    """
    dice = chance.inputs
    ages = {name: dice.choice((None, MAX_AGE_S)) for name in NAMES}
    spec = {
        name: InputSpec(topics=(f"{ROOT}/{name}",), fields={"v": "v"}, time="t", max_age_s=age)
        for name, age in ages.items()
    }
    # A horizon of a fraction of a step is due where nothing comes, so that ticks decide when it is learned.
    config = msgspec.structs.replace(
        settings.config,
        learner={"type": "LinearRegressor"},
        topics=Topics(),
        inputs=spec,
        # The clock of the machine jumps after some crashes, which must not make anything late.
        assembly=AssemblySpec(emit=dice.choice(NAMES), lateness_s=dice.choice((15.0, 60.0)), clock_ahead_max_s=1e9),
        label=LabelSpec(input="b", feature="b.v", horizon_s=dice.choice(HORIZONS), max_age_s=dice.choice((5.0, 20.0))),
        derive=[{"type": "Lag", "of": ["a.v"], "steps": [1]}],
        limits=Limits(redelivery_window=settings.config.limits.redelivery_window),
    )
    allowance = settings.allowance
    if allowance is not None and config.label is not None:
        # That of the world is for a checkpoint of one model.
        allowance *= len(config.label.horizons)
        state = msgspec.structs.replace(config.state, written_bytes_per_day_max=allowance)
        config = msgspec.structs.replace(config, state=state)
    return msgspec.structs.replace(
        settings,
        config=config,
        ratings=False,
        allowance=allowance,
        reconfigured=0.0,
        filtered=False,
        refiltered=0.0,
    )


class ReadingSensors(Publishers):
    """Publishers of readings: late, doubled and out of order as the rates of the world say.

    Args:
        chance: Random source of the world.
        timeline: Time of the world.
        broker: Receives the messages.
        count: Number of messages.
    """

    def __init__(self, chance: Chance, timeline: Timeline, broker: Broker, *, count: int) -> None:
        super().__init__(timeline, broker)
        dice, rates = chance.inputs, chance.rates
        # In the order of their times.
        self.sent = []
        late = dice.choice((0.0, 0.1, 0.4))
        for number in range(count):
            step, name = divmod(number, len(NAMES))
            time = 1e6 + STEP_S * step
            payload: dict[str, Any] = {"t": time, "v": round(dice.gauss(10, 3), 3)}
            if dice.random() < 0.05:
                payload["v"] = "unavailable"
            message = SentMessage(f"{ROOT}/{NAMES[name]}", json.dumps(payload).encode(), ())
            self.sent.append(message)
            # One that comes later by some steps is within the lateness, or beyond it.
            place = number + (dice.expovariate(0.15) if dice.random() < late else dice.random())
            at = rates.duration_s * (0.1 + 0.8 * min(place, count) / count)
            self._send(message, at)
            if dice.random() < rates.doubled:
                self._send(message, at + dice.expovariate(1 / rates.delay_s))


class _Twin:
    """Events of a journal by a batch computation: accept, sort, then look up each value anew."""

    def __init__(self, config: Config, messages: Sequence[Message]) -> None:
        assert config.label is not None  # noqa: S101 - `with_inputs` has given one
        self._label, self._inputs = config.label, config.inputs
        self._trigger = str(config.assembly.emit)
        self._lateness = float(config.assembly.lateness_s or 0.0)
        self.counts = Counter[str]()
        self.readings: dict[tuple[float, str], float | None] = {}
        """Value of each accepted reading by its time and input."""
        self.frontier = float("-inf")
        self._accept(messages, config.limits.redelivery_window)

    def _accept(self, messages: Sequence[Message], window: int) -> None:
        newest, since = float("-inf"), 0.0
        again = list(redelivered(messages, window))
        for message, is_known, is_copy in zip(messages, again, copied(messages, again), strict=True):
            if is_known or is_copy:
                continue
            if message.topic:
                name = message.topic.rpartition("/")[2]
                found = json.loads(message.payload)
                time, value = found["t"], None if found["v"] == "unavailable" else found["v"]
                if time > newest:
                    newest, since = time, message.received_at
                released = [t for t, other in self.readings if other == name and t < self.frontier]
                if (time, name) in self.readings and (time >= self.frontier or time == max(released, default=None)):
                    self.counts["readings_repeated"] += 1
                elif time < self.frontier:
                    self.counts["readings_late"] += 1
                else:
                    self.readings[time, name] = value
            elif newest > float("-inf"):
                newest, since = newest + max(message.received_at - since, 0.0), message.received_at
            self.frontier = max(self.frontier, newest - self._lateness)

    def value(self, name: str, time: float, age_max_s: float | None) -> float | None:
        """Newest value of an input at a time."""
        times = [t for t, other in self.readings if other == name and t <= time]
        if not times or (age_max_s is not None and time - max(times) > age_max_s):
            return None
        return self.readings[max(times), name]

    def _names(self) -> list[str]:
        """The inputs in the order in which their first readings are used."""
        ranks = {name: 2 if name == self._trigger else int(name == "b") for name in NAMES}
        first = {name: min((t for t, other in self.readings if other == name), default=0.0) for name in NAMES}
        return sorted(NAMES, key=lambda name: (first[name], ranks[name], name))

    def events(self, horizon: float) -> list[tuple[float, int, dict[str, float], float | None]]:
        """Events of a horizon that are learned (0) and asked (1), in order, with their times, features and labels."""
        found: list[tuple[float, int, dict[str, float], float | None]] = []
        before: float | None = None
        names = self._names()
        for time in sorted(t for t, name in self.readings if name == self._trigger and t < self.frontier):
            x = {f"{n}.v": v for n in names if (v := self.value(n, time, self._inputs[n].max_age_s)) is not None}
            if not x:
                continue
            derived = {} if before is None else {"a.v.lag1": before}
            before = x.get("a.v")
            found.append((time, 1, x | derived, None))
            y = self.value("b", time + horizon, self._label.max_age_s)
            if time + horizon < self.frontier and y is not None:
                found.append((time + horizon, 0, x | derived, y))
        return sorted(found, key=lambda event: event[:2])


def require_assembled(config: Config, engine: Engine, messages: Sequence[Message]) -> None:
    """Require that an engine has learned the events that a batch computation makes of the journal.

    Args:
        config: Configuration of the daemon.
        engine: The engine as recovered at the end.
        messages: The whole journal.

    Raises:
        Violation: If a count differs, or the learner learned something else.
    """
    assert config.label is not None  # noqa: S101 - `with_inputs` has given one
    twin = _Twin(config, messages)
    events = {
        head: twin.events(horizon or 0.0) for head, horizon in zip(engine.heads.all, config.label.horizons, strict=True)
    }
    learned = {head: [event for event in own if event[1] == 0] for head, own in events.items()}
    wanted = {
        **{name: twin.counts[name] for name in ("readings_repeated", "readings_late")},
        "events_learned": sum(map(len, learned.values())),
        "events_predicted": sum(len(events[head]) - len(own) for head, own in learned.items()),
    }
    found = {name: engine.counters[name] for name in wanted}
    if found != wanted:
        raise Violation(f"the counters are {found}; a batch computation gives {wanted}")
    for head, own in learned.items():
        learner: Any = config.build_learner()
        for _, _, x, y in own:
            learner.learn_one(x, y)
        if codec.encode(learner.state_dict()) != codec.encode(head.learner.state_dict()):
            ahead = "" if head.horizon_s is None else f" {head.horizon_s:g} s ahead"
            raise Violation(f"the learner{ahead} differs from one that learned the events of a batch computation")
