"""From the store to a running engine: the newest good checkpoint, then the journal's tail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from edgedescent.config import Config, describe
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Effect
from edgedescent.errors import StateError
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

OnEffect = Callable[[int, Effect], None]


def ignore(position: int, effect: Effect) -> None:
    """Do nothing about an effect."""


def new_engine(config: Config) -> Engine:
    """The engine of a configuration, having learned nothing."""
    return Engine(
        config.build_learner(),
        dedup_window=config.limits.dedup_window,
        redelivery_window=config.limits.redelivery_window,
        events_per_second_max=config.limits.events_per_second_max,
        payload_bytes_max=config.limits.payload_bytes_max,
        events_per_message_max=config.limits.events_per_message_max,
    )


def recover(config: Config, store: Store, on_effect: OnEffect = ignore) -> Engine:
    """The engine as it was when the last message was journaled, bit for bit.

    A damaged checkpoint or journal is reported in the log. Whichever good checkpoint loses no message is taken, the
    newest first; where each would lose some, the newest good one is, and what is lost is counted and reported.

    Args:
        config: must describe the learner that wrote the state.
        store: where the state lies.
        on_effect: called with the position and each effect of the tail that is run again.

    Raises:
        StateError: if the state belongs to another learner, or nothing of it is usable.
    """
    require_same_learner(config, store)
    fallback: Engine | None = None
    for engine in _beginnings(config, store):
        if _missing(engine, store) == 0:
            return _run_tail(engine, store, on_effect)
        fallback = fallback or engine
    if fallback is None:
        raise StateError(
            f"The state in {store.folder} cannot be recovered: no checkpoint is usable and the journal is not whole.",
            "Restore the folder from a backup, or give `state.path` a new folder.",
        )
    return _run_tail(fallback, store, on_effect)


def _beginnings(config: Config, store: Store) -> Iterator[Engine]:
    """Where the journal can be run from, the newest first."""
    for checkpoint in store.checkpoints():
        yield _engine_at(config, checkpoint.state)
    # A journal that begins with the first message is as good as a checkpoint of an engine that knows nothing.
    if store.last_position == 0 or next((message.position for message in store.read(after=0, up_to=1)), 0) == 1:
        yield new_engine(config)


def require_same_learner(config: Config, store: Store) -> None:
    """Claim a new state for the learner of the configuration; raise StateError where it is another's."""
    wanted, written = describe(config.build_learner()), store.learner
    if written is None and not store.read_only:
        store.claim(wanted)
    if written is None or written == wanted:
        return
    changed = [key for key in {**wanted, **written} if written.get(key) != wanted.get(key)]
    if "type" in changed:
        # The parameters of two types have little to do with each other.
        changed = ["type"]
    pairs = "; ".join(f"{key}: {written.get(key)!r} there, {wanted.get(key)!r} here" for key in changed)
    raise StateError(
        f"The state in {store.folder} was learned with another configuration ({pairs}).",
        "Restore `[learner]`, or give `state.path` a new folder for the new model.",
    )


def _engine_at(config: Config, state: dict[str, object]) -> Engine:
    engine = new_engine(config)
    engine.load_state_dict(state)
    return engine


def _missing(engine: Engine, store: Store) -> int:
    """How many messages between the engine and the journal's end cannot be read."""
    return store.last_position - engine.position - sum(1 for _ in store.read(after=engine.position))


def _run_tail(engine: Engine, store: Store, on_effect: OnEffect) -> Engine:
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
        log.info("Ran messages %d to %d of the journal again.", start + 1, engine.position)
    return engine
