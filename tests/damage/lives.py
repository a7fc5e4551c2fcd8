"""State folders to damage: of a device that was stopped or killed, and what it must have learned."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from edgedescent import config as configuration
from edgedescent.config import Config
from edgedescent.daemon.loop import Daemon
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.engine.settings import EngineSettings
from edgedescent.errors import ExportError
from edgedescent.learners.interactions import Interactions
from edgedescent.snapshots.export import export_snapshots
from edgedescent.state import codec
from edgedescent.state.dead_letters import Selection, find, to_record
from edgedescent.state.lock import FolderLock
from edgedescent.state.store import FILE, Store
from support import exported
from support.daemon_harness import FakeSnapshotJob
from support.fake_clock import FakeClock
from support.fake_transport import FakeTransport

PART = 40
"""Messages of each of the three lives."""
POLL = 5
END = 3 * PART
MORE = 10
"""Messages after the damage."""
AS_THEY_WERE = (1, 2, 3)
"""Number of the life whose settings hold for each of the lives, where nothing is lost."""
RECOMMENDERS = [kind.__name__ for kind in exported.LEARNERS if kind.input_kind == "ratings"]
BINARY = ["LogisticRegressor", *(kind.__name__ for kind in exported.LEARNERS if issubclass(kind, Interactions))]
"""Learners to which a label is 1 or 0."""
SMALL: dict[str, dict[str, Any]] = {
    **{name: {"users_max": 20, "items_max": 20, "seen_max": 4} for name in RECOMMENDERS},
    "RiverRegressor": {"model": ["preprocessing.StandardScaler", "linear_model.LinearRegression"]},
    "RiverRecommender": {"model": "reco.BiasedMF"},
}
"""Parameters that keep the state small, so that a fault hits each of its parts often."""
BUILT_IN = [kind.__name__ for kind in exported.LEARNERS]
LEARNERS = [*BUILT_IN, "RiverRegressor", "RiverRecommender"]


def parameters(learner: str) -> dict[str, Any]:
    """Table `[learner]` of the configuration."""
    small = dict(SMALL.get(learner, {"features_max": 8}))
    small |= {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in exported.SMALL.get(learner, {}).items()
    }
    return {"type": learner, **small}


def payloads(learner: str, count: int) -> list[bytes]:
    """Messages of every kind: events, arrays, labels, questions, repeats, withdrawn items, and what cannot be used."""
    dice = random.Random(f"{learner} events")
    rates = learner in (*RECOMMENDERS, "RiverRecommender")
    made: list[bytes] = []

    def event(number: int) -> dict[str, Any]:
        y: float = number % 2 if learner in BINARY else round(dice.gauss(10, 3), 3)
        one: dict[str, Any] = {"id": f"e{number}", "y": y}
        if rates:
            one |= {"user": dice.randint(1, 6), "item": f"i{dice.randint(1, 9)}"}
        else:
            x = {"temp": round(dice.gauss(5, 2), 3), "wind": dice.randint(0, 9)}
            one["x"] = x if learner == "RiverRegressor" else {**x, "site": dice.choice(["north", "south"])}
        if dice.random() < 0.1:
            del one["y"]
        if dice.random() < 0.3:
            del one["id"]
        return one

    for number in range(count):
        kind = dice.random()
        if kind < 0.08:
            made.append(dice.choice([b"", b"\xff", b'{"x": 3}', b'{"y": 1}', b"[7, 8, {}]"]))
        elif kind < 0.3:
            made.append(json.dumps([event(10 * number + i) for i in range(dice.randint(1, 4))]).encode())
        elif kind < 0.4 and made:
            made.append(dice.choice(made))
        elif rates and kind < 0.45:
            about = {"item": f"i{dice.randint(1, 30)}", "available": dice.random() < 0.3, "id": f"a{number}"}
            made.append(json.dumps(about).encode())
        else:
            made.append(json.dumps(event(10 * number)).encode())
    return made


class RecordingStore(Store):
    """Store that records what it has made durable."""

    appended: list[Message]

    def append(self, messages: Sequence[Message], answered: int, *, hurry: bool = False) -> int:
        size = super().append(messages, answered, hurry=hurry)
        self.appended += messages
        return size


class Device:
    """The daemon's own code on a state folder, with a transport that acknowledges at once."""

    def __init__(self, config: Config) -> None:
        state = config.state
        self.transport = FakeTransport([])
        self.transport.window = 40
        self.store = RecordingStore(
            state.path,
            durability=state.durability,
            journal_bytes_max=state.journal_bytes_max,
            dead_letters_max=state.dead_letters_max,
        )
        self.store.appended = []
        # A checkpoint has several pieces, but not so many that writing them is most of the work.
        self.store.piece_bytes = 8000
        self.daemon = Daemon(config, self.transport, self.store, FakeClock(), FakeSnapshotJob())

    def recover(self) -> Engine:
        """Start, and finish the checkpoint that each start begins."""
        self.daemon.recover()
        self.receive([])
        return self.daemon.engine

    def receive(self, payloads: list[bytes]) -> None:
        """Take messages in and commit them."""
        for at in range(0, len(payloads), POLL):
            self.transport.arriving.append(list(payloads[at : at + POLL]))
            self.daemon.turn(0.0)
            self.daemon._committer.commit()
        while self.daemon._committer._writer is not None:
            self.daemon.turn(0.0)

    def checkpoint(self) -> None:
        """Save a checkpoint."""
        self.daemon._committer.checkpoint(lambda: None)

    def close(self) -> None:
        """Stop."""
        self.daemon.close()

    def abandon(self) -> None:
        """End without saving, as kill -9 does; only the files are closed."""
        self.store._files = None
        self.store._db.close()


