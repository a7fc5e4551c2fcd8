"""One fault, or two at once, and what became of it on each way that reads the state."""

from __future__ import annotations

import json
import logging
import random
import re
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import FrameType
from unittest import mock

import msgspec

from damage import ways
from damage.faults import inject
from damage.lives import AS_THEY_WERE, END, MORE, POLL, Device, Lives
from edgedescent import config as configuration
from edgedescent.config import Config, load
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.errors import EdgeDescentError
from edgedescent.state.lock import FolderLock
from edgedescent.state.recovery import recover
from edgedescent.state.store import FILE, POSITION_FILE, Store
from support.state_folder import bits

Command = Callable[[ways.Folder], object]
_MEMORY = "/dev/shm"  # noqa: S108 - the folders in it have names of their own
HANG_S = 300
"""Time after which a fault has made something hang."""


class Outcome(msgspec.Struct):
    """Outcome of one fault."""

    learner: str
    number: int
    faults: list[str]
    """Kind of each, with the name of its file."""
    life: str
    """End of the device's life before: it was killed or stopped, or runs on."""
    verdicts: dict[str, str] = {}
    """Ends by way: exact, with a loss that was said, or refused."""
    violations: list[str] = []
    said: list[str] = []
    """Warnings and errors, without numbers and paths."""


class HangError(Exception):
    """It took too long."""


