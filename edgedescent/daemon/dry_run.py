"""Dry run: the engine on live events in memory, beside the daemon, without writing or publishing anything."""

from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from edgedescent.assembly import encode_row
from edgedescent.config import Config, answer_template
from edgedescent.engine.core import Engine
from edgedescent.engine.head import horizon_name
from edgedescent.engine.messages import DeadLetter, DriftAlarm, Effect, Message, Predictions, Recommendations
from edgedescent.engine.slicing import Slicer
from edgedescent.errors import TransportError
from edgedescent.formats import Command
from edgedescent.state.recovery import recover
from edgedescent.state.state_file import state_exists
from edgedescent.state.store import FILE, Store

log = logging.getLogger(__name__)

POLL_S = 0.25
"""Longest wait for messages between two looks at the signals and the clock."""

OnOutput = Callable[[str, bytes], None]
"""Callback that receives a kind of output, ``predictions``, ``drift``, ``metrics`` or ``vectors``, and its payload."""

_KINDS: dict[type[Effect], str] = {
    Predictions: "predictions",
    Recommendations: "recommendations",
    DriftAlarm: "drift",
}
_COUNTED = ("messages", "events_learned", "events_predicted", "duplicates", "dead_letters")


def dry_run(
    config: Config,
    *,
    events: int | None = None,
    seconds: float | None = None,
    on_output: OnOutput = lambda _kind, _payload: None,
) -> dict[str, Any]:
    """Learn from published events until a signal, a number of events or a time limit.

    Args:
        config: Configuration of the device.
        events: Number of events after which the run ends.
        seconds: Time after which the run ends.
        on_output: Called with the predictions, drift alarms and metrics that a daemon would publish, and with the
            feature vectors of inputs. Where answers have a template, each comes behind its topic.

    Returns:
        A summary of this run: counts, rejections by reason, seconds, the error, or that of each of several horizons,
        and the state that it started from.

    Raises:
        TransportError: If the broker cannot be reached, refuses the topics, or closes the connection.
        StateError: If the state belongs to another learner.
    """
    on_output = _by_template(config, on_output)
    engine, started_from = _starting_engine(config)
    before = dict(engine.counters)
    # The error is that of this run alone.
    engine.heads.restart_scores()
    if engine.assembling is not None:
        engine.assembling.on_row = lambda row: on_output("vectors", encode_row(row))
    client = config.build_admin_client("dry-run")
    slicer = Slicer(time.monotonic)
    started = time.monotonic()
    with _stop_on_signals() as stopped, client as connection:
        for name, answer in connection.subscribe(config.subscriptions()).items():
            if answer.is_failure:
                raise TransportError(
                    f"The broker refused the subscription to {name!r}: {answer}.", "Check its access rules."
                )
        log.info("Listening to %s beside the daemon.", ", ".join(config.subscriptions()))
        metrics_due = started + config.metrics.interval_s
        ends = started + (seconds or float("inf"))
        while not stopped and (now := time.monotonic()) < ends and not _is_complete(engine, before, events):
            for delivery in connection.poll(min(POLL_S, ends - now)):
                for _ in _handle(engine, slicer, delivery.topic, delivery.payload, on_output):
                    if stopped or time.monotonic() >= ends:
                        break
                if stopped or _is_complete(engine, before, events):
                    break
            if engine.assembling is not None and time.time() >= engine.assembling.assembler.tick_due:
                for _ in _handle(engine, slicer, "", b"", on_output):
                    pass
            if time.monotonic() >= metrics_due:
                metrics_due += config.metrics.interval_s
                on_output("metrics", json.dumps({"device": config.device, **engine.metrics()}).encode())
    summary: dict[str, Any] = {name: engine.counters[name] - before.get(name, 0) for name in _COUNTED}
    summary["rejected"] = _rejections(engine, before)
    summary["seconds"] = time.monotonic() - started
    summary["mae"] = None if engine.heads.are_several else engine.errors.summary().get("mae")
    summary["horizons"] = {
        horizon_name(horizon): head.errors.summary().get("mae")
        for horizon, head in engine.heads.by_horizon.items()
        if horizon is not None
    }
    summary["started_from"] = started_from
    return summary


def _by_template(config: Config, on_output: OnOutput) -> OnOutput:
    """Callback that receives each answer behind its topic where answers have a template; else the same one."""
    template = answer_template(config)
    if template is None:
        return on_output

    def render(kind: str, payload: bytes) -> None:
        if kind == "predictions":
            for topic, answer in template.render(payload):
                on_output(kind, b"%b %b" % (topic.encode(), answer))
        else:
            on_output(kind, payload)

    return render


def _starting_engine(config: Config) -> tuple[Engine, str]:
    """Engine with a copy of the newest state, or a new one, and a description of it; nothing is written."""
    if not state_exists(Path(config.state.path) / FILE):
        return config.build_engine(), "a new learner: there is no state yet"
    store = Store(config.state.path, read_only=True)
    try:
        engine = recover(config, store)
        engine.configure(**config.engine_settings().options())
    finally:
        store.close()
    return engine, f"a copy of the state at message {engine.position}"


def _handle(engine: Engine, slicer: Slicer, topic: str, payload: bytes, on_output: OnOutput) -> Iterator[None]:
    """Handle a message, with a pause between two slices of the work."""

    def apply(_message: Message, effects: list[Effect]) -> bool:
        for effect in effects:
            if isinstance(effect, DeadLetter):
                log.warning(
                    "Would be a dead letter (%s) from %r: %s",
                    effect.reason,
                    effect.topic,
                    effect.error,
                    extra={"reason": effect.reason},
                )
            elif not isinstance(effect, Command):
                on_output(_KINDS[type(effect)], effect.payload)
        return True

    messages = iter([Message(engine.position + 1, time.time(), topic, payload)])
    while not slicer.run(engine, messages, apply):
        yield


def _is_complete(engine: Engine, before: dict[str, int], events: int | None) -> bool:
    names = ("events_learned", "events_predicted", "duplicates", "dead_letters")
    return events is not None and sum(engine.counters[name] - before.get(name, 0) for name in names) >= events


def _rejections(engine: Engine, before: dict[str, int]) -> dict[str, int]:
    counts = {name: count - before.get(name, 0) for name, count in engine.counters.items()}
    prefix = "dead_letters."
    return {name.removeprefix(prefix): n for name, n in counts.items() if n and name.startswith(prefix)}


@contextmanager
def _stop_on_signals() -> Iterator[list[int]]:
    """Handle SIGTERM and SIGINT by adding an entry to the list that is yielded."""
    stopped: list[int] = []

    def add(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    before = {number: signal.signal(number, add) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
