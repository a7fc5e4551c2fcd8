"""Recovery of the engine: the newest good checkpoint, then the messages of the journal behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Effect
from edgedescent.errors import StateError
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

OnEffect = Callable[[int, Effect], None]
"""Callback that receives the position of a message and one of its effects."""


class EngineFactory(Protocol):
    """Maker of new engines; a configuration is one."""

    def build_engine(self) -> Engine:
        """Make an engine that has learned nothing."""

    def describe_learner(self) -> dict[str, Any]:
        """Type and parameters of the engine's learner. A state belongs to one such description."""


def ignore(position: int, effect: Effect) -> None:
    """Do nothing about an effect."""


def recover(factory: EngineFactory, store: Store, on_effect: OnEffect = ignore) -> Engine:
    """Restore the engine as it was when the last message was journaled, bit for bit.

    It starts from the newest good checkpoint behind which no message is missing. Where messages are missing behind
    each of them, it starts from the newest good one; the lost messages are counted and logged, like every damaged
    checkpoint or block of the journal.

    Args:
        factory: Makes the engine. Its learner must be the one that wrote the state.
        store: The state.
        on_effect: Called with each effect of the messages that are processed again.

    Returns:
        The engine behind the last message of the journal.

    Raises:
        StateError: If the state belongs to another learner, or nothing of it is usable.
    """
    require_same_learner(factory, store)
    fallback: Engine | None = None
    for engine in _starting_points(factory, store):
        if _count_missing(engine, store) == 0:
            return _process_tail(engine, store, on_effect)
        fallback = fallback or engine
    if fallback is None:
        raise StateError(
            f"The state in {store.folder} cannot be recovered: no checkpoint is usable and the journal is not whole.",
            "Restore the folder from a backup, or give `state.path` a new folder.",
        )
    return _process_tail(fallback, store, on_effect)


def require_same_learner(factory: EngineFactory, store: Store) -> None:
    """Check that the state was written by the configured learner; a new state is claimed for it.

    Raises:
        StateError: If it was written by another one; names the parameters that differ.
    """
    wanted, written = factory.describe_learner(), store.learner
    if written is None and not store.read_only:
        store.claim(wanted)
    if written is None or written == wanted:
        return
    changed = [key for key in {**wanted, **written} if written.get(key) != wanted.get(key)]
    if "type" in changed:
        # Two types have other parameters, so that a list of differences says nothing.
        changed = ["type"]
    pairs = "; ".join(f"{key}: {written.get(key)!r} there, {wanted.get(key)!r} here" for key in changed)
    raise StateError(
        f"The state in {store.folder} was learned with another configuration ({pairs}).",
        "Restore `[learner]`, or give `state.path` a new folder for the new model.",
    )


def _starting_points(factory: EngineFactory, store: Store) -> Iterator[Engine]:
    """Engines from which the journal can be processed, the newest first."""
    for checkpoint in store.checkpoints():
        engine = factory.build_engine()
        engine.load_state_dict(checkpoint.state)
        yield engine
    # A journal that starts with the first message needs no checkpoint.
    if store.last_position == 0 or next((message.position for message in store.read(after=0, up_to=1)), 0) == 1:
        yield factory.build_engine()


def _count_missing(engine: Engine, store: Store) -> int:
    """Number of messages behind the engine's position that cannot be read from the journal."""
    return store.last_position - engine.position - sum(1 for _ in store.read(after=engine.position))


def _process_tail(engine: Engine, store: Store, on_effect: OnEffect) -> Engine:
    """Process the messages behind the engine's position."""
    start, lost_before = engine.position, engine.counters["messages_lost"]
    for message in store.read(after=start):
        if message.position > engine.position + 1:
            engine.skip_to(message.position - 1)
        for effect in engine.handle(message):
            on_effect(message.position, effect)
    if engine.position < store.last_position:
        engine.skip_to(store.last_position)
    lost = engine.counters["messages_lost"] - lost_before
    if lost:
        log.error("%d messages behind message %d could not be read from the journal and are lost.", lost, start)
    if engine.position > start:
        log.info("Processed messages %d to %d of the journal again.", start + 1, engine.position)
    return engine
