"""What a device publishes is listened to beside the daemon, again after a loss, and only in part where it is much."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest

from edgedescent.config import Config
from edgedescent.errors import TransportError
from edgedescent.interfaces import Delivery
from edgedescent.watch import feed
from edgedescent.watch.feed import Connection, Feed, Sampled, listen, look
from support.state_folder import a_config
from support.waiting import eventually


class Reply:
    def __init__(self, is_failure: bool) -> None:
        self.is_failure = is_failure

    def __str__(self) -> str:
        return "Not authorized"


class Client:
    """Admin client that is given what comes in each poll, a quarter of a second long."""

    def __init__(self, come: Callable[[int], list[Delivery]], *, refused: str = "") -> None:
        self._come, self._refused = come, refused
        self.polls = 0
        self.topics: list[str] = []
        self.log: list[str] = []
        self.closed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    def subscribe(self, topics: list[str]) -> dict[str, Reply]:
        self.topics += topics
        self.log += [f"{self.polls}+{topic}" for topic in topics]
        return {topic: Reply(topic == self._refused) for topic in topics}

    def unsubscribe(self, topics: list[str]) -> None:
        for topic in topics:
            self.topics.remove(topic)
            self.log.append(f"{self.polls}-{topic}")

    def poll(self, timeout_s: float) -> list[Delivery]:
        assert 0 < timeout_s <= 1.0
        self.polls += 1
        return [one for one in self._come(self.polls) if one.topic in self.topics]

    def now(self) -> float:
        return self.polls * 0.25


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return a_config(tmp_path)


def use(monkeypatch: pytest.MonkeyPatch, client: Client) -> Client:
    monkeypatch.setattr(Config, "build_admin_client", lambda _config, _purpose: client)
    return client


def on(config: Config, name: str, content: Any) -> Delivery:
    return Delivery(config.topic(name), json.dumps(content).encode())


def test_a_picture_is_there_once_the_daemon_has_reported(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    news = {
        1: [on(config, "status", {"state": "online"})],
        3: [on(config, "predictions", {"prediction": 1.5})],
        5: [on(config, "metrics", {"messages": 3})],
    }
    client = use(monkeypatch, Client(lambda poll: news.get(poll, [])))
    picture = look(config, client.now)
    assert (client.polls, client.closed) == (5, 1)
    assert (picture.daemon.state, picture.numbers, picture.answers[0].prediction) == ("online", {"messages": 3}, 1.5)


def test_nobody_waits_for_a_daemon_that_was_stopped(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    client = use(monkeypatch, Client(lambda _poll: [on(config, "status", {"state": "stopped"})]))
    assert look(config, client.now).daemon.problem == "The daemon was stopped."
    assert client.polls == 1


def test_a_wait_in_vain_ends(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    client = use(monkeypatch, Client(lambda _poll: []))
    assert "Nothing has come on" in look(config, client.now).daemon.problem
    assert client.now() == pytest.approx(2 * config.metrics.interval_s + 5, abs=1.0)


def test_a_refused_subscription_is_an_error_with_the_way_out(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = config.topic("metrics")
    client = use(monkeypatch, Client(lambda _poll: [], refused=topic))
    with pytest.raises(TransportError, match=f"refuses the subscription to {topic}: Not authorized") as error:
        look(config, client.now)
    assert "--broker" in error.value.hint
    assert client.closed == 1


@pytest.mark.parametrize(("each", "sampled"), [(10, False), (100, True)])
def test_fast_answers_are_listened_to_in_looks(
    config: Config, monkeypatch: pytest.MonkeyPatch, each: int, sampled: bool
) -> None:
    predictions = config.topic("predictions")
    client = use(monkeypatch, Client(lambda _poll: [on(config, "predictions", {"prediction": 1.0})] * each))
    n_answers, signs = 0, []
    with closing(listen(config, client.now)) as listening:
        for news in listening:
            n_answers += sum(isinstance(one, Delivery) for one in news)
            signs += [one.value for one in news if isinstance(one, Sampled)]
            if client.now() >= 60.0:
                break
    assert (True in signs) == sampled
    if sampled:
        # Looks of at most a second, with pauses of five between them.
        assert n_answers <= 12 * (feed.ANSWERS_PER_LOOK + 2 * each)
        assert client.log[-1].endswith(predictions)
        assert sum(line.endswith(f"-{predictions}") for line in client.log) >= 9
    else:
        assert n_answers == each * client.polls


def test_a_lost_connection_is_told_and_made_again(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "RETRY_S", 0.01)

    def come(poll: int) -> list[Delivery]:
        if poll == 2:
            raise TransportError("The broker is gone.", "Is it running?")
        return [on(config, "metrics", {"messages": poll})]

    client = use(monkeypatch, Client(come))
    source = Feed(config)
    source.start()
    found: list[Any] = []
    eventually(lambda: found.extend(source.take()) or found.count(Connection(None)) == 2, "a second connection")
    source.stop()
    assert Connection("The broker is gone. Is it running? Next attempt in 0.01 s.") in found
    assert client.closed == 2


def test_a_defect_ends_the_view_instead_of_the_news(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def come(_poll: int) -> list[Delivery]:
        raise RuntimeError("a defect")

    use(monkeypatch, Client(come))
    source = Feed(config)
    source.start()

    def fails() -> bool:
        try:
            source.take()
        except RuntimeError:
            return True
        return False

    eventually(fails, "the error")
    source.stop()
