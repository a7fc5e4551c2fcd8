"""A dry run: the engine on live events, in memory, beside the daemon and without leaving a trace."""

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

from edgedescent.adapters import SupportsAdmin, load_adapter
from edgedescent.config import Config, convert
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.errors import TransportError
from edgedescent.evaluation._prequential import Prequential
from edgedescent.state.recovery import new_engine, recover
from edgedescent.state.state_file import is_there
from edgedescent.state.store import FILE, Store

log = logging.getLogger(__name__)

POLL_S = 0.25
_COUNTED = ("messages", "events_learned", "events_predicted", "duplicates", "dead_letters")


def rehearse(
    config: Config,
    *,
    events: int | None = None,
    seconds: float | None = None,
    tell: Callable[[str, bytes], None] = lambda _kind, _payload: None,
) -> dict[str, Any]:
    """Learn from what is published until a signal, so many events or so long; returns a summary.

    Args:
        config: of the device.
        events: end after so many.
        seconds: end after so long.
        tell: hears ``predictions`` and ``metrics`` as they would be published.

    Raises:
        TransportError: if the broker cannot be reached, refuses the topics, or goes away.
        StateError: if the state belongs to another learner.
    """
    engine, begun_with = _begin(config)
    before = dict(engine.counters)
    # Of this run alone.
    engine.errors = Prequential()
    adapter: type[SupportsAdmin] = load_adapter(config.transport, "transport")
    visitor = adapter.visitor(
        convert(config.broker, adapter.Config, "broker"),
        device=config.device,
        purpose="dry",
        bytes_max=config.limits.payload_bytes_max,
    )
    started = time.monotonic()
    with _stop_on_signals() as stopped, visitor as connection:
        for name, answer in connection.subscribe(config.event_topics()).items():
            if answer.is_failure:
                raise TransportError(
                    f"The broker refused the subscription to {name!r}: {answer}.", "Check its access rules."
                )
        log.info("Listening to %s beside the daemon.", ", ".join(config.event_topics()))
        metrics_due = started + config.metrics.interval_s
        ends = started + (seconds or float("inf"))
        while not stopped and (now := time.monotonic()) < ends and not _enough(engine, before, events):
            for delivery in connection.poll(min(POLL_S, ends - now)):
                _handle(engine, delivery.topic, delivery.payload, tell)
                if _enough(engine, before, events):
                    break
            if time.monotonic() >= metrics_due:
                metrics_due += config.metrics.interval_s
                tell("metrics", json.dumps({"device": config.device, **engine.metrics()}).encode())
    summary: dict[str, Any] = {name: engine.counters[name] - before.get(name, 0) for name in _COUNTED}
    summary["rejected"] = _rejected(engine, before)
    summary["seconds"] = time.monotonic() - started
    summary["mae"] = engine.errors.summary().get("mae")
    summary["begun_with"] = begun_with
    return summary


def _begin(config: Config) -> tuple[Engine, str]:
    """The engine as the newest state has it, or a new one; nothing is written."""
    if not is_there(Path(config.state.path) / FILE):
        return new_engine(config), "a learner that knows nothing: there is no state yet"
    store = Store(config.state.path, read_only=True)
    try:
        engine = recover(config, store)
    finally:
        store.close()
    return engine, f"a copy of the state at message {engine.position}"


def _handle(engine: Engine, topic: str, payload: bytes, tell: Callable[[str, bytes], None]) -> None:
    for effect in engine.handle(Message(engine.position + 1, time.time(), topic, payload)):
        if isinstance(effect, DeadLetter):
            log.warning(
                "Would be a dead letter (%s) from %r: %s",
                effect.reason,
                effect.topic,
                effect.error,
                extra={"reason": effect.reason},
            )
        else:
            tell("predictions", effect.payload)


def _enough(engine: Engine, before: dict[str, int], events: int | None) -> bool:
    names = ("events_learned", "events_predicted", "duplicates", "dead_letters")
    return events is not None and sum(engine.counters[name] - before.get(name, 0) for name in names) >= events


def _rejected(engine: Engine, before: dict[str, int]) -> dict[str, int]:
    counts = {name: count - before.get(name, 0) for name, count in engine.counters.items()}
    prefix = "dead_letters."
    return {name.removeprefix(prefix): n for name, n in counts.items() if n and name.startswith(prefix)}


@contextmanager
def _stop_on_signals() -> Iterator[list[int]]:
    """Turn SIGTERM and SIGINT into an entry of the list that is yielded."""
    stopped: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
