"""The HTML report in a real browser: zoom, hover, sorting, themes, a narrow window, and no request to anywhere."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from edgedescent_sims.report import write_report
from support.simulation_results import simulation_result, timings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright comes with the extra 'test'")
pytest.importorskip("jinja2", reason="Jinja2 comes with the extra 'simulate'")
if importlib.util.find_spec("uplot") is None:
    pytest.skip("uplot-python comes with the extra 'simulate'", allow_module_level=True)
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)

# No sandbox, because tests may run as root; nothing that would ask the network for anything.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIGN_FLIP = "#scenario-sign-flip"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    results = [
        simulation_result(failing=True),
        simulation_result("taste-shift", "Half of the users change what they like.", kind="ratings", seed=3),
        simulation_result("long-" * 12, "A name without an end.", n_seeds=1, drifts=(), unit=250.0),
    ]
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, results, timings(results))
    return path.as_uri()


@dataclass
class Seen:
    """What a page asked for and complained about."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@dataclass
class Opener:
    """Opens the report in windows of its own."""

    browser: Browser
    address: str
    contexts: list[Any] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)

    def __call__(self, width: int = 1280, height: int = 900, **options: Any) -> Page:
        context = self.browser.new_context(viewport={"width": width, "height": height}, **options)
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("request", lambda request: self.seen.requests.append(request.url))
        page.on("console", lambda message: self.seen.complaints.append(message.text))
        page.on("pageerror", lambda error: self.seen.complaints.append(str(error)))
        page.goto(self.address)
        return page


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Opener]:
    """Opens pages; afterwards none has asked for more than itself, and none has complained."""
    opener = Opener(browser, address)
    yield opener
    for context in opener.contexts:
        context.close()
    assert set(opener.seen.requests) == {address}
    assert opener.seen.complaints == []


def show_curve(page: Page, section: str = SIGN_FLIP) -> dict[str, float]:
    """Move the curve of a section to the top, wait until it is drawn, and return the place of its plot."""
    page.locator(f"{section} .figure").evaluate("(figure) => figure.scrollIntoView()")
    plot = page.locator(f"{section} .chart.curve .u-over")
    plot.wait_for()
    box = plot.bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"]}


def event_at(page: Page, box: dict[str, float], share: float) -> int:
    """The event that the tip shows at a share of the width."""
    page.mouse.move(box["x"] + share * box["width"], box["y"] + 40)
    # The cursor is drawn with the next frame.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    text = page.locator(f"{SIGN_FLIP} .chart.curve .tip b").inner_text()
    found = re.fullmatch(r"event ([\d,]+)", text)
    assert found
    return int(found[1].replace(",", ""))


def column(page: Page, table: str, index: int) -> list[str]:
    texts: list[str] = page.locator(f"{table} tbody tr").evaluate_all(
        "(rows, index) => rows.map((row) => row.cells[index].dataset.value ?? row.cells[index].textContent.trim())",
        index,
    )
    return texts


def test_hover_shows_the_values_of_all_candidates(opened: Opener) -> None:
    page = opened()
    box = show_curve(page)
    assert event_at(page, box, 0.5) == pytest.approx(4000, abs=60)
    rows = page.locator(f"{SIGN_FLIP} .chart.curve .tip div").all_inner_texts()
    assert len(rows) == 5
    values = [float(row.split()[-1]) for row in rows]
    assert values == sorted(values, reverse=True)
    page.mouse.move(5, 5)
    assert page.locator(f"{SIGN_FLIP} .chart.curve .tip").is_hidden()


def test_a_drag_zooms_and_a_button_goes_back(opened: Opener) -> None:
    page = opened()
    box = show_curve(page)
    reset = page.locator(f"{SIGN_FLIP} .reset")
    assert reset.is_disabled()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector('.reset').disabled === false")
    first, last = event_at(page, box, 0.001), event_at(page, box, 0.998)
    assert first == pytest.approx(2000, abs=80)
    assert last == pytest.approx(4000, abs=80)
    reset.click()
    page.wait_for_function("document.querySelector('.reset').disabled === true")
    assert event_at(page, box, 0.998) == pytest.approx(8000, abs=60)


def test_the_button_of_a_drift_zooms_to_it(opened: Opener) -> None:
    page = opened()
    box = show_curve(page)
    page.locator(f"{SIGN_FLIP} .mark.drift").first.press("Enter")
    page.wait_for_function("document.querySelector('.reset').disabled === false")
    assert event_at(page, box, 0.001) < 2666 < event_at(page, box, 0.998) < 4500


