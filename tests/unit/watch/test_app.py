"""The view shows the picture, follows its keys, and takes no text for markup."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from edgedescent.interfaces import Delivery
from edgedescent.watch.app import HelpScreen, Panel, WatchApp
from edgedescent.watch.device import DeviceModel
from edgedescent.watch.feed import Connection, News

EVIL = "[bold red]\x1b[2J[/"
SILENT = {"feature": EVIL, "input": "room", "value": EVIL, "age_s": 9.0, "missing": True, "missing_share": 0.5}
METER = {"feature": "power", "input": "meter", "value": 5.0, "age_s": 1.0, "missing": False, "missing_share": 0.0}


class FakeSource:
    """Source of news that the test gives."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def take(self) -> list[News]:
        news, self.news = self.news, []
        return news

    def give(self, topic: str, content: Any) -> None:
        self.news.append(Delivery(topic, json.dumps(content).encode()))


class View:
    """The view, without a terminal and with a clock that stands."""

    def __init__(self) -> None:
        self.source = FakeSource()
        model = DeviceModel("pump", status="s", metrics="m", predictions="p", interval_s=10.0, now=0.0)
        self.app = WatchApp(model, self.source, lambda: 1.0)

    def run(self, act: Callable[[Any], Awaitable[None]], size: tuple[int, int] = (120, 40)) -> None:
        async def session() -> None:
            async with self.app.run_test(size=size) as pilot:
                await act(pilot)

        asyncio.run(session())

    async def refresh(self, pilot: Any) -> None:
        self.app.refresh_picture()
        await pilot.pause()

    def static(self, name: str) -> str:
        return str(self.app.screen_stack[0].query_one(f"#{name}").visual)

    def rows(self, name: str) -> list[list[str]]:
        panel = self.app.screen_stack[0].query_one(f"#{name}", Panel)
        return [[cell.plain for cell in panel.get_row_at(i)] for i in range(panel.row_count)]


@pytest.fixture
def view() -> View:
    return View()


@pytest.mark.parametrize("size", [(120, 40), (60, 20)])
def test_it_shows_what_comes_and_takes_no_text_for_markup(view: View, size: tuple[int, int]) -> None:
    async def act(pilot: Any) -> None:
        assert "Connecting" in view.static("problems")
        view.source.news.append(Connection(None))
        view.source.give("s", {"state": "online", "version": EVIL})
        view.source.give("m", {"inputs": {"features": [METER, SILENT], "left_out": 0, "silent": []}, "messages": 4})
        view.source.give("p", [{"prediction": 2.0, "y": 2.0, "id": EVIL}, {"prediction": 3.0}])
        await view.refresh(pilot)
        shown = EVIL.replace("\x1b", "\\x1b")
        assert view.static("headline") == f"pump, online, version {shown}, reported 0 s ago"
        assert view.rows("inputs") == [["power", "5", "1 s", "0.0%"], [shown, shown, "9 s missing", "50.0%"]]
        assert view.rows("answers") == [["", "3", "", ""], [shown, "2", "2", "0"]]
        assert view.static("chart").split("\n")[-1] == "2 ┤●"
        assert view.rows("numbers") == [["messages", "4"]]
        assert not view.app.query_one("#drift").display
        # A device of whole events has no inputs.
        view.source.give("m", {"messages": 5})
        await view.refresh(pilot)
        assert view.rows("numbers") == [["messages", "5"]]
        assert not view.app.query_one("#inputs").display
        assert "\x1b" not in view.app.export_screenshot()

    view.run(act, size)
    assert view.source.calls == ["start", "stop"]


def test_a_problem_is_shown(view: View) -> None:
    async def act(pilot: Any) -> None:
        view.source.news.append(Connection("The broker at nowhere cannot be reached: refused. Is it running?"))
        view.source.give("s", {"state": "offline"})
        await view.refresh(pilot)
        assert "cannot be reached" in view.static("problems")
        assert "its process has ended" in view.static("problems")

    view.run(act)


def test_the_keys_do_what_the_footer_says(view: View) -> None:
    async def act(pilot: Any) -> None:
        inputs = {"features": [{**METER, "feature": f"f{n}"} for n in range(30)], "left_out": 0, "silent": []}
        view.source.give("m", {"messages": 1, "inputs": inputs})
        await view.refresh(pilot)
        await pilot.press("p")
        view.source.give("m", {"messages": 2, "inputs": inputs})
        await view.refresh(pilot)
        assert view.static("headline").startswith("PAUSED")
        assert view.rows("numbers") == [["messages", "1"]]
        await pilot.press("p")
        # What came meanwhile is not lost.
        assert view.rows("numbers") == [["messages", "2"]]

        panel = view.app.query_one("#inputs", Panel)
        panel.focus()
        await pilot.press("down", "down")
        changed = {**inputs, "features": [{**one, "value": 7.0} for one in inputs["features"]]}
        view.source.give("m", {"inputs": changed})
        await view.refresh(pilot)
        # The cursor stays where it was while the values change.
        assert (panel.cursor_row, view.rows("inputs")[2][1]) == (2, "7")
        view.source.give("m", {"inputs": {**changed, "features": changed["features"][:2]}, "messages": 3})
        await view.refresh(pilot)
        assert panel.cursor_row == 1
        await pilot.press("tab")
        assert view.app.focused is not panel

        await pilot.press("question_mark")
        assert isinstance(view.app.screen, HelpScreen)
        await view.refresh(pilot)
        await pilot.press("escape")
        assert not isinstance(view.app.screen, HelpScreen)
        await pilot.press("q")
        assert view.app.return_code == 0

    view.run(act)