class Said(logging.Handler):
    """Collects warnings and errors."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # Here, and not in `format`, an error of the arguments reaches the test.
        self.lines.append(record.getMessage())


@cache
def lives_of(learner: str) -> tuple[Lives, Lives]:
    """Lives with the whole journal and with a trimmed one, made once in each process."""
    folder = Path(tempfile.mkdtemp(prefix=f"damage-{learner}-", dir=scratch()))
    with _collecting():
        return Lives(folder / "whole", learner, keep=True), Lives(folder / "trimmed", learner, keep=False)


def scratch() -> str | None:
    """Folder in memory, if there is one: nothing here is to survive."""
    return _MEMORY if Path(_MEMORY).is_dir() else None


@contextmanager
def _collecting() -> Iterator[list[str]]:
    logger, said = logging.getLogger("edgedescent"), Said()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(said)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield said.lines
    finally:
        logger.removeHandler(said)
        logger.setLevel(level)
        logger.propagate = propagate


@contextmanager
def _limited() -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        raise HangError(f"it took more than {HANG_S} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class ViolationError(Exception):
    """Something was lost or wrong without a word."""


def examine(learner: str, number: int, seed: int = 0, exports: int = 50) -> Outcome:
    """Inject one fault, or two, and look at each way.

    Args:
        learner: Type of the learner.
        number: Number of the fault.
        seed: With the two, decides what happens.
        exports: One in so many faults is also followed by a real export, which takes as long as all else.
    """
    text = f"{seed} {learner} {number}"
    dice = random.Random(text)
    lives = dice.choice(lives_of(learner))
    life = dice.choice(("killed", "stopped", "runs"))
    outcome = Outcome(learner, number, [], life, {}, [], [])
    work = _work()
    try:
        with mock.patch.object(configuration, "load", _load):
            _Examination(lives, work, outcome, text).run(with_export=number % exports == 0)
    finally:
        for path in work.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
    return outcome


@cache
def _work() -> Path:
    """Folder of this process, always the same: its configurations are read once."""
    return Path(tempfile.mkdtemp(prefix="damage-", dir=scratch()))


_read: dict[tuple[str, str], Config] = {}


def _load(path: str | Path, *arguments: object, **options: object) -> Config:
    """Load a configuration as `edgedescent.config.load` does, but each only once: they are not damaged."""
    key = str(path), Path(path).read_text()
    if key not in _read:
        _read[key] = load(path, *arguments, **options)
    return _read[key]


class _Examination:
    def __init__(self, lives: Lives, work: Path, outcome: Outcome, seed: str) -> None:
        self.lives, self.work, self.outcome, self.seed = lives, work, outcome, seed
        self.messages = list(lives.messages)
        """Everything that was acknowledged."""

    def run(self, *, with_export: bool) -> None:
        damaged = self.work / "damaged"
        if self.outcome.life == "runs":
            self._way("go on", lambda said: self._damage_open(damaged, said))
        else:
            shutil.copytree(self.lives.folder / self.outcome.life, damaged, symlinks=True)
            self.outcome.faults = inject(self.seed, damaged, self.lives.folder / "older")
        state = self.work / "state"
        shutil.copytree(damaged, state, symlinks=True)
        self._way("run", lambda said: self._start(state, said))
        if self.outcome.life == "runs":
            return
        self._way("export", lambda said: self._read(damaged, said))
        for name, command in self._turn(ways.READING):
            self._way(name, lambda said, command=command: self._call(command, damaged, said))
        if self.outcome.number % 2 == 0:
            self._way("backup", lambda said: self._back_up(damaged, said))
        if with_export:
            self._way("export itself", lambda said: self._call(ways.export, damaged, said))
        before = len(self.outcome.said)
        for name, command in self._turn(ways.WRITING):
            self._way(name, lambda said, command=command: self._call(command, damaged, said))
        # What one of them has said, the next start need not say again.
        known = self.outcome.said[before:]
        if self.outcome.number % 2 == 1:
            self._way("run after the commands", lambda said: self._start(damaged, said, known))

    def _turn(self, commands: Mapping[str, Command]) -> list[tuple[str, Command]]:
        """The third of the commands whose turn it is; what they read does not depend on the learner."""
        return [pair for place, pair in enumerate(commands.items()) if place % 3 == self.outcome.number // 2 % 3]

    def _way(self, name: str, go: Callable[[list[str]], str]) -> None:
        """Go one way, and note how it ends."""
        with _collecting() as said, _limited():
            try:
                verdict = go(said)
            except EdgeDescentError as error:
                verdict = f"refused: {_plain(str(error), self.work)}"
                if "\n" in str(error) or not error.hint:
                    self.outcome.violations.append(f"{name}: an error of several lines or without a hint: {error!r}")
            except (ViolationError, ways.WrongError) as violation:
                verdict = "violation"
                self.outcome.violations.append(f"{name}: {violation}; said: {said}")
            except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
                verdict = "violation"
                self.outcome.violations.append(f"{name}: {traceback.format_exc()}")
        self.outcome.verdicts[name] = verdict
        self.outcome.said += [_plain(line, self.work) for line in said]

    # --- The daemon -------------------------------------------------------------------------------------------------

    def _damage_open(self, folder: Path, said: list[str]) -> str:
        """Damage the files of a device that runs, and let it go on until it ends."""
        shutil.copytree(self.lives.folder / "killed", folder, symlinks=True)
        device = Device(self.lives.config(folder))
        try:
            device.recover()
            more = self.lives.payloads[END:]
            device.receive(more[:POLL])
            # What is in memory cannot be damaged.
            device.store._db.execute("PRAGMA shrink_memory")
            self.outcome.faults = inject(self.seed, folder, self.lives.folder / "older", is_open=True)
            device.receive(more[POLL:])
            if random.Random(self.seed).random() < 0.5:
                device.close()
        finally:
            with suppress(Exception):
                device.abandon()
            self.messages += device.store.appended
        return "said" if said else "nothing noticed"

    def _start(self, folder: Path, said: list[str], known: Sequence[str] = ()) -> str:
        """Start the daemon, let it learn more, and start it once more."""
        config = self.lives.config(folder)
        if not any((folder / name).exists() for name in (FILE, f"{FILE}-wal", POSITION_FILE)):
            return "a new state, as `run` says"
        with FolderLock(folder, note=str(folder)):
            device = Device(config)
            try:
                readable, end = self._readable(device.store), device.store.last_position
                engine = device.recover()
                verdict = self._judge(engine, readable, end, [*known, *said])
                device.receive(self.lives.payloads[-MORE:])
                device.close()
                after = bits(engine)
            finally:
                with suppress(Exception):
                    device.abandon()
            again = Device(config)
            try:
                if bits(again.recover()) != after:
                    raise ViolationError("the second start ends with other weights than the first")
            finally:
                again.abandon()
        return verdict

    # --- Readers ----------------------------------------------------------------------------------------------------

    def _read(self, folder: Path, said: list[str]) -> str:
        """Recover without writing, as `export` does."""
        config = self.lives.config(folder)
        store = Store(folder, read_only=True)
        try:
            return self._judge(recover(config, store), self._readable(store), store.last_position, said)
        finally:
            store.close()

    def _call(self, command: Callable[[ways.Folder], object], folder: Path, said: list[str]) -> str:
        command(ways.Folder(self.lives, folder, said))
        return "said" if said else "nothing noticed"

    def _back_up(self, folder: Path, said: list[str]) -> str:
        restored = ways.backup(ways.Folder(self.lives, folder, said))
        if restored is None:
            return f"refused: {_plain(said[-1], self.work)}"
        return self._start(restored, said)

    # --- Verdicts ---------------------------------------------------------------------------------------------------

    def _readable(self, store: Store) -> list[Message]:
        """Messages that can be read, each of which must be as it was received."""
        logger = logging.getLogger("edgedescent")
        logger.disabled = True
        for name in ("journal_table", "recording"):
            logging.getLogger(f"edgedescent.state.{name}").disabled = True
        try:
            found = list(store.read(0))
        finally:
            logger.disabled = False
            for name in ("journal_table", "recording"):
                logging.getLogger(f"edgedescent.state.{name}").disabled = False
        for message in found:
            at = message.position - 1
            if at < len(self.messages):
                is_known = message == self.messages[at]
            else:
                # It was committed, and the process ended before it was acknowledged.
                is_known = at < len(self.lives.payloads) and message.payload == self.lives.payloads[at]
            if not is_known:
                raise ViolationError(f"message {message.position} is not the one that was received: {message}")
        return found

    def _judge(self, engine: Engine, readable: Sequence[Message], end: int, said: Sequence[str]) -> str:
        """Compare a recovered engine with what a device without faults has learned."""
        ours, count, n_lost = bits(engine), len(self.messages), engine.counters["messages_lost"]
        if engine.position != end:
            raise ViolationError(f"the engine is at message {engine.position} of {end}")
        if end > max([count, *(message.position for message in readable)]):
            raise ViolationError(f"the journal has {count} messages, and the engine is at message {end}")
        if end >= count and ours == self._whole(readable, end):
            return "exact, damage said" if said else "exact"
        settings = [AS_THEY_WERE]
        if any("with which settings" in line for line in said):
            # Messages that come with settings that are not known are processed with the configured ones.
            settings.append((3, 3, 3))
        if any("or later settings" in line for line in said):
            settings += [(1, 2, 2), (1, 1, 1)]
        starts = [start for start in (END, 80, 40, 0) if start <= end]
        if not any(
            ours == bits(self.lives.engine_without(start, readable, end, lives))
            for start in starts
            for lives in settings
        ):
            raise ViolationError(
                f"weights that no loss explains, at message {end} of {count}, {n_lost} of them lost, "
                f"{len(readable)} readable"
            )
        if n_lost and not any("are lost" in line for line in said):
            raise ViolationError(f"{n_lost} messages are lost without a word")
        if end < count and not any(POSITION_FILE in line for line in said):
            raise ViolationError(f"messages {end + 1} to {count} are lost without a word")
        return "the end lost, said" if end < count else "lost, counted and said"

    def _whole(self, readable: Sequence[Message], end: int) -> bytes:
        if end == END == len(self.messages):
            return self.lives.bits
        known = [*self.messages, *(m for m in readable if m.position > len(self.messages))]
        return bits(self.lives.engine_without(END, known, end))


def _plain(text: str, work: Path) -> str:
    """A line without numbers and paths, so that equal ones can be counted."""
    return re.sub(r"\d+", "N", text.replace(str(work), "…"))[:400]


def to_line(outcome: Outcome) -> str:
    """An outcome as one line of JSON."""
    return json.dumps(msgspec.to_builtins(outcome))
