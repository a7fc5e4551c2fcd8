"""`check --listen` tells how many of the messages that arrive are events, and why others are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from edgedescent.config import Config
from edgedescent.daemon import listening
from edgedescent.interfaces import CheckResult, Delivery
from support.state_folder import a_config


class Granted:
    is_failure = False


class Refused:
    is_failure = True


class Client:
    """Admin client whose messages are given, and whose time is the number of its polls."""

    polls: ClassVar[int] = 0

    def __init__(self, payloads: list[bytes], reply: Any = Granted) -> None:
        self._payloads, self._reply = payloads, reply
        Client.polls = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def subscribe(self, filters: list[str]) -> dict[str, Any]:
        return {name: self._reply() for name in filters}

    def poll(self, timeout_s: float) -> list[Delivery]:
        assert 0.0 < timeout_s <= 1.0
        Client.polls += 1
        payloads, self._payloads = self._payloads[:1], self._payloads[1:]
        return [Delivery("events", payload, packet_id=0, qos=0) for payload in payloads]


def heard(
    monkeypatch: pytest.MonkeyPatch, folder: Path, payloads: list[bytes], reply: Any = Granted
) -> list[CheckResult]:
    client = Client(payloads, reply)
    monkeypatch.setattr(Config, "build_admin_client", lambda _config, _purpose: client)

    def now() -> Iterator[float]:
        while True:
            yield Client.polls * 0.2

    clock = now()
    return list(listening.listen(a_config(folder), 2.0, lambda: next(clock)))


def test_events_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (result,) = heard(
        monkeypatch, tmp_path, [b'{"x": {"a": 1}, "y": 2}', b'[{"x": {"a": 1}}, {"x": {"a": 2}, "y": 1}]']
    )
    assert (result.level, result.message) == ("ok", "2 came in 2 s, with 3 events, 2 of them with a label.")
    assert Client.polls == 10


def test_it_says_why_messages_are_no_events(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (result,) = heard(monkeypatch, tmp_path, [b"21.5", b"21.7", b'{"x": {"a": 1}, "target": 2}', b'{"x": {"a": 1}}'])
    assert result.level == "warning"
    assert "4 came in 2 s, with 1 events, 0 of them with a label. 3 are no events: 2 times " in result.message
    assert "missing_field" in result.message
    assert result.hint == "They would become dead letters."


def test_silence_and_a_refusal_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (result,) = heard(monkeypatch, tmp_path, [])
    assert (result.level, result.message[:19]) == ("warning", "None came in 2 s on")
    (result,) = heard(monkeypatch, tmp_path, [], Refused)
    assert result.level == "error"
    assert "refuses the subscription" in result.message
