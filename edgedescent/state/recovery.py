"""Recovery of the engine: the newest good checkpoint, then the messages of the journal behind it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Effect, Message
from edgedescent.engine.settings import EngineSettings
from edgedescent.engine.slicing import Slicer
from edgedescent.errors import StateError
from edgedescent.state.settings_history import SettingsHistory, SettingsReplay, options_of
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

OnEffect = Callable[[int, Effect], None]
"""Callback that receives the position of a message and one of its effects."""


class EngineFactory(Protocol):
    """Maker of new engines; a configuration is one."""

    @property
    def device(self) -> str:
        """Name of the device. A state belongs to one."""

    def build_engine(self, settings: EngineSettings | None = None) -> Engine:
        """Make an engine that has learned nothing, with these settings or the configured ones."""

    def engine_settings(self) -> EngineSettings:
        """Configured settings of the engine. They may change between two messages."""

    def describe_learner(self) -> dict[str, Any]:
        """Type and parameters of the engine's learner. A state belongs to one such description."""


def ignore(position: int, effect: Effect) -> None:
    """Do nothing about an effect."""


def do_nothing(position: int) -> None:
    """Do nothing about progress."""


def recover(
    factory: EngineFactory,
    store: Store,
    on_effect: OnEffect = ignore,
    *,
    slicer: Slicer | None = None,
    on_progress: Callable[[int], None] = do_nothing,
) -> Engine:
    """Restore the engine as it was when the last message was journaled, bit for bit.

    It starts from the newest good checkpoint behind which no message is missing. Where messages are missing behind
    each of them, it starts from the newest good one; the lost messages are counted and logged, like every damaged
    checkpoint or block of the journal.

    Each message is treated by the settings that held when it came, whatever is configured now. The configured ones are
    recorded for the messages to come; the caller gives them to the engine with the first of these.

    Args:
        factory: Makes the engine. Its learner must be the one that wrote the state.
        store: The state.
        on_effect: Called with each effect of the messages that are processed again.
        slicer: Runs the engine; one by the system's clock by default.
        on_progress: Called between two slices of the work with the position of the last message. What it raises ends
            the recovery, and nothing is lost.

    Returns:
        The engine behind the last message of the journal, with the settings of that message.

    Raises:
        StateError: If the state belongs to another learner or device, or nothing of it is usable.
    """
    require_same_owner(factory, store)
    history = _settings(factory, store)
    engine = _starting_point(factory, store, history)
    _process_tail(engine, store, history, on_effect, slicer or Slicer(time.monotonic), on_progress)
    if not store.read_only:
        before, now = history.at(engine.position), factory.engine_settings()
        store.change_settings(history, now)
        if before not in (None, now) and engine.position:
            log.warning("From message %d on, other settings hold: %s.", engine.position + 1, now.changes_since(before))
    return engine


def _settings(factory: EngineFactory, store: Store) -> SettingsHistory:
    """Settings by position, with the configured ones where others are lost, which is logged."""
    history = store.records.settings
    lost_from = store.settings_lost_from(history)
    if store.last_position and (lost_from is not None or not history):
        log.warning(
            "The state in %s does not say with which settings its messages came from message %d on: those that are "
            "processed again are treated by the configured ones.",
            store.folder,
            lost_from or 1,
        )
    return history if lost_from is None else history.with_change(lost_from, factory.engine_settings())


def _starting_point(factory: EngineFactory, store: Store, history: SettingsHistory) -> Engine:
    """Newest engine behind which no message is missing, or else the newest one.

    Raises:
        StateError: If there is none.
    """
    fallback: Engine | None = None
    for engine in _starting_points(factory, store, history):
        if _count_missing(engine, store) == 0:
            return engine
        fallback = fallback or engine
    if fallback is None:
        raise StateError(
            f"The state in {store.folder} cannot be recovered: no checkpoint is usable and the journal is not whole.",
            "Restore the folder from a backup, or give `state.path` a new folder.",
        )
    return fallback


