"""Messages of a device from its broker: a subscription beside the daemon, which takes nothing from it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import NamedTuple

from edgedescent.config import Config, answer_template
from edgedescent.errors import EdgeDescentError, TransportError
from edgedescent.interfaces import AdminClient, Delivery
from edgedescent.watch.device import DeviceModel
from edgedescent.watch.picture import Picture

POLL_S = 0.25
ANSWERS_PER_LOOK = 200
"""Messages of predictions that are listened to at once; where more come in a second, there is a pause."""
PAUSE_S = 5.0
"""Length of that pause, so that a fast stream costs broker and network next to nothing."""
RETRY_S = 5.0
"""Time between two attempts to connect."""
INBOX_MAX = 500
"""Number of messages that wait for the view; of more, the oldest are dropped."""


class Connection(NamedTuple):
    """Change of the connection to the broker."""

    problem: str | None
    """Reason why there is none; None if there is one."""


class Sampled(NamedTuple):
    """Change of what is listened to."""

    value: bool
    """True if answers come so fast that only some are listened to."""


News = Delivery | Connection | Sampled


def device_model(config: Config, now: float) -> DeviceModel:
    """Model of the device of a configuration.

    Args:
        config: The configuration.
        now: Time of the monotonic clock.
    """
    return DeviceModel(
        config.device,
        status=config.topic("status"),
        metrics=config.topic("metrics"),
        predictions=config.topic("predictions"),
        interval_s=config.metrics.interval_s,
        now=now,
        template=answer_template(config),
    )


def tell(model: DeviceModel, news: News, now: float) -> None:
    """Give news to a model.

    Args:
        model: The model.
        news: The news.
        now: Time of the monotonic clock.
    """
    if isinstance(news, Connection):
        model.set_connection(news.problem, now)
    elif isinstance(news, Sampled):
        model.answers_sampled = news.value
    else:
        model.take(news.topic, news.payload, now)


def listen(config: Config, clock: Callable[[], float] = time.monotonic) -> Generator[list[News]]:
    """Connect, and yield what comes, several times a second, also where it is nothing.

    Args:
        config: The configuration.
        clock: The monotonic clock.

    Raises:
        TransportError: If the broker cannot be reached, refuses a subscription, or is lost.
    """
    template = answer_template(config)
    predictions = config.topic("predictions") if template is None else template.filter
    reports = [config.topic("status"), config.topic("metrics")]
    with config.build_admin_client("watch") as client:
        _subscribe(client, [*reports, predictions])
        yield [Connection(None)]
        look_began, n_answers, paused_until, sampled = clock(), 0, 0.0, False
        while True:
            news: list[News] = [*client.poll(POLL_S)]
            now = clock()
            if paused_until:
                if now >= paused_until:
                    _subscribe(client, [predictions])
                    look_began, n_answers, paused_until = now, 0, 0.0
            else:
                if now - look_began >= 1.0:
                    # Faster streams use up a look within its second.
                    news += [Sampled(value=False)] if sampled else []
                    look_began, n_answers, sampled = now, 0, False
                n_answers += sum(isinstance(one, Delivery) and one.topic not in reports for one in news)
                if n_answers > ANSWERS_PER_LOOK:
                    client.unsubscribe([predictions])
                    paused_until, sampled = now + PAUSE_S, True
                    news.append(Sampled(value=True))
            yield news


def _subscribe(client: AdminClient, topics: list[str]) -> None:
    for topic, reply in client.subscribe(topics).items():
        if reply.is_failure:
            raise TransportError(
                f"The broker refuses the subscription to {topic}: {reply}.",
                "Log in as a user who may read it, such as with --broker mqtt://dashboard@host --password-file FILE.",
            )


def look(config: Config, clock: Callable[[], float] = time.monotonic) -> Picture:
    """Listen until the daemon has reported once, or is known not to run, and return the picture.

    Args:
        config: The configuration.
        clock: The monotonic clock.

    Raises:
        TransportError: If the broker cannot be reached, refuses a subscription, or is lost.
    """
    model = device_model(config, clock())
    until = clock() + 2 * config.metrics.interval_s + 5
    with closing(listen(config, clock)) as listening:
        for news in listening:
            for one in news:
                tell(model, one, clock())
            if model.is_complete or clock() > until:
                break
    return model.picture(clock())


class Feed:
    """Thread that listens, connects again after a loss, and keeps what is new until the view takes it.

    Args:
        config: The configuration.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._messages: deque[Delivery] = deque(maxlen=INBOX_MAX)
        self._changes: deque[Connection | Sampled] = deque(maxlen=INBOX_MAX)
        """Apart, so that a flood of messages drops none of them."""
        self._fault: Exception | None = None
        self._stopping = threading.Event()
        # A thread that still waits for an answer of the broker does not keep the process.
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End the connection, waiting a moment for it."""
        self._stopping.set()
        self._thread.join(timeout=2.0)

    def take(self) -> list[News]:
        """News since the last call.

        Raises:
            Exception: What has ended the thread, which is a defect.
        """
        if self._fault is not None:
            raise self._fault
        changes: list[News] = [self._changes.popleft() for _ in range(len(self._changes))]
        return changes + [self._messages.popleft() for _ in range(len(self._messages))]

    def _keep(self, news: Sequence[News]) -> None:
        for one in news:
            if isinstance(one, Delivery):
                self._messages.append(one)
            else:
                self._changes.append(one)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(listen(self._config)) as listening:
                    for news in listening:
                        self._keep(news)
                        if self._stopping.is_set():
                            return
            except EdgeDescentError as error:
                self._changes.append(Connection(f"{error} {error.hint}".strip() + f" Next attempt in {RETRY_S:g} s."))
            except Exception as error:  # noqa: BLE001 - raised where the view sees it
                self._fault = error
                return
            self._stopping.wait(RETRY_S)
