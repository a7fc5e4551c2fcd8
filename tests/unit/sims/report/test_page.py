"""The HTML report: one file with everything in it, the same each time, that harmful names cannot break."""

from __future__ import annotations

import html.parser
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgedescent.errors import ConfigError
from edgedescent_sims.report import render_report, write_report
from edgedescent_sims.report.chart_data import POINTS_MAX, chart_data
from edgedescent_sims.result import Curve, SimulationResult
from support.simulation_results import library, simulation_result, timings

pytest.importorskip("jinja2", reason="Jinja2 comes with the extra 'simulate'")
if importlib.util.find_spec("uplot") is None:
    pytest.skip("uplot-python comes with the extra 'simulate'", allow_module_level=True)

HARMFUL = "</script><b onload='x'>\"&\u2028"
VOID = {"meta", "link", "br", "wbr", "path", "circle", "rect"}


class Page(html.parser.HTMLParser):
    """What a browser would make of a page: its elements, which must be closed in order, and its data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data: list[Any] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            if self.elements[-1][1].get("type") == "application/json":
                self.data.append(json.loads(data))
        elif self.open[-1:] != ["style"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def results() -> list[SimulationResult]:
    return library()


@pytest.fixture(scope="module")
def page(results: list[SimulationResult]) -> str:
    return render_report(results, timings(results))


@pytest.fixture(scope="module")
def parsed(page: str) -> Page:
    return Page(page)


class TestContent:
    def test_each_scenario_has_a_section_that_the_overview_links_to(
        self, parsed: Page, results: list[SimulationResult]
    ) -> None:
        sections = [s["id"] for s in parsed.all("section") if s.get("class") == "scenario"]
        links = [a["href"] for a in parsed.all("a")]
        assert len(set(sections)) == len(results) == 24
        assert {f"#{section}" for section in sections} <= set(links)
        for result in results:
            assert result.stresses in parsed.text
            assert result.command in parsed.text

    def test_the_data_of_the_charts_is_the_curves(self, parsed: Page, results: list[SimulationResult]) -> None:
        data = parsed.data
        assert len(data) == len(results)
        first, candidate = data[0], results[0].candidates[0]
        assert first["names"] == [c.name for c in results[0].candidates]
        assert first["curves"][0]["y"][0] is None
        assert first["curves"][0]["y"][9] == pytest.approx(candidate.curve.value[9], rel=1e-3)
        assert chart_data(simulation_result())["x"][0] == {"from": 25, "step": 25, "count": 320}

    def test_what_cannot_be_repeated_is_said(self, parsed: Page) -> None:
        assert "River adaptive forest is not repeatable: it has no seed" in parsed.text

    def test_a_recovery_without_an_end_is_said_in_words(self) -> None:
        text = Page(render_report([simulation_result(failing=True)])).text
        assert "not within the horizon2 of 5 seeds" in text
        assert "failed, as expected" in text

    def test_tables_say_what_their_cells_are(self, parsed: Page) -> None:
        heads = parsed.all("th")
        assert heads
        assert all(head.get("scope") in {"col", "row"} for head in heads)

    def test_charts_have_a_text_alternative(self, parsed: Page) -> None:
        charts = [d for d in parsed.all("div") if str(d.get("class")).startswith("chart ")]
        assert len(charts) > 48
        assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)

    def test_one_scenario_has_no_overview(self) -> None:
        parsed = Page(render_report([simulation_result()]))
        assert "Overview" not in parsed.text
        assert "select" not in {tag for tag, _ in parsed.elements}

    def test_one_seed_has_no_intervals_and_no_test(self) -> None:
        text = Page(render_report([simulation_result(n_seeds=1)])).text
        assert "One seed, so there are no intervals." in text
        assert "one seed, no test" in text

    def test_two_results_of_one_name_have_two_sections(self) -> None:
        parsed = Page(render_report([simulation_result(seed=1), simulation_result(seed=2)]))
        sections = [s["id"] for s in parsed.all("section") if s.get("class") == "scenario"]
        assert sections == ["scenario-sign-flip", "scenario-sign-flip.2"]

    def test_a_result_without_anything(self) -> None:
        empty = msgspec.structs.replace(simulation_result(), candidates=[], marks=[], comparison=[], bars=[])
        assert "sign-flip" in Page(render_report([empty, empty])).text


class TestOneFile:
    def test_asks_for_nothing(self, page: str, parsed: Page) -> None:
        addresses = [v for _, attributes in parsed.elements for k, v in attributes.items() if k in {"src", "href"}]
        assert [a for a in addresses if a and not a.startswith("#")] == ["data:,"]
        styles = page.partition("<style>")[2].partition("</style>")[0]
        assert not re.search(r"url\(|@import|@font-face", styles)
        own = page.replace(page.partition("<script>/**")[2].partition("</script>")[0], "")
        assert "//" not in re.sub(r"(?m)^\s*// .*$", "", own).replace("</", "")

    def test_forbids_every_script_but_its_own(self, parsed: Page) -> None:
        policy = next(m["content"] for m in parsed.all("meta") if m.get("http-equiv")) or ""
        assert "default-src 'none'" in policy
        assert policy.count("'sha256-") == 3
        assert "script-src 'unsafe" not in policy

    def test_keeps_the_license_of_uplot(self, page: str) -> None:
        assert re.search(r"Copyright \(c\) \d{4}, Leon Sorokin\n\* All rights reserved. \(MIT Licensed\)", page)

    def test_is_the_same_each_time(self, page: str, results: list[SimulationResult]) -> None:
        again = [msgspec.json.decode(result.to_json(), type=SimulationResult) for result in results]
        assert render_report(again, timings(results)) == page

    def test_is_small(self, page: str) -> None:
        assert len(page.encode()) < 2_000_000

    @pytest.mark.usefixtures("page")
    def test_does_not_import_the_package_of_uplot(self) -> None:
        assert "uplot" not in sys.modules

    def test_long_curves_keep_their_extremes(self) -> None:
        values: list[float | None] = [1.0] * 50_000
        values[31_234] = 77.0
        result = simulation_result()
        candidate = msgspec.structs.replace(result.candidates[0], curve=Curve(list(range(1, 50_001)), values))
        curve = chart_data(msgspec.structs.replace(result, candidates=[candidate]))["curves"][0]["y"]
        assert len(curve) <= POINTS_MAX
        assert 77 in curve


def test_harmful_names_do_no_harm() -> None:
    result = simulation_result(HARMFUL, HARMFUL, drifts=(HARMFUL,), faults=(HARMFUL,))
    candidates = [msgspec.structs.replace(c, name=f"{c.name}{HARMFUL}") for c in result.candidates]
    result = msgspec.structs.replace(
        result, candidates=candidates, command=HARMFUL, scenario={HARMFUL: HARMFUL, "t": [{HARMFUL: [HARMFUL]}]}
    )
    parsed = Page(render_report([result, result], title=HARMFUL))
    assert "onload" not in {name for _, attributes in parsed.elements for name in attributes}
    assert parsed.data[0]["marks"][0]["label"] == HARMFUL
    assert parsed.data[0]["names"] == [candidate.name for candidate in candidates]
    assert HARMFUL in parsed.text


class TestErrors:
    def test_no_results(self) -> None:
        with pytest.raises(ConfigError, match="A report needs at least one result"):
            render_report([])

    @pytest.mark.parametrize(("module", "package"), [("jinja2", "Jinja2"), ("uplot", "uplot-python")])
    def test_a_missing_package_is_one_line(self, module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def find_spec(name: str, *_: object) -> None:
            return None

        if module == "uplot":
            monkeypatch.setattr(importlib.util, "find_spec", find_spec)
        else:
            monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ConfigError, match=f"A report needs the package {package}") as caught:
            render_report([simulation_result()])
        assert "edgedescent[simulate]" in caught.value.hint

    def test_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="No such file"):
            write_report(tmp_path / "none" / "report.html", [simulation_result()])

    def test_the_file_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "report.html"
        path.write_text("old", encoding="utf-8")
        write_report(path, [simulation_result()])
        assert path.read_text(encoding="utf-8") == render_report([simulation_result()])
        assert list(tmp_path.iterdir()) == [path]
