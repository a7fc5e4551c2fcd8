"""One simulated world from its beginning to the last check."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import msgspec

from edgedescent.config import Config, Limits, Metrics, Snapshots, State
from edgedescent.daemon.loop import Daemon, Stopped
from edgedescent.engine.core import Engine
from edgedescent.errors import DiskFullError, StateError
from edgedescent.state.recovery import recover
from edgedescent.state.repair import PAGE_BYTES
from edgedescent_world import checks
from edgedescent_world.broker import Broker
from edgedescent_world.chance import Chance, Crash
from edgedescent_world.disk import SimulatedDisk
from edgedescent_world.job import SimulatedJob
from edgedescent_world.ledger import Ledger, Violation, WatchedStore
from edgedescent_world.sensors import Sensors
from edgedescent_world.sqlite import Machine
from edgedescent_world.timeline import Timeline
from edgedescent_world.transport import SimulatedTransport

ALLOWANCES_BYTES = (5_000_000_000, 20_000_000_000)
"""What may be written in a day, in worlds with a bound: enough for all to be processed in time."""
ONE_WRITE_BYTES = 150_000
"""More than a commit and a checkpoint take here; what SQLite then moves from its log comes on top."""
FOLDER = "/simulated/device/state"
"""Nowhere on the real disk: the status file, which need not last, cannot be written, and the daemon goes on."""
CALM_S = 120.0
"""How long the daemon has, once faults have stopped, to process what waits."""
RESTART_S = 1.0
"""How long the supervisor takes at most to start the daemon again; after a failure, longer."""
RESTART_AFTER_FAILURE_S = 3.0


class Parts(msgspec.Struct, frozen=True):
    """What a world is built of; tests put broken parts in."""

    daemon: type[Daemon] = Daemon
    store: type[WatchedStore] = WatchedStore
    transport: type[SimulatedTransport] = SimulatedTransport
    machine: type[Machine] = Machine


class Outcome(msgspec.Struct):
    """What happened in one world."""

    seed: int
    violation: str | None = None
    messages: int = 0
    """That the sensors sent."""
    journaled: int = 0
    learned: int = 0
    lost_by_broker: int = 0
    in_order: bool = False
    """Whether all was learned in the order of sending."""
    lives: int = 0
    power_cuts: int = 0
    kills: int = 0
    failures: int = 0
    """How often the daemon ended by itself because the disk failed it."""
    stops: int = 0
    steps: int = 0


class World:
    """A daemon, its disk, its broker and its sensors.

    Args:
        seed: decides everything that happens.
        parts: what it is built of.
        trace: takes the steps, line by line.
    """

    def __init__(self, seed: int, parts: Parts | None = None, trace: Callable[[str], None] | None = None) -> None:
        self._parts = parts or Parts()
        self.timeline = timeline = Timeline()

        def note(line: str) -> None:
            if trace is not None:
                trace(f"{timeline.now:10.4f} s  {line}")

        self.note = note
        self.chance = chance = Chance(seed, note if trace is not None else None)
        dice = chance.dice
        self.ratings = dice.random() < 0.3
        self._receive_max = dice.choice((1, 2, 5, 20, 100))
        """How many messages the daemon lets the broker send ahead."""
        self._commit_messages = dice.choice((1, 10, 100, 5000))
        count = dice.randint(30, 300)
        checkpoint_events = dice.choice((1, 10, 50, 1000))
        checkpoint_interval_s = dice.choice((0.5, 5.0, 300.0))
        self._allowance = dice.choice((None, ALLOWANCES_BYTES[checkpoint_events < 50 or checkpoint_interval_s < 5.0]))
        self.config = Config(
            device="pump",
            learner={"type": "MatrixFactorization" if self.ratings else "LinearRegressor"},
            state=State(
                path=FOLDER,
                durability="power" if chance.power else "process",
                checkpoint_interval_s=checkpoint_interval_s,
                checkpoint_events=checkpoint_events,
                commit_interval_s=dice.choice((0.01, 0.1, 1.0)),
                commit_messages=self._commit_messages,
                commit_bytes=dice.choice((100, 10_000, 4_000_000)),
                written_bytes_per_day_max=self._allowance or 2**53,
                journal_age_max_s=dice.choice((None, None, 1.0)),
                journal_bytes_max=dice.choice((1, 1000, 10_000, 1_000_000)),
                dead_letters_max=dice.choice((1, 3, 1000)),
            ),
            limits=Limits(
                dedup_window=dice.choice((2000, 2000, 2000, 20)),
                redelivery_window=dice.choice((1000, self._receive_max)),
                events_per_second_max=dice.choice((None, None, None, None, 10.0)),
            ),
            metrics=Metrics(interval_s=dice.choice((1.0, 10.0))),
            snapshots=Snapshots(every_events=dice.choice((None, 20, 100))),
        )
        self.ledger = Ledger()
        self.disk = SimulatedDisk(chance, timeline, PurePosixPath("/"))
        # Where writes are bounded, what SQLite moves at once is a small part of the bound.
        self._log_pages = dice.choice((1, 10, 100, 1000) if self._allowance is None else (1, 10))
        self.machine = self._parts.machine(chance, self.disk, checkpoint_pages=self._log_pages)
        # A broker may send fewer ahead than it is allowed to, and says so nowhere.
        ahead = dice.choice((self._receive_max, dice.randint(1, self._receive_max)))
        self.broker = Broker(chance, timeline, receive_max=ahead, on_acknowledged=self.ledger.acknowledge)
        self.sensors = Sensors(chance, timeline, self.broker, ratings=self.ratings, count=count)
        self.outcome = Outcome(seed, messages=count)
        self._daemon: Daemon | None = None
        """The one that runs, once it has recovered."""
        self._spent = (0, 0.0, 0)
        """In which life the allowance was last used up, when, and how much was written by then."""
        self._plan_faults()

    @property
    def _batch_max(self) -> int:
        """How many messages one commit can have: a full batch, and what the last poll brought."""
        return self._commit_messages + self._receive_max

    def _plan_faults(self) -> None:
        rates, chance, dice, timeline = self.chance.rates, self.chance, self.chance.dice, self.timeline

        def again_and_again(every_s: float, fault: Callable[[], None]) -> None:
            def happen() -> None:
                if not chance.calm:
                    fault()
                    self.timeline.after(chance.wait_s(every_s), happen)

            self.timeline.after(chance.wait_s(every_s), happen)

        def fill() -> None:
            self.note("disk: full")
            self.disk.full = True
            self.timeline.after(dice.uniform(0.0, 0.2) * rates.duration_s, drain)

        def drain() -> None:
            self.disk.full = False

        def spend() -> None:
            if self._allowance is not None and self._daemon is not None:
                self.note("disk: what may be written in a day is used up")
                self.disk.written += self._daemon.metrics()["written_bytes_left"]
                self._spent = (self.outcome.lives, timeline.now, self.disk.written)

        def restart() -> None:
            if not self.broker.up:
                return
            lost, stale = dice.random() < rates.session_lost, dice.random() < rates.session_stale
            self.broker.restart("lost" if lost else "stale" if stale else "kept", dice.random())

        def calm() -> None:
            self.note("all faults stop")
            chance.calm = True
            self.disk.full = False

        again_and_again(rates.full_every_s, fill)
        again_and_again(rates.spent_every_s, spend)
        again_and_again(rates.cut_every_s, self.broker.cut)
        again_and_again(rates.restart_every_s, restart)
        again_and_again(rates.duration_s / 10, self.broker.save)
        self.timeline.after(rates.duration_s, calm)

    # --- The lives of the daemon ----------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Let it all happen; what was violated is in the outcome."""
        with _logs_to(self.note if self.chance.note else None):
            try:
                while not self._live():
                    self.timeline.run_until(self.timeline.now + self._restart_s)
                self._inspect()
            except Violation as violation:
                self.outcome.violation = str(violation)
            except Exception as error:  # noqa: BLE001 - whatever ends the daemon against its word is what we look for
                self.outcome.violation = f"the daemon died: {type(error).__name__}: {error}"
            finally:
                self.chance.crashed = Crash(power=False)
                self.machine.abandon()
        if self.outcome.violation is not None:
            self.note(f"violation: {self.outcome.violation}")
        self.outcome.journaled = len(self.ledger.messages)
        self.outcome.lost_by_broker = sum(copy.lost for copy in self.broker.copies)
        self.outcome.steps = self.chance.steps
        return self.outcome

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.chance.calm and self.sensors.done and self.broker.idle

    def _live(self) -> bool:
        """One life of the daemon's process; whether there was nothing left to do at its end."""
        chance, outcome = self.chance, self.outcome
        outcome.lives += 1
        self.note(f"--- life {outcome.lives}")
        self.disk.faults = 0
        self._restart_s = RESTART_S * chance.dice.random() ** 2
        transport = self._parts.transport(chance, self.timeline, self.broker, self._receive_max)
        try:
            store = self._open_store()
            daemon = self._parts.daemon(
                self.config, transport, store, self.timeline, SimulatedJob(chance, self.timeline)
            )
            chance.on_stop = daemon.stop
            transport.on_poll = lambda: self._look(daemon)
            try:
                daemon.recover()
            except Stopped:
                store.close()
            else:
                self._run(daemon)
            outcome.stops += 1
        except Crash as crash:
            self._end(crash)
        except StateError as error:
            self.note(f"--- the daemon gives up: {error}")
            outcome.failures += 1
            if not self.disk.faults:
                raise Violation(f"the daemon gave up though the disk did not fail: {error}") from error
            self._restart_s = RESTART_AFTER_FAILURE_S * chance.dice.random()
            self._leave()
        else:
            self.machine.abandon()
        finally:
            self._daemon = None
            chance.on_stop = None
            transport.hang_up()
        return self.finished

    def _run(self, daemon: Daemon) -> None:
        self._daemon = daemon
        try:
            daemon.run()
        except DiskFullError as error:
            raise Violation(f"a full disk ended the daemon: {error}") from error

    def _open_store(self) -> WatchedStore:
        state = self.config.state
        store = self._parts.store(
            state.path,
            durability=state.durability,
            journal_bytes_max=state.journal_bytes_max,
            journal_age_max_s=state.journal_age_max_s,
            dead_letters_max=state.dead_letters_max,
            disk=self.machine,
        )
        with self._unseen():
            # Mostly only the end of the journal, which is where something can be missing: reading takes time.
            after = 0 if self.chance.dice.random() < 0.1 else max(0, store.last_position - 2 * self._batch_max)
            self.ledger.compare(list(store.read(after)), store.last_position)
            checks.check_bounds(self.config, self.machine.query, self._batch_max)
        store.ledger = self.ledger
        return store

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        """Let nothing go wrong while an onlooker reads."""
        calm, self.chance.calm = self.chance.calm, True
        try:
            yield
        finally:
            self.chance.calm = calm

    def _look(self, daemon: Daemon) -> None:
        """Stop the daemon when all is done, and the world when it never will be."""
        self._check_allowance()
        waiting = daemon.uncommitted
        if waiting > self._batch_max:
            raise Violation(f"{waiting} messages wait for a commit: at most {self._batch_max} may")
        if self.finished:
            self.note("nothing is left to do")
            if self.chance.dice.random() < 0.5:
                self.chance.crash("the end", power=self.chance.power)
            daemon.stop()
        elif self.timeline.now > self.chance.rates.duration_s + CALM_S:
            raise Violation(f"not everything is processed {CALM_S:g} s after the last fault")

    def _check_allowance(self) -> None:
        life, at, written = self._spent
        if self._allowance is None or life != self.outcome.lives:
            return
        most = ONE_WRITE_BYTES + PAGE_BYTES * self._log_pages
        allowed = most + (self.timeline.now - at) * self._allowance / 86_400
        if self.disk.written - written > allowed:
            raise Violation(
                f"{self.disk.written - written} bytes were written, though no more than {allowed:.0f} may be"
            )

    def _end(self, crash: Crash) -> None:
        """Let the process be gone."""
        self.machine.abandon()
        self.chance.crashed = None
        if crash.power:
            self.outcome.power_cuts += 1
            self.disk.lose_power()
        else:
            self.outcome.kills += 1
        if self.chance.hit(self.chance.rates.clock_jumps):
            self.timeline.wall_error_s = self.chance.dice.gauss(0.0, 1e6)

    def _leave(self) -> None:
        """End the process as the interpreter does, which may close the state file."""
        if self.chance.dice.random() < 0.5:
            self.chance.crashed = Crash(power=False)
        try:
            self.machine.abandon()
        except Crash as crash:
            self._end(crash)
        self.chance.crashed = None

    def _inspect(self) -> None:
        """Check what is left in the end."""
        self.note("--- the end")
        forgotten = [copy for copy in self.broker.copies if not copy.acknowledged and not copy.lost]
        if forgotten:
            raise Violation(f"{len(forgotten)} messages were neither processed nor lost by the broker")
        store = self._open_store()
        engine = recover(self.config, store, lambda _, effect: checks.bury(store, effect))
        store.flush()
        messages = self.ledger.messages
        if engine.position != len(messages):
            raise Violation(f"the engine is at message {engine.position} of {len(messages)}")
        self.outcome.learned = engine.counters["events_learned"]
        reference = checks.fed(self.config, messages)
        checks.check_engine(engine, reference)
        checks.check_dead_letters(self.config, store, reference)
        if self.config.limits.events_per_second_max is None:
            self._check_order(engine)
        checks.check_bounds(self.config, self.machine.query, self._batch_max)
        store.close()

    def _check_order(self, engine: Engine) -> None:
        messages = self.ledger.messages
        copies = None if self.broker.forgetful else Counter(copy.payload for copy in self.broker.copies)
        self.outcome.in_order = checks.check_order(
            self.config, engine, messages, self.sensors.sent, copies, self.ledger.acknowledged
        )


@contextmanager
def _logs_to(note: Callable[[str], None] | None) -> Iterator[None]:
    """Put what the daemon logs into the trace, and nowhere else."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if note is not None:
                note(f"log: {record.getMessage()}")

    logger, handler = logging.getLogger("edgedescent"), Handler()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if note is not None else logging.CRITICAL + 1)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def simulate(seed: int, parts: Parts | None = None, trace: Callable[[str], None] | None = None) -> Outcome:
    """Run one world.

    Args:
        seed: decides everything that happens.
        parts: what it is built of.
        trace: takes the steps, line by line.

    Example:
        >>> simulate(1).violation is None
        True
    """
    return World(seed, parts, trace).run()
