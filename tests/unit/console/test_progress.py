"""The progress bar: shown on a terminal only, and only once work takes a while."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from edgedescent.console import terminal
from edgedescent.console.terminal import Progress


class Screen(io.StringIO):
    """Standard error of a person."""

    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, total: int | Callable[[], int | None], unit: str = "") -> str:
    """What a bar shows that gets three updates."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with Progress("Sending", unit) as bar:
        for done in (1, 2, 3):
            bar.update(done, total)
    return screen.getvalue()


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, lambda: pytest.fail("the total is not needed")) == ""


def test_a_pipe_shows_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(terminal, "PROGRESS_AFTER_S", 0.0)
    with Progress("Sending") as bar:
        bar.update(1, lambda: pytest.fail("the total is not needed"))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("total", [3, lambda: 3])
def test_long_work_shows_its_share(monkeypatch: pytest.MonkeyPatch, total: int | Callable[[], int]) -> None:
    monkeypatch.setattr(terminal, "PROGRESS_AFTER_S", 0.0)
    text = shown(monkeypatch, total)
    assert "Sending" in text
    assert "100%" in text
    assert "/s" not in text


def test_a_unit_shows_counts_and_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "PROGRESS_AFTER_S", 0.0)
    text = shown(monkeypatch, 3, "events")
    assert "3/3" in text
    assert " events/s" in text


def test_an_unknown_total_shows_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "PROGRESS_AFTER_S", 0.0)
    text = shown(monkeypatch, lambda: None, "events")
    assert "%" not in text
    assert " events/s" in text