class Lives:
    """Folders of one learner, and what a device without faults has learned after each message.

    Attributes:
        messages: All messages, in order.
        dead_letters: Records of all dead letters.
        states: State behind each message, from that of a new engine on.

    Args:
        folder: Folder to make them in.
        learner: Type of the learner.
        keep: True to keep the whole journal, False to trim it to what recovery needs.
    """

    def __init__(self, folder: Path, learner: str, *, keep: bool) -> None:
        self.learner, self.keep, self.folder = learner, keep, folder
        self._configs: dict[tuple[Path, int], Config] = {}
        self.payloads = payloads(learner, END + MORE)
        self.messages: list[Message] = []
        state = folder / "state"
        folder.mkdir(parents=True)
        for life in (1, 2, 3):
            device = Device(self.config(state, life))
            device.recover()
            device.receive(self.payloads[(life - 1) * PART : life * PART])
            self.messages += device.store.appended
            if life == 2:
                shutil.copytree(state, folder / "older", symlinks=True)
            if life < 3:
                device.checkpoint()
                log_into_file(state)
                device.abandon()
        (state / "snapshots").mkdir()
        with suppress(ExportError):
            export_snapshots(self.config(state))
        with FolderLock(state, note=str(state)):
            # What it wrote stays in the file.
            pass
        for life in ("killed", "stopped"):
            if life == "stopped":
                device.close()
            shutil.copytree(state, folder / life, symlinks=True)
            report = folder / life / "status.json"
            # The fake clock's time is long past.
            report.write_text(json.dumps({**json.loads(report.read_bytes()), "time": 4e9, "since": 4e9}))
        shutil.rmtree(state)
        self.dead_letters = [json.loads(json.dumps(to_record(each))) for each in find(folder / "killed", Selection())]
        self.states = list(self._states())
        self.bits = codec.encode(self.states[-1])

    def config(self, state: Path, life: int = 3) -> Config:
        """Configuration of a state folder, written beside it; the second life has other limits."""
        path = config_path(state)
        if (state, life) in self._configs:
            return self._configs[state, life]
        events, ids = (2, 20) if life == 2 else (10_000, 2000)
        path.write_text(
            'device = "pump"\n[learner]\n'
            + "".join(f"{name} = {json.dumps(value)}\n" for name, value in parameters(self.learner).items())
            + f'[state]\npath = {json.dumps(str(state))}\ndurability = "process"\n'
            f"journal_bytes_max = {10**6 if self.keep else 1}\n"
            f"[limits]\nevents_per_message_max = {events}\ndedup_window = {ids}\nredelivery_window = 50\n"
        )
        self._configs[state, life] = configuration.load(path, {})
        return self._configs[state, life]

    def _settings(self, position: int, lives: Sequence[int] = AS_THEY_WERE) -> EngineSettings:
        """Settings that hold for the message at a position, where each life has those of another one or its own."""
        return self._by_life[lives[min((position - 1) // PART, 2)] - 1]

    @cached_property
    def _by_life(self) -> list[EngineSettings]:
        return [self.config(self.folder / "none", life).engine_settings() for life in (1, 2, 3)]

    def _states(self) -> Iterator[dict[str, Any]]:
        engine = self.engine(0)
        yield engine.state_dict()
        for message in self.messages:
            engine.configure(**self._settings(message.position).options())
            engine.handle(message)
            yield engine.state_dict()

    def engine(self, position: int, lives: Sequence[int] = AS_THEY_WERE) -> Engine:
        """Engine of a device without faults behind a message."""
        config = self.config(self.folder / "none")
        engine = config.build_engine(self._settings(max(position, 1), lives))
        if position:
            engine.load_state_dict(self.states[position])
        return engine

    def engine_without(
        self, start: int, messages: Sequence[Message], end: int, lives: Sequence[int] = AS_THEY_WERE
    ) -> Engine:
        """Engine that went on behind a message with some of the messages only.

        Args:
            start: Position of the message behind which it starts.
            messages: Those that are there.
            end: Position at which it ends.
            lives: Number of the life whose settings hold for each of the lives.
        """
        engine = self.engine(start, lives)
        for message in messages:
            if message.position > start:
                if message.position > engine.position + 1:
                    engine.skip_to(message.position - 1)
                engine.configure(**self._settings(message.position, lives).options())
                engine.handle(message)
        if engine.position < end:
            engine.skip_to(end)
        return engine


def config_path(state: Path) -> Path:
    """Path of the configuration of a state folder."""
    return state.with_suffix(".toml")


def log_into_file(state: Path) -> None:
    """Move the write-ahead log into the file, as SQLite does now and then."""
    with closing(sqlite3.connect(state / FILE)) as db:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
