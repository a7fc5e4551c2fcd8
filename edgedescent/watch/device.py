"""Model of a device: what is known of it from the messages that its daemon publishes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from edgedescent.config.templates import AnswerTemplate
from edgedescent.drift.alarm import Alarm
from edgedescent.engine.head import horizon_name
from edgedescent.engine.messages import Prediction
from edgedescent.watch.picture import (
    Broker,
    Comparison,
    Daemon,
    DeadLetters,
    Drift,
    Inputs,
    Picture,
    RejectedEvent,
)

T = TypeVar("T")
ANSWERS_MAX = 100
"""Number of answers that are kept, the newest: of those with a label, and of those without."""
AHEAD_MAX = 8
"""Number of answers without a label that are shown beside those that have one."""
PATIENCE_S = 3.0
"""Time after which a status that is retained should have come."""
WAITING = (
    *("messages_waiting", "seconds_behind", "messages_uncommitted", "readings_waiting"),
    *("questions_waiting", "questions_waiting_bytes", "answers_waiting"),
)
"""Metrics of what waits."""
NUMBERS = (
    *("position", "messages", "events_learned", "events_predicted", "events_per_second", "duplicates"),
    *("messages_ignored", "messages_lost", "readings_late", "questions_expired", "recommend_requests", "busy"),
    *("memory_bytes", "written_bytes_per_day", "written_bytes_left", "disk_full"),
)
"""Metrics of the daemon and its resources."""
SCORES = (
    *("rmse", "r2", "interval_coverage", "interval_coverage_recent", "lists_scored"),
    *("recall_at_k_recent", "ndcg_at_k_recent", "catalogue_coverage"),
)
"""Scores that stand alone."""
HIT_RATE = "hit rate"
"""The score of which more is better."""
LISTS = ((HIT_RATE, "popularity", "hit_rate_at_k", "hit_rate_at_k_popularity"),)
"""Scores of lists beside those of baselines: score, baseline, and the metrics of both."""
FORECASTS = (
    ("error", "value at the prediction", "forecast_mae_beside_last_value", "forecast_mae_last_value"),
    ("error", "a season before", "forecast_mae_beside_seasonal", "forecast_mae_seasonal"),
)
"""The same for forecasts."""
LAST_LABEL = (
    ("error, recent", "last label", "mae_recent", "mae_last_value_recent"),
    ("error", "last label", "mae", "mae_last_value"),
)
"""The same for labels that are known before the next prediction, which those of forecasts are not."""
FURTHER = (("error", "mean of the labels", "mae", "mae_mean"),)
"""The same for all."""
PROBLEMS = {
    "offline": "The daemon has lost its connection, or its process has ended.",
    "stopped": "The daemon was stopped.",
    "disk_full": "The disk is full: nothing is learned until there is space.",
    "writes_spent": "The day's write budget is used up: fewer messages are received.",
}
"""Problem that a state of the daemon is, as a sentence."""


class _Status(msgspec.Struct):
    state: str
    version: str = ""
    since: float | None = None


_decode_status = msgspec.json.Decoder(_Status).decode
_decode_metrics = msgspec.json.Decoder(dict[str, Any]).decode
_decode_answers = msgspec.json.Decoder(Prediction | list[Prediction]).decode


def _time_of(answer: Prediction) -> float:
    """Time by which answers are sorted; those without one stay in the order of their arrival."""
    return -math.inf if answer.time is None else answer.time


class DeviceModel:
    """Model of a device, which takes in messages and gives pictures. It does no I/O.

    Args:
        device: Name of the device.
        status: Topic of its status.
        metrics: Topic of its metrics.
        predictions: Topic of its predictions.
        template: Template of its predictions; None where they are as by default.
        interval_s: Interval at which it publishes metrics.
        now: Time of the monotonic clock.

    Example:
        >>> model = DeviceModel("pump", status="s", metrics="m", predictions="p", interval_s=10.0, now=0.0)
        >>> model.take("s", b'{"state": "online", "since": 1767607200.0, "version": "0.2.0"}', 1.0)
        >>> model.take("p", b'{"prediction": 3.1, "y": 3.2}', 1.0)
        >>> model.picture(2.0).daemon.state, model.picture(2.0).answers[0].y
        ('online', 3.2)
    """

    def __init__(
        self,
        device: str,
        *,
        status: str,
        metrics: str,
        predictions: str,
        interval_s: float,
        now: float,
        template: AnswerTemplate | None = None,
    ) -> None:
        self._device = device
        self._interval_s = interval_s
        self._status_topic = status
        self._template = template
        self._take = {status: self._take_status, metrics: self._take_metrics, predictions: self._take_answers}
        self._began = now
        self._connected_at: float | None = None
        self._broker = Broker(connected=False)
        self._status: _Status | None = None
        self._metrics: dict[str, Any] = {}
        self._horizons: dict[float, dict[str, Any]] = {}
        """Metrics of each horizon, where there are several."""
        self._metrics_at: float | None = None
        self._inputs: Inputs | None = None
        self._dead_letters: tuple[RejectedEvent, ...] = ()
        self._alarms: tuple[Alarm, ...] = ()
        self._labelled: dict[object, Prediction] = {}
        """The newest answers with a label by the time that they are about and their id, in the order of arrival."""
        self._open: dict[object, Prediction] = {}
        """The newest answers without one."""
        self._n_answers = 0
        self._unreadable = 0
        self.answers_sampled = False
        """True while only some of the answers are listened to."""

    # --- Messages -------------------------------------------------------------------------------------------------

    def set_connection(self, problem: str | None, now: float) -> None:
        """Note that there is a connection to the broker, or why there is none.

        Args:
            problem: The reason; None if there is a connection.
            now: Time of the monotonic clock.
        """
        if (problem is None) != self._broker.connected:
            self._connected_at = now if problem is None else None
        self._broker = Broker(problem is None, problem or "")

    def take(self, topic: str, payload: bytes, now: float) -> None:
        """Take a message in; one that a daemon does not write is counted.

        Args:
            topic: Its topic.
            payload: Its payload.
            now: Time of the monotonic clock.
        """
        take = self._take.get(topic)
        if take is None and self._template is not None and self._template.is_own(topic):
            take = self._take_answers
        if take is None or not payload:
            # `edgedescent check` sends empty messages to the topics of the daemon.
            return
        try:
            take(payload, now)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._unreadable += 1

    def _take_status(self, payload: bytes, _now: float) -> None:
        self._status = _decode_status(payload)

    def _take_metrics(self, payload: bytes, now: float) -> None:
        metrics = _decode_metrics(payload)
        # All are read before any is kept.
        inputs = None if metrics.get("inputs") is None else msgspec.convert(metrics["inputs"], Inputs)
        dead_letters = msgspec.convert(metrics.get("dead_letters_newest", ()), tuple[RejectedEvent, ...])
        alarms = msgspec.convert(metrics.get("drift_newest", ()), tuple[Alarm, ...])
        self._horizons = msgspec.convert(metrics.get("horizons", {}), dict[float, dict[str, Any]], strict=False)
        self._inputs, self._dead_letters, self._alarms = inputs, dead_letters, alarms
        self._metrics, self._metrics_at = metrics, now

    def _take_answers(self, payload: bytes, _now: float) -> None:
        if self._template is None:
            answers = _decode_answers(payload)
        elif (answer := self._template.read(payload)) is not None:
            answers = answer
        else:
            return
        for one in answers[-ANSWERS_MAX:] if isinstance(answers, list) else [answers]:
            self._n_answers += 1
            own = (one.time, one.id, one.key, one.horizon_s)
            name = self._n_answers if own == (None,) * len(own) else own
            # An answer that comes again with its label takes the place of the one before.
            self._open.pop(name, None)
            kept = self._open if one.y is None else self._labelled
            kept.pop(name, None)
            kept[name] = one
            if len(kept) > ANSWERS_MAX:
                del kept[next(iter(kept))]

    # --- Pictures -------------------------------------------------------------------------------------------------

    @property
    def is_complete(self) -> bool:
        """True once the daemon has reported its metrics, or is known not to run."""
        return self._metrics_at is not None or (self._status is not None and self._status.state in PROBLEMS)

    def picture(self, now: float) -> Picture:
        """Picture of the device.

        Args:
            now: Time of the monotonic clock.
        """
        return Picture(
            device=self._device,
            broker=self._broker,
            daemon=self._daemon(now),
            inputs=self._inputs_at(now),
            waiting=self._numbers(WAITING),
            answers=self._newest_answers(),
            answers_note=self._note(),
            comparisons=self._comparisons(),
            scores=self._scores(),
            drift=Drift(int(self._number("drift_alarms") or 0), self._alarms),
            dead_letters=DeadLetters(int(self._number("dead_letters") or 0), self._reasons(), self._dead_letters),
            numbers=self._numbers(NUMBERS),
            unreadable=self._unreadable,
        )

    def _newest_answers(self) -> tuple[Prediction, ...]:
        """Answers by the time that they are about, the newest first; without times, those without a label first."""
        answers = list(self._labelled.values())
        answers += list(self._open.values())[-AHEAD_MAX if answers else -ANSWERS_MAX :]
        answers.sort(key=_time_of)
        return tuple(answers[::-1])

    def _note(self) -> str:
        if self._template is not None and "prediction" not in (self._template.paths or {}):
            return "predictions.payload is no JSON that holds them"
        return "more come than are shown" if self.answers_sampled else ""

    def _daemon(self, now: float) -> Daemon:
        status = self._status or _Status("unknown")
        reported_s = None if self._metrics_at is None else now - self._metrics_at
        return Daemon(
            status.state, status.since, status.version, reported_s, self._problem(status.state, reported_s, now)
        )

    def _problem(self, state: str, reported_s: float | None, now: float) -> str:
        if state in PROBLEMS:
            return PROBLEMS[state]
        if self._connected_at is None:
            return ""
        waited_s = now - self._connected_at
        if self._status is None and reported_s is None and waited_s > PATIENCE_S:
            return (
                f"Nothing has come on {self._status_topic}: no daemon of this device has run here, or this user may "
                "not read it."
            )
        quiet_s = waited_s if reported_s is None else min(reported_s, waited_s)
        if quiet_s > 3 * self._interval_s + 5:
            return f"No metrics have come for {quiet_s:.0f} s."
        return ""

    def _inputs_at(self, now: float) -> Inputs | None:
        """Inputs with the ages that they have by now, if nothing has come since the daemon reported."""
        if self._inputs is None or self._metrics_at is None:
            return self._inputs
        passed_s = now - self._metrics_at
        features = tuple(msgspec.structs.replace(one, age_s=one.age_s + passed_s) for one in self._inputs.features)
        return msgspec.structs.replace(self._inputs, features=features)

    def _number(self, name: str) -> float | None:
        return _number(self._metrics, name)

    def _numbers(self, names: Sequence[str]) -> dict[str, float]:
        return _numbers(self._metrics, names)

    def _scores(self) -> dict[str, float]:
        found = self._numbers(SCORES)
        for horizon, metrics in self._horizons.items():
            scores = _numbers(metrics, SCORES)
            found |= {f"horizons.{horizon_name(horizon)}.{name}": value for name, value in scores.items()}
        return found

    def _comparisons(self) -> tuple[Comparison, ...]:
        found = _compared(self._metrics, None)
        for horizon, metrics in self._horizons.items():
            found += _compared(metrics, horizon)
        return tuple(found)

    def _reasons(self) -> dict[str, int]:
        prefix = "dead_letters."
        reasons = [name.removeprefix(prefix) for name in self._metrics if name.startswith(prefix)]
        return {reason: int(n) for reason in reasons if (n := self._number(prefix + reason))}


def _number(metrics: dict[str, Any], name: str) -> float | None:
    """Metric of that name; None if it is not known, or no finite number."""
    value = metrics.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None


def _numbers(metrics: dict[str, Any], names: Sequence[str]) -> dict[str, float]:
    return {name: value for name in names if (value := _number(metrics, name)) is not None}


def _compared(metrics: dict[str, Any], horizon_s: float | None) -> list[Comparison]:
    """Scores beside those of the baselines, as far as both are known."""

    def of(kinds: Sequence[tuple[str, str, str, str]]) -> list[Comparison]:
        found = []
        for score, baseline, of_model, of_baseline in kinds:
            model, other = _number(metrics, of_model), _number(metrics, of_baseline)
            if model is not None and other is not None:
                found.append(Comparison(score, baseline, model, other, horizon_s))
        return found

    known = of(FORECASTS) or of(LAST_LABEL)
    # Where all labels are the same, as of choices, a baseline has no error.
    return [*of(LISTS), *(one for one in (*known, *of(FURTHER)) if one.of_baseline)]
