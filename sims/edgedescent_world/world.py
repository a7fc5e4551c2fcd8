"""Simulated world: the daemon with its disk, broker and sensors, from the start to the final check."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import msgspec

from edgedescent.config import Topics
from edgedescent.daemon.loop import Daemon, Stopped
from edgedescent.engine.core import Engine
from edgedescent.engine.settings import EngineSettings
from edgedescent.errors import DiskFullError, StateError
from edgedescent.state.recovery import recover
from edgedescent.state.repair import PAGE_BYTES
from edgedescent_world import invariants
from edgedescent_world.broker import Broker
from edgedescent_world.chance import Chance, Crash
from edgedescent_world.disk import SimulatedDisk
from edgedescent_world.faults import schedule_faults
from edgedescent_world.ledger import Ledger, LedgerStore, Violation
from edgedescent_world.readings import ReadingSensors, require_assembled, with_inputs
from edgedescent_world.sensors import Publishers, Sensors
from edgedescent_world.settings import draw_drift, draw_limits, draw_predictions, draw_settings
from edgedescent_world.slicer import SimulatedSlicer
from edgedescent_world.snapshot_job import SimulatedSnapshotJob
from edgedescent_world.sqlite import WorldDisk
from edgedescent_world.subscriptions import draw_filters, wanted
from edgedescent_world.timeline import Timeline
from edgedescent_world.transport import SimulatedTransport

WRITE_MAX_BYTES = 150_000
"""Upper bound of a commit with a checkpoint, without the pages that SQLite then moves from its write-ahead log."""
STATE_MAX_BYTES = 15_000
"""Upper bound of a checkpoint."""
STATE_OF_INPUTS_MAX_BYTES = 60_000
"""The same in a world of inputs, for each horizon: their events have more features to watch, and wait."""
CALM_S = 120.0
"""Time that the daemon has, once faults have stopped, to process all messages."""
_LOGGERS = ("edgedescent", "edgedescent_mqtt")
RESTART_S = 1.0
"""Longest time until systemd starts the daemon again after a crash or a stop."""
RESTART_AFTER_FAILURE_S = 3.0
"""Longest time until systemd starts the daemon again after it exited with an error."""


class Parts(msgspec.Struct, frozen=True):
    """Classes that a world is built from; tests substitute broken ones."""

    daemon: type[Daemon] = Daemon
    store: type[LedgerStore] = LedgerStore
    transport: type[SimulatedTransport] = SimulatedTransport
    disk: type[WorldDisk] = WorldDisk


class Outcome(msgspec.Struct):
    """Result of one world: counts, and the first violation."""

    seed: int
    violation: str | None = None
    messages: int = 0
    """Messages that the sensors sent."""
    journaled: int = 0
    learned: int = 0
    lost_by_broker: int = 0
    in_order: bool = False
    """True if all events were learned in the order of sending."""
    runs: int = 0
    """Processes of the daemon that were started."""
    power_cuts: int = 0
    kills: int = 0
    failures: int = 0
    """Exits of the daemon because of an error of the disk."""
    stops: int = 0
    cut_messages: int = 0
    """Messages within which the daemon was stopped."""
    folders_lost: int = 0
    """State folders that were deleted while the daemon ran or was about to."""
    reconfigured: int = 0
    """Starts of the daemon with other limits."""
    refiltered: int = 0
    """Starts of the daemon with other topic filters."""
    surplus: int = 0
    """Messages that no filter asked for, and further copies of messages for overlapping filters."""
    steps: int = 0
    ticks: int = 0
    """Ticks that the daemon made, in a world of inputs."""


class World:
    """World of one seed: a daemon, its disk, its broker and its sensors.

    Args:
        seed: Determines everything that happens.
        parts: Classes to build it from.
        trace: Called with each line of the trace; None for no trace.
        inputs: True for a device that makes its events of readings, instead of one that gets whole events.
    """

    def __init__(
        self,
        seed: int,
        parts: Parts | None = None,
        trace: Callable[[str], None] | None = None,
        *,
        inputs: bool = False,
    ) -> None:
        self._parts = parts or Parts()
        self.timeline = timeline = Timeline()

        def trace_line(line: str) -> None:
            if trace is not None:
                trace(f"{timeline.now:10.4f} s  {line}")

        self.trace = trace_line
        self.chance = chance = Chance(seed, trace_line if trace is not None else None)
        settings = draw_settings(chance)
        self.settings = settings = with_inputs(settings, chance) if inputs else settings
        self._inputs = inputs
        self.config = settings.config
        self.ledger = Ledger()
        self.disk = SimulatedDisk(chance, timeline, PurePosixPath("/"))
        self.store_disk = self._parts.disk(chance, self.disk, wal_pages_max=settings.wal_pages_max)
        self.broker = Broker(chance, timeline, receive_max=settings.ahead_max, on_acknowledged=self.ledger.acknowledge)
        self._slicer = SimulatedSlicer(timeline, chance.slices)
        self.sensors: Publishers
        if inputs:
            self.sensors = ReadingSensors(chance, timeline, self.broker, count=settings.n_messages)
        else:
            self.sensors = Sensors(
                chance,
                timeline,
                self.broker,
                ratings=settings.ratings,
                id_scope=settings.config.limits.id_scope,
                count=settings.n_messages,
                several=settings.filtered,
            )
        self.outcome = Outcome(seed, messages=settings.n_messages)
        self._changes: list[tuple[int, EngineSettings]] = []
        """Settings of the engine with the position of the first message that they hold for, in order."""
        self._daemon: Daemon | None = None
        """Current daemon, once it has been started to run."""
        self._spent = (0, 0.0, 0)
        """Run and time in which the write budget was last used up, and the number of bytes written by then."""
        schedule_faults(
            chance,
            timeline,
            self.disk,
            self.broker,
            spend_budget=self._spend_budget,
            lose_folder=self._lose_folder,
            trace=self.trace,
        )

    def _spend_budget(self) -> None:
        if self.settings.allowance is not None and self._daemon is not None:
            self.trace("disk: write budget used up")
            self.disk.written += self._daemon.metrics()["written_bytes_left"]
            self._spent = (self.outcome.runs, self.timeline.now, self.disk.written)

    def _lose_folder(self) -> None:
        if not self.chance.calm:
            self.trace("disk: the state folder is deleted")
            self.disk.delete_folder(PurePosixPath(self.config.state.path))
            self.ledger.delete()
            self._changes.clear()
            self.outcome.folders_lost += 1

    def _reconfigure(self) -> None:
        """Give the daemon other limits, intervals and another drift detector, with which its next start recovers."""
        if self.chance.later.random() < self.settings.reconfigured:
            limits, predictions = draw_limits(self.chance), draw_predictions(self.chance)
            drift = draw_drift(self.chance)
            self.config = msgspec.structs.replace(self.config, limits=limits, predictions=predictions, drift=drift)
            self.outcome.reconfigured += 1
            self.trace(f"configuration: {limits} {predictions} {drift}")
        if self.settings.filtered and self.chance.filters.random() < self.settings.refiltered:
            self.config = msgspec.structs.replace(self.config, topics=Topics(events=draw_filters(self.chance)))
            self.outcome.refiltered += 1
            self.trace(f"configuration: {self.config.event_topics()}")

    # --- Runs of the daemon ---------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run the world to its end and check it.

        Returns:
            The outcome, with the violation if there was one.
        """
        with _logs_to(self.trace if self.chance.trace else None):
            try:
                while not self._run_process():
                    self.timeline.run_until(self.timeline.now + self._restart_s)
                self._check_end()
            except Violation as violation:
                self.outcome.violation = str(violation)
            except Exception as error:  # noqa: BLE001 - any unexpected end of the daemon is a violation
                self.outcome.violation = f"the daemon died: {type(error).__name__}: {error}"
            finally:
                self.chance.crashed = Crash(power=False)
                self.store_disk.abandon()
        if self.outcome.violation is not None:
            self.trace(f"violation: {self.outcome.violation}")
        self.outcome.journaled = len(self.ledger.messages)
        self.outcome.lost_by_broker = sum(publication.lost for publication in self.broker.publications)
        self.outcome.steps = self.chance.steps
        return self.outcome

    @property
    def finished(self) -> bool:
        """True once faults have stopped and all messages are processed."""
        return self.chance.calm and self.sensors.done and self.broker.idle and self._hears_what_it_should

    @property
    def _hears_what_it_should(self) -> bool:
        """True once the session is subscribed to what the configuration names, and to nothing else that is known of."""
        session, filters = self.broker.session, self.config.event_topics()
        if session is None:
            return False
        asked, heard = wanted(filters, knows_identifiers=self.broker.knows_identifiers), set(session.subscriptions)
        # Of subscriptions from before, the device cannot know any more, or again.
        knows_all = not (self.outcome.folders_lost or self.broker.was_stale)
        return heard == asked if knows_all else heard >= asked

    def _run_process(self) -> bool:
        """Run one process of the daemon until it ends; returns True if the world is finished."""
        chance, outcome = self.chance, self.outcome
        outcome.runs += 1
        if outcome.runs > 1:
            self._reconfigure()
        self.trace(f"--- run {outcome.runs}")
        self.disk.faults = 0
        self._restart_s = RESTART_S * chance.dice.random() ** 2
        transport = self._parts.transport(
            chance, self.timeline, self.broker, self.settings.receive_max, self.config.event_topics()
        )
        self.ledger.filters = self.config.event_topics()
        try:
            store = self._open_store()
            first = store.last_position + 1
            self._changes = [change for change in self._changes if change[0] < first]
            self._changes.append((first, self.config.engine_settings()))
            daemon = self._parts.daemon(
                self.config,
                transport,
                store,
                self.timeline,
                SimulatedSnapshotJob(chance, self.timeline),
                slicer=self._slicer,
            )
            chance.on_stop = daemon.stop
            transport.on_poll = lambda: self._check_running(daemon)
            try:
                daemon.recover()
            except Stopped:
                store.close()
            else:
                self._run_daemon(daemon)
            outcome.stops += 1
        except Crash as crash:
            self._end_process(crash)
        except StateError as error:
            self.trace(f"--- the daemon gives up: {error}")
            outcome.failures += 1
            if not self.disk.faults:
                raise Violation(f"the daemon gave up though the disk did not fail: {error}") from error
            self._restart_s = RESTART_AFTER_FAILURE_S * chance.dice.random()
            self._exit_process()
        else:
            self.store_disk.abandon()
        finally:
            self._daemon = None
            outcome.surplus += sum(transport.counts.values())
            chance.on_stop = None
            transport.drop_connection()
        return self.finished

    def _run_daemon(self, daemon: Daemon) -> None:
        self._daemon = daemon
        try:
            daemon.run()
            self.outcome.cut_messages += daemon.engine.begun is not None
        except DiskFullError as error:
            raise Violation(f"a full disk ended the daemon: {error}") from error

    def _end_process(self, crash: Crash) -> None:
        """End the process as a crash does."""
        self.store_disk.abandon()
        self.chance.crashed = None
        if crash.power:
            self.outcome.power_cuts += 1
            self.disk.lose_power()
        else:
            self.outcome.kills += 1
        if self.chance.hit(self.chance.rates.clock_jumps):
            self.timeline.wall_error_s = self.chance.dice.gauss(0.0, 1e6)

    def _exit_process(self) -> None:
        """End the process as the exit of the interpreter does, which may close the state file."""
        if self.chance.dice.random() < 0.5:
            self.chance.crashed = Crash(power=False)
        try:
            self.store_disk.abandon()
        except Crash as crash:
            self._end_process(crash)
        self.chance.crashed = None

    # --- Checks ---------------------------------------------------------------------------------------------------

    def _open_store(self) -> LedgerStore:
        """Open the state file, and check it against the ledger."""
        state = self.config.state
        self.ledger.has_limits |= self.config.limits.events_per_second_max is not None
        store = self._parts.store(
            state.path,
            durability=state.durability,
            journal_bytes_max=state.journal_bytes_max,
            journal_age_max_s=state.journal_age_max_s,
            dead_letters_max=state.dead_letters_max,
            disk=self.store_disk,
        )
        store.piece_bytes = self.settings.piece_bytes
        with self._without_faults():
            # Usually only the end of the journal is read, where messages can be missing, because reading takes time.
            after = 0 if self.chance.dice.random() < 0.1 else max(0, store.last_position - 2 * self.settings.batch_max)
            self.ledger.compare(list(store.read(after)), store.last_position)
            self._require_bounds()
        store.ledger = self.ledger
        return store

    @contextmanager
    def _without_faults(self) -> Iterator[None]:
        """Suspend faults while the checks read."""
        calm, self.chance.calm = self.chance.calm, True
        try:
            yield
        finally:
            self.chance.calm = calm

    def _require_bounds(self) -> None:
        settings = self.settings
        # While one checkpoint is written, the next one falls due; and none begins within a message.
        behind_max = self.config.state.checkpoint_events + 2 * settings.batch_max * (self._pieces_max + 1)
        invariants.require_bounds(self.config, self.store_disk.query, behind_max)

    @property
    def _pieces_max(self) -> int:
        """Largest number of pieces of a checkpoint."""
        return 1 + self._state_max_bytes // self.settings.piece_bytes

    @property
    def _state_max_bytes(self) -> int:
        """Upper bound of a checkpoint in this world."""
        return STATE_OF_INPUTS_MAX_BYTES * len(self.config.marks) if self._inputs else STATE_MAX_BYTES

    def _check_running(self, daemon: Daemon) -> None:
        """Check the running daemon; stop it once the world is finished.

        Raises:
            Violation: If a bound is exceeded, or not all messages are processed in time.
        """
        self._check_write_budget()
        waiting = daemon.uncommitted
        if waiting > self.settings.batch_max:
            raise Violation(f"{waiting} messages wait for a commit: at most {self.settings.batch_max} may")
        if self.finished:
            self.trace("nothing is left to do")
            if self.chance.dice.random() < 0.5:
                self.chance.crash("the end", power=self.chance.power)
            daemon.stop()
        elif self.timeline.now > self.chance.rates.duration_s + CALM_S:
            if self.broker.idle and self.sensors.done and self.broker.session is not None:
                heard, named = sorted(self.broker.session.subscriptions), self.config.event_topics()
                raise Violation(f"the session is subscribed to {heard}; the configuration names {named}")
            raise Violation(f"not everything is processed {CALM_S:g} s after the last fault")

    def _check_write_budget(self) -> None:
        run, at, written = self._spent
        if self.settings.allowance is None or run != self.outcome.runs:
            return
        # The log is moved when it is full, and while a checkpoint is written, which may be longer.
        moved = max(PAGE_BYTES * self.settings.wal_pages_max, self._state_max_bytes)
        # Each further piece of a checkpoint changes a few pages besides those that it fills.
        pieces = 4 * PAGE_BYTES * (self._pieces_max - 1)
        most = WRITE_MAX_BYTES + self._state_max_bytes - STATE_MAX_BYTES + moved + pieces
        allowed = most + (self.timeline.now - at) * self.settings.allowance / 86_400
        if self.disk.written - written > allowed:
            raise Violation(
                f"{self.disk.written - written} bytes were written, though no more than {allowed:.0f} may be"
            )

    def _check_end(self) -> None:
        """Check the state at the end of the world.

        Raises:
            Violation: If an invariant does not hold.
        """
        self.trace("--- the end")
        pending = [one for one in self.broker.publications if not one.acknowledged and not one.lost]
        if pending:
            raise Violation(f"{len(pending)} messages were neither processed nor lost by the broker")
        store = self._open_store()
        engine = recover(self.config, store, lambda _, effect: invariants.keep_dead_letter(store, effect))
        store.flush()
        messages = self.ledger.messages
        if engine.position != len(messages):
            raise Violation(f"the engine is at message {engine.position} of {len(messages)}")
        self.outcome.learned = engine.counters["events_learned"]
        reference = invariants.reference_run(self.config, messages, self._changes)
        invariants.require_same_state(engine, reference)
        invariants.require_dead_letters(self.config, store, reference)
        if self._inputs:
            require_assembled(self.config, engine, messages)
            self.outcome.ticks = engine.counters["ticks"]
            self._require_bounds()
            store.close()
            return
        is_simple = not (self.outcome.reconfigured or self.outcome.folders_lost)
        if is_simple and self.config.limits.events_per_second_max is None:
            self._check_learned_once(engine)
        self._require_bounds()
        store.close()

    @property
    def _can_copy(self) -> bool:
        """True if copies of messages for overlapping filters could not be told apart, as `check` warns."""
        return not self.broker.knows_identifiers and self.settings.filtered

    def _check_learned_once(self, engine: Engine) -> None:
        publications = self.broker.publications
        can_repeat = self.broker.was_stale or self._can_copy
        copies = None if can_repeat else Counter((one.topic, one.payload) for one in publications)
        self.outcome.in_order = invariants.require_learned_once(
            self.config, engine, self.ledger.messages, self.sensors.sent, copies, self.ledger.acknowledged
        )


@contextmanager
def _logs_to(trace: Callable[[str], None] | None) -> Iterator[None]:
    """Redirect the log of the daemon to the trace."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if trace is not None:
                trace(f"log: {record.getMessage()}")

    handler = Handler()
    before = [(logger, logger.level, logger.propagate) for logger in map(logging.getLogger, _LOGGERS)]
    for logger, _, _ in before:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if trace is not None else logging.CRITICAL + 1)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


def simulate(
    seed: int,
    parts: Parts | None = None,
    trace: Callable[[str], None] | None = None,
    *,
    inputs: bool = False,
) -> Outcome:
    """Run one world.

    Args:
        seed: Determines everything that happens.
        parts: Classes to build it from.
        trace: Called with each line of the trace; None for no trace.
        inputs: True for a device that makes its events of readings.

    Returns:
        The outcome.

    Example:
        >>> simulate(1).violation is None
        True
    """
    return World(seed, parts, trace, inputs=inputs).run()
