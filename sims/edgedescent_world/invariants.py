"""Invariants of a simulated world, which must hold whatever faults happened in it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from edgedescent.config import Config
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Connection, DeadLetter, Effect, Message
from edgedescent.engine.settings import EngineSettings
from edgedescent.state import codec
from edgedescent.state.checkpoint_table import CHECKPOINTS_KEPT
from edgedescent.state.store import Store
from edgedescent_world.ledger import Content, Violation, content_of
from edgedescent_world.sensors import SentMessage

Query = Callable[[str], list[Any]]
"""Function that runs an SQL query on the state file and returns its rows."""


def require_bounds(config: Config, query: Query, behind_max: int) -> None:
    """Require that the state file stays within the bounds of the configuration.

    Args:
        config: Configuration of the daemon.
        query: Queries the state file.
        behind_max: Largest number of messages behind the newest checkpoint.

    Raises:
        Violation: If a bound is exceeded, or the journal lacks messages that a checkpoint needs.
    """
    state = config.state
    positions = [row[0] for row in query("SELECT position FROM checkpoints ORDER BY position")]
    newest = positions[-1] if positions else 0
    blocks = query("SELECT first, last, length(data) FROM journal")
    behind = max((last for _, last, _ in blocks), default=newest) - newest
    _require_at_most("checkpoints", len(positions), CHECKPOINTS_KEPT)
    _require_at_most("messages behind the checkpoint", behind, behind_max)
    _require_at_most("dead letters", query("SELECT count(*) FROM dead_letters")[0][0], state.dead_letters_max)
    if len(positions) == CHECKPOINTS_KEPT:
        first = min((first for first, last, _ in blocks if last > positions[0]), default=None)
        if newest > positions[0] and (first is None or first > positions[0] + 1):
            raise Violation(f"the journal goes on with message {first}; the older checkpoint needs {positions[0] + 1}")
        spare = sum(size for _, last, size in blocks if last <= positions[0])
        _require_at_most("bytes of the journal that recovery does not need", spare, state.journal_bytes_max)


def _require_at_most(what: str, found: int, most: int) -> None:
    if found > most:
        raise Violation(f"{found} {what}: at most {most} are allowed")


class Reference(msgspec.Struct, frozen=True):
    """Engine that handled messages without any fault, and the dead letters it made."""

    engine: Engine
    dead_letters: list[DeadLetter]


def reference_run(
    config: Config, messages: Iterable[Message], changes: Sequence[tuple[int, EngineSettings]] = ()
) -> Reference:
    """Feed messages to a new engine.

    Args:
        config: Configuration of the daemon.
        messages: The messages, in order.
        changes: Settings of the engine with the position of the first message that they hold for, in order.
    """
    engine = config.build_engine(changes[0][1] if changes else None)
    by_position = dict(changes)
    effects: list[Effect] = []
    for message in messages:
        if message.position in by_position:
            engine.configure(**by_position[message.position].options())
        effects += engine.handle(message)
    return Reference(engine, [effect for effect in effects if isinstance(effect, DeadLetter)])


def require_same_state(engine: Engine, reference: Reference) -> None:
    """Require that a recovered engine equals one that was fed the whole journal, bit for bit.

    Raises:
        Violation: If a counter or an array differs.
    """
    expected = reference.engine
    if expected.counters != engine.counters:
        raise Violation(f"the counters are {dict(engine.counters)}; without faults {dict(expected.counters)}")
    if codec.encode(expected.state_dict()) != codec.encode(engine.state_dict()):
        raise Violation(f"{_differences(expected, engine)} differ from those of an engine that never stopped")


def require_learned_once(
    config: Config,
    engine: Engine,
    messages: Sequence[Message],
    sent: Sequence[SentMessage],
    copies: Counter[Content] | None,
    acknowledged: Container[Content],
) -> bool:
    """Require that the engine has learned each event once, and in order if the messages arrived in order.

    Args:
        config: Configuration of the daemon.
        engine: The engine as recovered at the end.
        messages: The whole journal.
        sent: The messages of the sensors, in order.
        copies: Number of messages of each content that the broker accepted; None if it sent some again without the
            DUP flag.
        acknowledged: Contents of the acknowledged messages.

    Returns:
        True if everything was learned in the order of sending. The state was then also compared with that of a run
        without faults.

    Raises:
        Violation: If an event was learned twice or not at all, or the state differs from that run.
    """
    limits = config.limits
    state = engine.state_dict()
    _require_at_most("ids remembered", len(state["seen"]), limits.dedup_window)
    _require_at_most("messages remembered", len(state["redeliveries"]), limits.redelivery_window)
    by_content = {one.content: one for one in sent}
    again = list(redelivered(messages, limits.redelivery_window))
    handled = [
        (by_content[content_of(message)], is_known)
        for message, is_known, is_copy in zip(messages, again, copied(messages, again), strict=True)
        if not is_copy
    ]
    order = learned_order(((one.learnable, one.anonymous, known) for one, known in handled), limits.dedup_window)
    count = engine.counters["events_learned"]
    if count != len(order):
        raise Violation(f"{count} events were learned; the journal has {len(order)} to learn")
    keys = {name: key for one in sent for name, key in zip(one.learnable, one.keys, strict=False)}
    if limits.id_scope == "device":
        keys = {name: key.partition(" ")[2] for name, key in keys.items()}
    reused, expected = engine.counters["ids_reused"], count_reused(order, keys, limits.dedup_window)
    if reused != expected:
        raise Violation(f"{reused} events had the id of another one; {expected} have")
    _require_no_repeats(order, sent, copies, ids=limits.dedup_window >= sum(len(one.learnable) for one in sent))
    learned = set(order)
    if unlearned := [
        name for one in sent if one.content in acknowledged for name in one.learnable if name not in learned
    ]:
        raise Violation(f"events {', '.join(unlearned)} were acknowledged and not learned")
    if order != [event for one in sent for event in one.learnable]:
        return False
    ideal = reference_run(
        config, (Message(i, 0.0, one.topic, one.payload) for i, one in enumerate(sent, start=1))
    ).engine
    ours, theirs = state, ideal.state_dict()
    # The two runs received events a different number of times, but learned the same.
    for one in (ours, theirs):
        for name in [
            name for name in one if name.startswith(("position", "counter", "redeliveries", "copies", "drift.latest"))
        ]:
            del one[name]
    if codec.encode(ours) != codec.encode(theirs):
        raise Violation(f"{_differences(ideal, engine)} differ from those of a run without faults")
    return True


def _require_no_repeats(
    order: Sequence[str], sent: Sequence[SentMessage], copies: Counter[Content] | None, *, ids: bool
) -> None:
    times = Counter(order)
    for one in sent:
        most = (1 if ids else None) if not one.anonymous else None if copies is None else copies[one.content]
        for name in one.learnable:
            if most is not None and times[name] > most:
                raise Violation(f"event {name} was learned {times[name]} times; it came {most} times")


def redelivered(messages: Sequence[Message], window: int) -> Iterator[bool]:
    """Detect repeats among the messages with the DUP flag, as `edgedescent.engine._redelivery_window` specifies it.

    Args:
        messages: The messages, in order.
        window: Number of messages that are remembered.

    Yields:
        True for each repeat, else False.

    Example:
        >>> first, again = Message(1, 0.0, "t", b"21.5", 7), Message(2, 0.0, "t", b"21.5", 7, duplicate=True)
        >>> list(redelivered([first, first, again], window=9))
        [False, False, True]
    """
    # Packet id, content, position, and True once the broker has the acknowledgement; None in a later session.
    recent: deque[tuple[int, Content, int, bool] | None] = deque(maxlen=window)
    start, connection = 0, Connection(0)
    for message in messages:
        if (new := message.connection) is not None:
            known = [
                one and (*one[:3], one[3] or start < one[2] <= new.acknowledged)
                if new.session == connection.session
                else None
                for one in recent
            ]
            recent = deque(known, maxlen=window)
            start, connection = message.position - 1, new
        found = _find_again(message, list(recent), start, anew=connection.first_id == 1) if message.duplicate else None
        one = (message.packet_id, content_of(message), message.position, False)
        if found is not None:
            recent[found] = one
        elif message.packet_id:
            recent.append(one)
        yield found is not None


def _find_again(
    message: Message, recent: Sequence[tuple[int, Content, int, bool] | None], start: int, *, anew: bool
) -> int | None:
    """Place of the message that a message with the DUP flag repeats."""
    live = [(place, one) for place, one in enumerate(recent) if one is not None]
    same_id = [(place, one) for place, one in live if one[0] == message.packet_id and not (anew and one[2] <= start)]
    if same_id and same_id[-1][1][1] == content_of(message):
        return same_id[-1][0]
    if not anew:
        return None
    earlier = (place for place, one in live if one[1] == content_of(message) and one[2] <= start and not one[3])
    return next(earlier, None)


def copied(messages: Sequence[Message], again: Sequence[bool]) -> Iterator[bool]:
    """Detect copies for further subscriptions, as `edgedescent.engine._copy_window` specifies it.

    Args:
        messages: The messages, in order.
        again: True for each that is a repeat.

    Yields:
        True for each copy, else False.

    Example:
        >>> sent = [Message(i, 0.0, "t", b"21.5", i, subscriptions=(number,)) for i, number in enumerate((5, 6, 5, 6))]
        >>> list(copied(sent, [False] * 4))
        [False, True, False, True]
    """
    # Position, that of the first copy, content, and subscription; 0 stands for none, None for several.
    latest: deque[tuple[int, int, Content, int | None]] = deque(maxlen=16)
    session = 0
    for message, is_known in zip(messages, again, strict=True):
        if message.connection is not None and message.connection.session != session:
            session = message.connection.session
            latest.clear()
        if is_known or not (message.packet_id or message.subscriptions):
            yield False
            continue
        number, *more = message.subscriptions or (0,)
        first = None
        if not more and (number or any(one[3] != 0 for one in latest)):
            alike = [one for one in latest if one[2] == content_of(message)]
            came = {at: {one[3] for one in alike if one[1] == at} for position, at, *_ in alike if position == at}
            first = max((at for at, numbers in came.items() if numbers.isdisjoint({number, None})), default=None)
        latest.append((message.position, first or message.position, content_of(message), None if more else number))
        yield first is not None


def learned_order(messages: Iterable[tuple[Sequence[str], bool, bool]], window: int) -> list[str]:
    """Expected order of learning: an event is skipped while its id is among the last `window` ids.

    Args:
        messages: For each message the names of its events, True if they have no ids, and True if it is a repeat.
        window: Number of ids that are remembered.

    Returns:
        The names of the events in the order in which they must be learned.

    Example:
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


