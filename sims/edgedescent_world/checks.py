"""What must hold in a simulated world, whatever went wrong in it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from edgedescent.config import Config
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Effect, Message
from edgedescent.state import codec
from edgedescent.state.recovery import new_engine
from edgedescent.state.store import CHECKPOINTS_KEPT, Store
from edgedescent_world.ledger import Violation
from edgedescent_world.sensors import Sent

Query = Callable[[str], list[Any]]


def check_bounds(config: Config, query: Query, batch_max: int) -> None:
    """The state file keeps no more than the configuration says.

    Args:
        config: of the daemon.
        query: asks the state file.
        batch_max: how many messages one commit can have.

    Raises:
        Violation: if it does.
    """
    state = config.state
    positions = [row[0] for row in query("SELECT position FROM checkpoints ORDER BY position")]
    newest = positions[-1] if positions else 0
    blocks = query("SELECT first, last, length(data) FROM journal")
    behind = max((last for _, last, _ in blocks), default=newest) - newest
    _require("checkpoints", len(positions), CHECKPOINTS_KEPT)
    _require("messages behind the checkpoint", behind, state.checkpoint_events + 2 * batch_max)
    _require("dead letters", query("SELECT count(*) FROM dead_letters")[0][0], state.dead_letters_max)
    if len(positions) == CHECKPOINTS_KEPT:
        first = min((first for first, last, _ in blocks if last > positions[0]), default=None)
        if newest > positions[0] and (first is None or first > positions[0] + 1):
            raise Violation(f"the journal goes on with message {first}; the older checkpoint needs {positions[0] + 1}")
        spare = sum(size for _, last, size in blocks if last <= positions[0])
        _require("bytes of the journal that recovery does not need", spare, state.journal_bytes_max)


def _require(what: str, found: int, most: int) -> None:
    if found > most:
        raise Violation(f"{found} {what}: at most {most} are allowed")


class Reference(msgspec.Struct, frozen=True):
    """An engine to which nothing ever happened, and the dead letters it left."""

    engine: Engine
    letters: list[DeadLetter]


def fed(config: Config, messages: Iterable[Message]) -> Reference:
    """A new engine that has handled these messages."""
    engine = new_engine(config)
    effects = [effect for message in messages for effect in engine.handle(message)]
    return Reference(engine, [effect for effect in effects if isinstance(effect, DeadLetter)])


def check_engine(engine: Engine, reference: Reference) -> None:
    """The recovered engine is, bit for bit, the one that was fed the whole journal.

    Raises:
        Violation: if it is not.
    """
    expected = reference.engine
    if expected.counters != engine.counters:
        raise Violation(f"the counters are {dict(engine.counters)}; without faults {dict(expected.counters)}")
    if codec.encode(expected.state_dict()) != codec.encode(engine.state_dict()):
        raise Violation(f"{_differences(expected, engine)} differ from those of an engine that never stopped")


def check_order(
    config: Config,
    engine: Engine,
    messages: Sequence[Message],
    sent: Sequence[Sent],
    copies: Counter[bytes] | None,
    acknowledged: Container[bytes],
) -> bool:
    """The engine has learned each event once.

    Args:
        config: of the daemon.
        engine: as recovered at the end.
        messages: the whole journal.
        sent: what the sensors sent, in order.
        copies: how many messages with each payload the broker had; None where it sent some again without saying so.
        acknowledged: the payloads that it was told to forget.

    Returns:
        Whether everything was learned in the order of sending; the state was then compared to a run without faults.

    Raises:
        Violation: if an event was learned twice or not at all, or what was learned differs from that run's.
    """
    limits = config.limits
    state = engine.state_dict()
    _require("ids remembered", len(state["seen"]), limits.dedup_window)
    _require("messages remembered", len(state["redeliveries"]), limits.redelivery_window)
    by_payload = {one.payload: one for one in sent}
    order = learned_order(
        (
            (by_payload[message.payload].learnable, by_payload[message.payload].anonymous, again)
            for message, again in zip(messages, redelivered(messages, limits.redelivery_window), strict=True)
        ),
        limits.dedup_window,
    )
    count = engine.counters["events_learned"]
    if count != len(order):
        raise Violation(f"{count} events were learned; the journal has {len(order)} to learn")
    _check_once(order, sent, copies, ids=limits.dedup_window >= sum(len(one.learnable) for one in sent))
    learned = set(order)
    if unlearned := [
        name for one in sent if one.payload in acknowledged for name in one.learnable if name not in learned
    ]:
        raise Violation(f"events {', '.join(unlearned)} were acknowledged and not learned")
    if order != [event for one in sent for event in one.learnable]:
        return False
    ideal = fed(config, (Message(i, 0.0, "events", one.payload) for i, one in enumerate(sent, start=1))).engine
    ours, theirs = state, ideal.state_dict()
    # How often each was told of an event differs; what was learned does not.
    for one in (ours, theirs):
        for name in ("position", "counters", "counter_names", "redeliveries", "redeliveries_total"):
            del one[name]
    if codec.encode(ours) != codec.encode(theirs):
        raise Violation(f"{_differences(ideal, engine)} differ from those of a run without faults")
    return True


def _check_once(order: Sequence[str], sent: Sequence[Sent], copies: Counter[bytes] | None, *, ids: bool) -> None:
    times = Counter(order)
    for one in sent:
        most = (1 if ids else None) if not one.anonymous else None if copies is None else copies[one.payload]
        for name in one.learnable:
            if most is not None and times[name] > most:
                raise Violation(f"event {name} was learned {times[name]} times; it came {most} times")


def redelivered(messages: Sequence[Message], window: int) -> Iterator[bool]:
    """Which messages are among the last `window` by packet id and payload, and said by the broker to come again.

    >>> first, again = Message(1, 0.0, "t", b"21.5", 7), Message(2, 0.0, "t", b"21.5", 7, duplicate=True)
    >>> list(redelivered([first, first, again], window=9))
    [False, False, True]
    """
    recent: deque[tuple[int, bytes]] = deque(maxlen=window)
    for message in messages:
        again = message.duplicate and (message.packet_id, message.payload) in recent
        if not again:
            recent.append((message.packet_id, message.payload))
        yield again


def learned_order(messages: Iterable[tuple[Sequence[str], bool, bool]], window: int) -> list[str]:
    """The names in the order in which they are to be learned: an id not again while it is among the last `window`.

    Args:
        messages: the names in each, whether its events have no ids, and whether it is known to come again.
        window: how many ids are remembered.

    >>> ids = [["a", "b"], ["a"], ["c", "d"], ["a", "d"]]
    >>> learned_order([(names, False, False) for names in ids], window=2)
    ['a', 'b', 'c', 'd', 'a']
    >>> learned_order([(["a"], True, again) for again in (False, False, True)], window=2)
    ['a', 'a']
    """
    order: list[str] = []
    recent: deque[str] = deque(maxlen=window)
    known: set[str] = set()
    for names, anonymous, again in messages:
        for name in names:
            if anonymous:
                if not again:
                    order.append(name)
            elif name not in known:
                if len(recent) == window:
                    known.discard(recent[0])
                recent.append(name)
                known.add(name)
                order.append(name)
    return order


def _differences(engine: Engine, other: Engine) -> str:
    left, right = engine.state_dict(), other.state_dict()
    return ", ".join(name for name in left if name not in right or not np.array_equal(left[name], right[name]))


def bury(store: Store, effect: Effect) -> None:
    """Keep a dead letter, as the daemon does."""
    if isinstance(effect, DeadLetter):
        store.bury(effect)


def check_dead_letters(config: Config, store: Store, reference: Reference) -> None:
    """The newest unusable events of the journal are kept, each once.

    Raises:
        Violation: if they are not.
    """
    expected = reference.letters[::-1][: config.state.dead_letters_max]
    found = store.dead_letters(limit=config.state.dead_letters_max + 1)
    if found != expected:
        raise Violation(
            f"dead letters of messages {[letter.position for letter in found]} are kept; "
            f"expected {[letter.position for letter in expected]}"
        )
