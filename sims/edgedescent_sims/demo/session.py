"""Session of the demo: a broker, a daemon and a replay, and the comparison of its snapshot with the daemon."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgedescent import config as configuration
from edgedescent.daemon.status import read_status
from edgedescent.errors import ConfigError, EdgeDescentError, TransportError
from edgedescent.learners import LEARNERS
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store
from edgedescent_mqtt.client import Connection, MqttClient
from edgedescent_mqtt.connect import open_socket
from edgedescent_sims.broker.process import BrokerProcess
from edgedescent_sims.demo import recommending
from edgedescent_sims.publish.stream import PublishReport, publish
from edgedescent_sims.sources import Notify, Source, ignore
from edgedescent_sims.sources.journal import JournalSource
from edgedescent_sims.sources.ratings import RatingsSource
from edgedescent_sims.sources.titles import titles_beside

DEVICE = "demo"
WATCHABLE_S = 8.0
"""Duration of the replay of a small data set, long enough for a person to follow it."""
_SMALL = 5000
_EXPLAINED = 30
"""Number of the last events whose predictions are explained."""
_START_TIMEOUT_S = 20.0
_IDLE_TIMEOUT_S = 20.0
_EXPORT_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0

_WATCHED = ("metrics", "drift", "snapshots", "predictions", "recommendations")
_CONFIG = """\
# Written by the demo, whose broker is gone by now. To go on with what was learned, put host and port of your own broker
# below, and run: edgedescent run {path}
device = "{device}"

[broker]
host = "{host}"
port = {port}
protocol = "{protocol}"

[learner]
type = "{learner}"
{categories}
[state]
path = {state}