def require_same_owner(factory: EngineFactory, store: Store) -> None:
    """Check that the configured device wrote the state, with the configured learner; a new state is claimed for both.

    Raises:
        StateError: If it was written by another learner or device; names what differs.
    """
    wanted, written, device = factory.describe_learner(), store.records.learner, store.records.device
    if written is not None:
        _require_same_learner(store, written, wanted)
    if device not in (None, factory.device):
        raise StateError(
            f"The state in {store.folder} belongs to the device {device!r}; the configuration is that of "
            f"{factory.device!r}.",
            "If this device is to go on with it, say so once: edgedescent adopt CONFIG. If not, give `state.path` "
            "another folder.",
        )
    if store.last_position and (written is None or device is None):
        log.warning("The state in %s does not say to which learner or device it belongs.", store.folder)
    if (written is None or device is None) and not store.read_only:
        store.claim(wanted, factory.device)


def _require_same_learner(store: Store, written: dict[str, Any], wanted: dict[str, Any]) -> None:
    if written == wanted:
        return
    changed = [key for key in {**wanted, **written} if written.get(key) != wanted.get(key)]
    if "type" in changed:
        # Two types have other parameters, so that a list of differences says nothing.
        changed = ["type"]
    pairs = "; ".join(f"{key}: {written.get(key)!r} there, {wanted.get(key)!r} here" for key in changed)
    hint = "Restore `[learner]`, or give `state.path` a new folder for the new model."
    if "type" not in changed:
        hint = f"To see what can be carried over: edgedescent migrate CONFIG --dry-run. {hint}"
    raise StateError(f"The state in {store.folder} was learned with another configuration ({pairs}).", hint)


def _starting_points(factory: EngineFactory, store: Store, history: SettingsHistory) -> Iterator[Engine]:
    """Engines from which the journal can be processed, the newest first."""

    def build(position: int) -> Engine:
        settings = history.at(position)
        if settings is not None:
            # Here and not in the factory, because a fault is one of the state and not of the configuration.
            options_of(settings)
        return factory.build_engine(settings)

    for checkpoint in store.checkpoints():
        engine = build(checkpoint.position)
        engine.load_state_dict(checkpoint.state)
        yield engine
    # A journal that starts with the first message needs no checkpoint, unless another learner learned a part of it.
    if store.records.learner_since == 0 and (
        store.last_position == 0 or next((message.position for message in store.read(after=0, up_to=1)), 0) == 1
    ):
        yield build(0)


def _count_missing(engine: Engine, store: Store) -> int:
    """Number of messages behind the engine's position that cannot be read from the journal."""
    return store.last_position - engine.position - sum(1 for _ in store.read(after=engine.position))


def _process_tail(
    engine: Engine,
    store: Store,
    history: SettingsHistory,
    on_effect: OnEffect,
    slicer: Slicer,
    on_progress: Callable[[int], None],
) -> None:
    """Process the messages behind the engine's position, the first of which it may have begun."""
    start, lost_before = engine.position, engine.counters["messages_lost"]
    settings = SettingsReplay(history, engine)

    def messages() -> Iterator[Message]:
        for message in store.read(after=start):
            if message.position > engine.position + 1:
                engine.skip_to(message.position - 1)
            settings.prepare(message.position)
            yield message

    def apply(message: Message, effects: list[Effect]) -> bool:
        for effect in effects:
            on_effect(message.position, effect)
        return True

    tail = messages()
    while not slicer.run(engine, tail, apply):
        on_progress(engine.position)
    if engine.position < store.last_position:
        engine.skip_to(store.last_position)
    lost = engine.counters["messages_lost"] - lost_before
    if lost:
        log.error("%d messages behind message %d could not be read from the journal and are lost.", lost, start)
    if engine.position > start:
        log.info("Processed messages %d to %d of the journal again.", start + 1, engine.position)
