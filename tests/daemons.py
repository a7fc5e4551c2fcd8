"""A daemon as a process of its own, someone to talk to it over a broker, and what it must have learned."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from stores import bits

from edgedescent import config as configuration
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.state.recovery import new_engine, recover
from edgedescent.state.store import Store

PATIENCE_S = 30.0
"""How long to wait for what must happen. It hardly ever takes a second, but the machine may be loaded."""
STOP_S = 10.0
"""How long a daemon may take to stop."""
T = TypeVar("T")


def eventually(ask: Callable[[], T], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Ask until the answer is true; returns it."""
    until = time.monotonic() + timeout_s
    while not (answer := ask()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.02)
    return answer


class DaemonProcess:
    """`edgedescent run` on a configuration of its own; ends with the `with` block at the latest.

    Args:
        folder: where configuration, log and state go.
        port: of the broker.
        device: names the topics and the MQTT client.
        broker: further lines of the table `[broker]`.
        tables: further tables.
        learner: the type of the learner.
        parameters: further lines of the table `[learner]`.
        metrics_s: how often it tells how it is.
        environment: further variables.
        wrapper: a command that starts it in its own process, such as a tracer that steps aside.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        device: str = "pump",
        broker: str = "",
        tables: str = "",
        learner: str = "LinearRegressor",
        parameters: str = "",
        metrics_s: float = 0.1,
        environment: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.device = device
        self.config_path = folder / "device.toml"
        self.log_path = folder / "daemon.log"
        self.state_path = folder / "state"
        self._environment = {**os.environ, **(environment or {})}
        self.wrapper = wrapper
        self._process: subprocess.Popen[bytes] | None = None
        host = "" if "host" in broker else 'host = "127.0.0.1"\n'
        bound = "" if "reconnect_max_s" in broker else "reconnect_max_s = 2.0\n"
        state = "" if "[state]" in tables else f'[state]\npath = "{self.state_path}"\n'
        self.config_path.write_text(
            f'device = "{device}"\n[learner]\ntype = "{learner}"\n{parameters}\n'
            f"{state}[metrics]\ninterval_s = {metrics_s}\n"
            f"[broker]\n{host}port = {port}\nreconnect_min_s = 0.1\n{bound}{broker}\n{tables}\n"
        )

    def start(self) -> Self:
        """Start it; it goes on where the last one ended."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.wrapper, sys.executable, "-m", "edgedescent", "run", str(self.config_path)],
                stderr=log,
                env=self._environment,
            )
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if kind is not None:
            print(f"--- log of the daemon {self.device}\n{self.log}")

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process is not None and self._process.poll() is None

    @property
    def standing(self) -> bool:
        """Whether SIGSTOP has taken effect: what it had asked of the kernel is done, and not yet heeded."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None, "it was not started"
        self._process.send_signal(number)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to stop, which must work; returns how many seconds it took."""
        started = time.monotonic()
        self.tell(how)
        assert self.wait() == 0
        return time.monotonic() - started

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait until it ends; returns its exit code."""
        assert self._process is not None, "it was not started"
        code = self._process.wait(timeout_s)
        self._process = None
        return code

    @property
    def log(self) -> str:
        """What it has logged so far, over all its lives."""
        return self.log_path.read_text()

    def logged(self, pattern: str, count: int = 1, timeout_s: float = PATIENCE_S) -> list[str]:
        """Wait until so many matches of a pattern are in the log; returns them all."""
        return eventually(
            lambda: found if len(found := re.findall(pattern, self.log)) >= count else self._alive([]),
            f"{count} times {pattern!r} in the log:\n{self.log}",
            timeout_s,
        )

    def connected(self, count: int = 1) -> Self:
        """Wait until it has connected and subscribed for the `count`-th time over all its lives."""
        self.logged(r"INFO Receiving edgedescent/", count)
        return self

    def memory_mib(self) -> tuple[float, float]:
        """The memory that it holds now, and the most that it has held in this life."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if "kB" in rest}
        return kib["VmRSS"] / 1024, kib["VmHWM"] / 1024

    def status(self) -> dict[str, Any]:
        """What it last said of itself; nothing before it first did in this life."""
        try:
            status: dict[str, Any] = json.loads((self.state_path / "status.json").read_bytes())
        except (FileNotFoundError, ValueError):
            # After a power cut it may be empty: it is not synced.
            return {}
        return status if status["pid"] == self.pid else {}

    def counted(self, count: int, name: str = "events_learned") -> dict[str, Any]:
        """Wait until a counter has come to `count`; returns the status."""
        eventually(
            lambda: self.status().get(name, 0) >= count or self._alive(False),
            f"{name} of {count}; status: {self.status()}",
        )
        return self.status()

    def _alive(self, answer: T) -> T:
        """Return `answer` unless it has ended, so that nobody waits for a dead process."""
        assert self._process is None or self._process.poll() is None, f"it ended:\n{self.log}"
        return answer

    # --- What is in its state folder ------------------------------------------------------------------------------

    @property
    def config(self) -> configuration.Config:
        """Its configuration."""
        return configuration.load(self.config_path, {})

    def journal(self) -> list[Message]:
        """Every message of its journal."""
        store = Store(self.state_path, read_only=True)
        try:
            return list(store.read(after=0))
        finally:
            store.close()

    def recovered(self) -> Engine:
        """The engine as the next start would find it."""
        store = Store(self.state_path, read_only=True)
        try:
            return recover(self.config, store)
        finally:
            store.close()

    def replayed(self) -> Engine:
        """An engine of the same configuration that was fed the journal, which must reach back to its beginning."""
        engine = new_engine(self.config)
        for message in self.journal():
            engine.handle(message)
        return engine

    def undisturbed(self, payloads: Iterable[bytes]) -> Engine:
        """An engine of the same configuration that was fed these payloads, one after another, and never stopped."""
        engine = new_engine(self.config)
        for position, payload in enumerate(payloads, start=1):
            engine.handle(Message(position, 0.0, "events", payload))
        return engine