[metrics]
interval_s = 0.25
{recommend}"""


@dataclass(frozen=True)
class DemoResult:
    """Outcome of a demo session."""

    report: PublishReport
    seconds: float
    """Time from the first event that was sent to the last that was learned."""
    metrics: dict[str, Any]
    model_card: dict[str, Any]
    onnx_max_abs_diff: float
    """Largest difference between predictions of onnxruntime and those of the daemon over the broker."""
    questions: int
    """Number of events that both have predicted."""
    learner: Any
    folder: Path
    broker: str
    recent: list[dict[str, Any]]
    """Features of the last events; none for a recommender."""
    titles: dict[str, str]
    """Titles of the items by id, where they are known."""
    newcomer: list[recommending.Step]
    """Lists of a user who comes last, after each event; none for a learner of features."""
    hit_rates: dict[str, float]
    """Share of the next choices that lists contained: of the model, and of popularity; none for ratings."""

    def summary(self) -> dict[str, Any]:
        """Return the figures, for `--json`."""
        return {
            "events_sent": self.report.events_sent + sum(step.item is not None for step in self.newcomer),
            "events_learned": self.metrics["events_learned"],
            "duplicates": self.metrics["duplicates"],
            "dead_letters": self.metrics["dead_letters"],
            **{
                name: self.metrics[name]
                for name in ("mae", "rmse", "mae_last_value", "mae_mean")
                if name in self.metrics and not self.hit_rates
            },
            **{f"hit_rate_{name}": rate for name, rate in self.hit_rates.items()},
            **({"newcomer": [step._asdict() for step in self.newcomer]} if self.newcomer else {}),
            "seconds": self.seconds,
            "memory_bytes": self.metrics["memory_bytes"],
            "onnx_path": self.model_card["path"],
            "onnx_sha256": self.model_card["sha256"],
            "parity_max_abs_diff": max(self.model_card["parity"]["max_abs_diff"], self.onnx_max_abs_diff),
            "parity_events": self.model_card["parity"]["events"] + self.questions,
            "broker": self.broker,
            "folder": str(self.folder),
        }


class DemoSession:
    """Broker and daemon of a demo, with their files in one folder; use it in a `with` block, which stops both.

    Args:
        source: Events to learn from; their kind decides the learner.
        folder: Folder for configuration, log, state and snapshots. Those of an earlier session are replaced.
        learner: Name of the learner, with its default parameters; `AutoRegressor` or `AutoRecommender` if None.
        notify: Called with one line for each notice to the user.

    Raises:
        ConfigError: If the folder holds something else, or the learner does not learn from such events.
        TransportError: If the broker or the daemon does not start.
    """

    def __init__(self, source: Source, folder: Path, *, learner: str | None = None, notify: Notify = ignore) -> None:
        self.source = source
        self.learner = learner or ("AutoRegressor" if source.kind == "features" else "AutoRecommender")
        self._kind = LEARNERS.find(self.learner, "--learner")
        if self._kind.input_kind != source.kind:
            raise ConfigError(f"{self.learner} does not learn from {source.kind}.", "Choose another --learner.")
        self.folder = folder.resolve()
        self.config_path = self.folder / "device.toml"
        self.log_path = self.folder / "daemon.log"
        self.metrics: list[dict[str, Any]] = []
        self.seconds = 0.0
        """Time from the first event that was sent to the last that was learned."""
        self.latest_alarm: dict[str, Any] | None = None
        self.broker = BrokerProcess()
        self._notify = notify
        self._daemon: subprocess.Popen[bytes] | None = None
        self._watcher: MqttClient | None = None
        self._answers: dict[str, float] = {}
        self._lists: dict[str, list[str]] = {}
        self._model_card: dict[str, Any] | None = None
        self._changed = threading.Condition()
        self._report: PublishReport | None = None

    # --- Start and stop -------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start broker and daemon."""
        self._clear_folder()
        try:
            self.broker.start()
            self._write_config()
            self._watch()
            with self.log_path.open("wb") as log:
                self._daemon = subprocess.Popen(
                    [sys.executable, "-m", "edgedescent", "run", str(self.config_path)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # In a session of its own it does not get Ctrl-C: `_stop` ends it.
                    start_new_session=True,
                )
            self._await(lambda: bool(self.metrics), _START_TIMEOUT_S, "The daemon does not start")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop daemon and broker."""
        self._stop()

    def _stop(self) -> None:
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.send_signal(signal.SIGTERM)
            try:
                self._daemon.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
                self._notify("The daemon did not stop when asked and was killed.")
        if self._watcher is not None:
            self._watcher.disconnect()
            self._watcher.loop_stop()
            self._watcher = None
        self.broker.close()

    def _clear_folder(self) -> None:
        try:
            if self.folder.exists() and any(self.folder.iterdir()):
                if not self.config_path.exists() or not self.log_path.exists():
                    raise ConfigError(f"The folder {self.folder} holds something else.", "Give another --folder.")
                shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The folder {self.folder} cannot be used: {error.strerror}.", "Give another --folder."
            ) from error

    def _write_config(self) -> None:
        # Without it, a learner would read the names of a column such as part numbers as amounts.
        categories = list(getattr(self.source, "categories", ()))
        text = _CONFIG.format(
            categories=f"categories = {json.dumps(categories, ensure_ascii=False)}\n" if categories else "",
            path=self.config_path,
            device=DEVICE,
            host=self.broker.host,
            port=self.broker.port,
            protocol=self.broker.protocols[0],
            learner=self.learner,
            # A JSON string is a TOML string too, whatever characters it holds.
            state=json.dumps(str(self.folder / "state"), ensure_ascii=False),
            recommend=recommending.config(self._kind) if self.source.kind == "ratings" else "",
        )
        self.config_path.write_text(text, encoding="utf-8")

    # --- Watching -------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        connection = self._connection()
        self._watcher = watcher = MqttClient(f"edgedescent-{DEVICE}-watcher", connection.protocol)
        watcher.on_message = self._on_message
        watcher.on_connect = lambda client, *_: client.subscribe(
            [(f"edgedescent/{DEVICE}/{name}", 1) for name in _WATCHED]
        )
        watcher.connect_over(open_socket(connection, _START_TIMEOUT_S), connection)
        watcher.loop_start()

    def _connection(self) -> Connection:
        return Connection(self.broker.host, self.broker.port, self.broker.protocols[0])

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        kind = message.topic.rsplit("/", 1)[1]
        if kind == "predictions" and b'"question-' not in message.payload:
            return
        content = json.loads(message.payload)
        with self._changed:
            if kind == "metrics":
                self.metrics.append(content)
            elif kind == "drift":
                self.latest_alarm = content
            elif kind == "snapshots":
                self._model_card = content
            elif kind == "recommendations":
                self._lists[content["id"]] = content["items"]
            else:
                self._answers[content["id"]] = content["prediction"]
            self._changed.notify_all()

    def _await(self, condition: Callable[[], bool], timeout_s: float, complaint: str) -> None:
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                if self._daemon is not None and self._daemon.poll() is not None:
                    raise EdgeDescentError(f"The daemon ended: {self._last_log_line()}", f"See {self.log_path}.")
                if time.monotonic() > deadline:
                    raise TransportError(f"{complaint}: {self._last_log_line()}", f"See {self.log_path}.")
                self._changed.wait(0.1)

    def _last_log_line(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "its log is empty"

    # --- The session ----------------------------------------------------------------------------------------------

    @property
    def length(self) -> int | None:
        """Number of events of the source, None where it is unknown."""
        return self.source.length()

    def replay(
        self,
        *,
        rate: float | None = None,
        limit: int | None = None,
        on_progress: Callable[[int], None] = lambda _events: None,
    ) -> None:
        """Publish the source and wait until the daemon has learned everything.

        Args:
            rate: Events per second; if None, such that a small data set takes `WATCHABLE_S`.
            limit: Most events to send; all if None.
            on_progress: Called with the number of events sent so far.

        Raises:
            TransportError: If the broker or the daemon does not make progress.
        """
        length = min(self.length or _SMALL, limit or sys.maxsize)
        if rate is None and length <= _SMALL:
            rate = max(length / WATCHABLE_S, 1.0)
        # What a journal holds is sent message by message.
        batch = 1 if length <= _SMALL or isinstance(self.source, JournalSource) else 20
        started = time.monotonic()
        self._report = publish(
            self.source,
            self._connection(),
            topic=f"edgedescent/{DEVICE}/events",
            rate=rate,
            limit=limit,
            batch=batch,
            notify=self._notify,
            on_progress=on_progress,
        )
        sent = self._report.events_sent
        counters = ("events_learned", "events_predicted", "duplicates", "dead_letters")
        deadline = time.monotonic() + _IDLE_TIMEOUT_S
        last = -1
        while (done := sum(self.metrics[-1][name] for name in counters)) < sent:
            if done > last:
                last, deadline = done, time.monotonic() + _IDLE_TIMEOUT_S
            if time.monotonic() > deadline:
                raise TransportError(f"The daemon handled {done} of {sent} events.", f"See {self.log_path}.")
            on_progress(sent)
            time.sleep(0.05)
        self.seconds = time.monotonic() - started

    def finish(self) -> DemoResult:
        """Export a snapshot, compare its predictions with the daemon's, and stop daemon and broker.

        Raises:
            TransportError: If the daemon publishes no snapshot or does not answer.
        """
        if self._report is None or self._daemon is None:
            raise RuntimeError("There was no replay to finish.")
        replayed = self.metrics[-1]
        newcomer = self._newcomer(self._report.events_sent) if self.source.kind == "ratings" else []
        self._daemon.send_signal(signal.SIGUSR1)
        self._await(lambda: self._model_card is not None, _EXPORT_TIMEOUT_S, "No snapshot was published")
        model_card = self._model_card
        assert model_card is not None  # noqa: S101 - just awaited
        difference, questions = self._compare(Path(model_card["path"]))
        loaded = configuration.load(self.config_path)
        metrics = read_status(loaded)
        self._stop()
        store = Store(loaded.state.path, read_only=True)
        try:
            learner = recover(loaded, store).learner
        finally:
            store.close()
        return DemoResult(
            self._report,
            self.seconds,
            metrics,
            model_card,
            difference,
            questions,
            learner,
            self.folder,
            self.broker.kind,
            self._recent(self._report.events_sent),
            titles_beside(Path(self.source.path)) if isinstance(self.source, RatingsSource) else {},
            newcomer,
            self._hit_rates(replayed, self._report.events_sent),
        )

    def _newcomer(self, sent: int) -> list[recommending.Step]:
        """Let a new user have some events, and ask for the list before and after each."""
        self.source.skipped_rows.notify = ignore  # They were told of before.
        steps = [recommending.Step(None, self._ask("list-0"))]
        for number, event in enumerate(recommending.newcomer_events(islice(self.source.events(), sent)), 1):
            self._send("events", {**event, "id": f"newcomer-{number}"})
            steps.append(recommending.Step(str(event["item"]), self._ask(f"list-{number}")))
        return steps

    def _ask(self, request: str) -> list[str]:
        """Ask the daemon for the newcomer's list, by a request behind all events so far."""
        self._send("recommend", {"user": recommending.NEWCOMER, "id": request})
        self._await(lambda: request in self._lists, _IDLE_TIMEOUT_S, "The daemon does not recommend")
        return self._lists[request][: recommending.SHOWN]

    def _send(self, topic: str, content: dict[str, Any]) -> None:
        assert self._watcher is not None  # noqa: S101 - made on entry
        self._watcher.publish(f"edgedescent/{DEVICE}/{topic}", json.dumps(content), qos=1)

    def _hit_rates(self, metrics: dict[str, Any], sent: int) -> dict[str, float]:
        """Hit rates of the model and of popularity, for a learner of choices."""
        if "hit_rate_at_k" not in metrics:
            return {}
        of_popularity = recommending.popularity_hit_rate(self.source.events(), sent)
        return {"model": metrics["hit_rate_at_k"], "popularity": of_popularity or 0.0}

    def _recent(self, sent: int) -> list[dict[str, Any]]:
        """Return the features of the last events that were sent."""
        if self.source.kind == "ratings":
            return []
        self.source.skipped_rows.notify = ignore  # They were told of before.
        return [event["x"] for event in deque(islice(self.source.events(), sent), maxlen=_EXPLAINED)]

    def _compare(self, model: Path) -> tuple[float, int]:
        """Let the daemon, over the broker, and the snapshot, through onnxruntime, predict the same events.

        Returns:
            The largest difference, and the number of events.
        """
        from edgedescent_onnx import OnnxAdapter

        events = list(islice(self.source.events(), 5))
        questions = [{k: v for k, v in event.items() if k not in ("id", "y")} for event in events]
        for number, question in enumerate(questions):
            self._send("events", {**question, "id": f"question-{number}"})
        self._await(lambda: len(self._answers) == len(questions), _IDLE_TIMEOUT_S, "The daemon does not answer")
        served = OnnxAdapter().predict(model.read_bytes(), questions)
        live = [self._answers[f"question-{number}"] for number in range(len(questions))]
        return max(abs(a - b) for a, b in zip(live, served, strict=True)), len(questions)