def count_reused(order: Iterable[str], keys: Mapping[str, str], window: int) -> int:
    """Number of learned events whose id was among the last `window` ones with an id, as that of another event.

    Args:
        order: Names of the events in the order of learning.
        keys: What their ids mean, by name; events without an id are left out.
        window: Number of events that are remembered.

    Example:
        >>> count_reused(["a", "b", "c", "d"], {"a": "1", "b": "1", "c": "2", "d": "1"}, window=2)
        2
    """
    recent: deque[str] = deque(maxlen=window)
    reused = 0
    for name in order:
        if name in keys:
            reused += keys[name] in recent
            recent.append(keys[name])
    return reused


def _differences(engine: Engine, other: Engine) -> str:
    """Names of the parts of the state in which two engines differ."""
    left, right = engine.state_dict(), other.state_dict()
    return ", ".join(name for name in left if name not in right or not np.array_equal(left[name], right[name]))


def keep_dead_letter(store: Store, effect: Effect) -> None:
    """Add the effect to the store if it is a dead letter, as the daemon does."""
    if isinstance(effect, DeadLetter):
        store.add_dead_letter(effect)


def require_dead_letters(config: Config, store: Store, reference: Reference) -> None:
    """Require that the store holds the newest dead letters of the journal, each once.

    Raises:
        Violation: If one is missing, repeated or superfluous.
    """
    expected = reference.dead_letters[::-1][: config.state.dead_letters_max]
    found = store.dead_letters(limit=config.state.dead_letters_max + 1)
    if found != expected:
        raise Violation(
            f"dead letters of messages {[dead_letter.position for dead_letter in found]} are kept; "
            f"expected {[dead_letter.position for dead_letter in expected]}"
        )