class Peer:
    """Whoever sends events to a device and listens to its answers; use it in a `with` block."""

    def __init__(self, port: int, device: str = "pump", username: str | None = None, password: str = "") -> None:
        self.received: list[tuple[str, bytes, bool]] = []
        """Topic, payload, and whether it was retained."""
        self.answers_count = 0
        """How many messages with predictions are among them."""
        self._prefix = f"edgedescent/{device}/"
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        # Retained messages come first; with events among the topics, a slow test would choke on its own.
        topics = [(f"{self._prefix}{name}", 1) for name in ("predictions", "metrics", "snapshots", "status")]
        self._client.on_connect = lambda client, *_: client.subscribe(topics)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.max_inflight_messages_set(200)
        self._client.reconnect_delay_set(1, 1)
        if username is not None:
            self._client.username_pw_set(username, password)
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S), "the subscription was not confirmed"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        topic = message.topic.removeprefix(self._prefix)
        self.answers_count += topic == "predictions"
        self.received.append((topic, bytes(message.payload), message.retain))

    def send(
        self,
        payloads: Sequence[bytes],
        *,
        qos: int = 1,
        wait: bool = True,
        retain: bool = False,
        topics: Sequence[str] | None = None,
    ) -> None:
        """Publish events in order, to other topics where they are given; waits until the broker has them."""
        sent = [
            self._client.publish(f"{self._prefix}{topic}", payload, qos, retain)
            for payload, topic in zip(payloads, topics or repeat("events"), strict=False)
        ]
        if wait and sent:
            sent[-1].wait_for_publish(PATIENCE_S)
            assert sent[-1].is_published(), "the broker did not take the events"

    def of(self, topic: str) -> list[bytes]:
        """The payloads that came over a topic."""
        return [payload for name, payload, _ in list(self.received) if name == topic]

    def answers(self) -> list[dict[str, Any]]:
        """The predictions that came, those in arrays one by one."""
        found = [json.loads(payload) for payload in self.of("predictions")]
        return [answer for item in found for answer in (item if isinstance(item, list) else [item])]

    def answered(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Wait until each of these events was answered; returns the answers by id."""
        wanted = set(ids)

        def by_id() -> dict[str, dict[str, Any]]:
            found = {answer["id"]: answer for answer in self.answers() if "id" in answer}
            return found if wanted <= found.keys() else {}

        return eventually(by_id, "an answer to each event")

    def states(self) -> list[str]:
        """The states that the device announced."""
        return [json.loads(payload)["state"] for payload in self.of("status")]

    def state(self, wanted: str) -> None:
        """Wait until the device's last announced state is this one."""
        eventually(lambda: self.states()[-1:] == [wanted], f"state {wanted}; announced: {self.states()}")


def event(i: int) -> dict[str, Any]:
    """The event number `i` of a stream that a linear model can learn."""
    x = {"temp": 20.0 + i % 13, "load": (i * 7 % 11) / 3, f"rare{i % 5}": float(i % 3)}
    return {"id": f"e{i}", "x": x, "y": 3 * x["temp"] - 5 * x["load"] + i % 2}


def events(first: int, last: int) -> list[bytes]:
    """Single events as payloads."""
    return [json.dumps(event(i)).encode() for i in range(first, last)]


def ids_in(payloads: Iterable[bytes]) -> list[str]:
    """The ids of the events in payloads, which may be arrays."""
    parts = [json.loads(payload) for payload in payloads]
    return [item["id"] for part in parts for item in (part if isinstance(part, list) else [part])]


def assert_same_learning(one: Engine, other: Engine) -> None:
    """Two engines learned the same, bit for bit; how often they were told of it, and by which packets, may differ."""
    left, right = one.state_dict(), other.state_dict()
    assert left.keys() == right.keys()
    for name in left.keys() - {"position", "counters", "counter_names", "redeliveries", "redeliveries_total"}:
        if isinstance(left[name], list):
            assert left[name] == right[name], name
        else:
            assert left[name].tobytes() == right[name].tobytes(), name
    assert one.counters["events_learned"] == other.counters["events_learned"]


def assert_each_learned_once(daemon: DaemonProcess, payloads: list[bytes], status: dict[str, Any], sent: int) -> None:
    """Whatever was done to a daemon, it has all `sent` events, each once, as one has that was left alone."""
    journal = [message.payload for message in daemon.journal()]
    assert status["events_learned"] == sent
    assert status["dead_letters"] == 0
    assert not Counter(payloads) - Counter(journal), "lost"
    assert set(journal) == set(payloads)
    engine = daemon.recovered()
    assert_same_learning(engine, daemon.undisturbed(payloads))
    assert bits(engine) == bits(daemon.replayed())
    assert "Traceback" not in daemon.log