def test_the_legend_hides_a_candidate(opened: Opener) -> None:
    page = opened()
    box = show_curve(page)
    key = page.locator(f"{SIGN_FLIP} .series", has_text="last value")
    key.click()
    assert key.get_attribute("aria-pressed") == "false"
    event_at(page, box, 0.5)
    rows = page.locator(f"{SIGN_FLIP} .chart.curve .tip div").all_inner_texts()
    assert len(rows) == 4
    assert not any("last value" in row for row in rows)
    # A chart that is drawn anew keeps what was hidden.
    page.locator(f"{SIGN_FLIP} .log").click()
    event_at(page, box, 0.5)
    assert page.locator(f"{SIGN_FLIP} .chart.curve .tip div").count() == 4


def test_tables_sort_by_click_and_by_keyboard(opened: Opener) -> None:
    page = opened()
    table = f"{SIGN_FLIP} table.scores"
    head = page.locator(f"{table} thead th").nth(1)
    assert head.get_attribute("aria-sort") == "none"
    head.locator("button").click()
    values = [float(value) for value in column(page, table, 1)]
    assert values == sorted(values)
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    values = [float(value) for value in column(page, table, 1)]
    assert values == sorted(values, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert column(page, table, 0) == sorted(column(page, table, 0), key=str.lower)
    assert head.get_attribute("aria-sort") == "none"


def test_what_has_no_value_sorts_last(opened: Opener) -> None:
    page = opened()
    table = f"{SIGN_FLIP} table.recoveries"
    head = page.locator(f"{table} thead th button", has_text="To within 10")
    for _ in range(2):
        head.click()
        assert column(page, table, 2)[-2:] == ["", ""]
    page.locator("table.overview thead th button", has_text="Longest recovery").click()
    assert column(page, "table.overview", 3)[-1] == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_it_is_chosen(opened: Opener, scheme: Literal["light", "dark"]) -> None:
    page = opened(color_scheme=scheme)
    other: Literal["light", "dark"] = "light" if scheme == "dark" else "dark"
    show_curve(page)
    shade = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(shade)
    assert page.locator("html").get_attribute("data-theme") == scheme
    page.locator("#theme").click()
    assert page.locator("html").get_attribute("data-theme") == other
    assert page.evaluate(shade) != before
    assert page.locator(f"{SIGN_FLIP} .chart.curve canvas").count() == 1
    page.emulate_media(color_scheme=other)
    page.emulate_media(color_scheme=scheme)
    assert page.locator("html").get_attribute("data-theme") == other
    assert page.evaluate("localStorage.getItem('edgedescent-theme')") == other
    page.add_init_script(f"localStorage.setItem('edgedescent-theme', '{other}')")
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == other


def test_the_chart_is_drawn_in_the_colours_of_the_theme(opened: Opener) -> None:
    page = opened()
    show_curve(page)
    picture = f"document.querySelector('{SIGN_FLIP} .chart.curve canvas').toDataURL()"
    light = page.evaluate(picture)
    page.locator("#theme").click()
    page.wait_for_function(f"(light) => {picture} !== light", arg=light)


@pytest.mark.parametrize("width", [360, 1400])
def test_the_page_is_never_wider_than_the_window(opened: Opener, width: int) -> None:
    page = opened(width=width, height=760)
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator("canvas").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # A window that becomes narrower takes its charts along.
    page.set_viewport_size({"width": 340, "height": 760})
    show_curve(page)
    page.wait_for_function("document.querySelector('.chart.curve canvas').getBoundingClientRect().right <= 340")
    assert page.evaluate("document.documentElement.scrollWidth") == 340


def test_charts_are_drawn_when_they_come_into_view(opened: Opener) -> None:
    page = opened(height=600)
    show_curve(page)
    assert page.locator("section:last-of-type .chart canvas").count() == 0
    page.locator("#jump").select_option(label="taste-shift")
    page.locator("#scenario-taste-shift .chart.curve canvas").wait_for()
    page.locator("#scenario-taste-shift .chart.recovery").last.scroll_into_view_if_needed()
    page.locator("#scenario-taste-shift .chart.recovery canvas").last.wait_for()


def test_printing_draws_all_charts_in_light_colours(opened: Opener) -> None:
    page = opened(color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".chart canvas").count() == page.locator(".chart").count()
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_the_command_is_copied(opened: Opener) -> None:
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    button = page.locator(f"{SIGN_FLIP} .copy")
    button.click()
    page.wait_for_function("document.querySelector('.copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == "edgedescent simulate sign-flip --seed 7 --seeds 5"


def test_is_readable_without_scripts(opened: Opener) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("noscript").count() == 1
    assert page.locator(f"{SIGN_FLIP} table.scores tbody tr").count() == 5


def test_the_files_are_beside_the_code() -> None:
    import edgedescent_sims.report.html as module

    folder = Path(module.__file__).with_name("templates")
    assert {path.name for path in folder.iterdir()} >= {"report.html", "scenario.html", "report.css", "report.js"}
