"""The curve as SVG, the summary in plain text, the live table and the Parquet table."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from edgedescent.errors import ConfigError
from edgedescent_sims.report import LiveTable, curve_svg, summary_text, write_parquet
from edgedescent_sims.report.parquet import result_rows
from edgedescent_sims.result import Curve, SimulationResult
from support.simulation_results import library, simulation_result
from support.xml_text import parse_xml

SVG = "{http://www.w3.org/2000/svg}"


def with_curve(values: Sequence[float | None]) -> SimulationResult:
    result = simulation_result(drifts=(), faults=())
    curve = Curve(list(range(1, len(values) + 1)), list(values))
    candidate = msgspec.structs.replace(result.candidates[0], curve=curve, recoveries=[])
    return msgspec.structs.replace(result, candidates=[candidate], n_events=len(values))


class TestCurve:
    def test_shows_candidates_marks_and_axes(self) -> None:
        result = simulation_result()
        picture = parse_xml(curve_svg(result))
        texts = [text.text for text in picture.iter(f"{SVG}text")]
        assert {c.name for c in result.candidates} <= set(texts)
        assert {mark.label for mark in result.marks} <= set(texts)
        assert {"0", "2,000", "8,000", "event", "error, mean of 200 events"} <= set(texts)

    def test_stays_inside_its_frame(self) -> None:
        for result in library():
            picture = parse_xml(curve_svg(result))
            width, height = (float(v) for v in picture.attrib["viewBox"].split()[2:])
            for text in picture.iter(f"{SVG}text"):
                assert 0 <= float(text.attrib["x"]) <= width
                assert 0 <= float(text.attrib["y"]) <= height

    def test_is_the_same_each_time(self) -> None:
        result = simulation_result()
        again = msgspec.json.decode(result.to_json(), type=SimulationResult)
        assert curve_svg(again) == curve_svg(result)

    def test_a_gap_lifts_the_pen(self) -> None:
        path = parse_xml(curve_svg(with_curve([1.0, 2.0, None, 3.0, 2.0]))).findall(f"{SVG}path")[-2].attrib["d"]
        assert path.count("M") == 2

    def test_one_huge_error_makes_the_axis_logarithmic(self) -> None:
        texts = [t.text for t in parse_xml(curve_svg(with_curve([1.0] * 50 + [900.0]))).iter(f"{SVG}text")]
        assert {"1", "10", "100", "1,000"} <= set(texts)

    @pytest.mark.parametrize("values", [[], [None], [0.0, 0.0], [5.0], [-2.0, -1.0], [1e-9, 2e-9], [1e12, 3e12]])
    def test_odd_curves(self, values: list[float | None]) -> None:
        parse_xml(curve_svg(with_curve(values)))

    def test_harmful_names_do_no_harm(self) -> None:
        name = '</title><script>\x1b&"'
        parse_xml(curve_svg(simulation_result(name, drifts=(name,))))


class TestSummary:
    def test_has_all_that_a_log_needs(self) -> None:
        text = summary_text(simulation_result(failing=True), 120)
        for part in (
            "8,000 events, 5 seeds, the first 7",
            "* MLPRegressor",
            "not within the horizon (2 of 5 seeds)",
            "MLPRegressor is better",
            "failed, as expected",
            "see issue 4",
            "River adaptive forest (!)",
            "Repeat with: edgedescent simulate sign-flip --seed 7 --seeds 5",
        ):
            assert part in text, part

    @pytest.mark.parametrize("width", [80, 100, 140])
    def test_scores_fit_the_width(self, width: int) -> None:
        lines = summary_text(simulation_result(n_seeds=1), width).splitlines()
        table = lines[lines.index("") + 1 : lines.index("") + 7]
        assert len(table) == 6
        assert all(len(line) <= width for line in table)
        assert "MAE" in table[0]
        assert len({len(line) for line in table}) == 1

    def test_control_characters_do_not_reach_the_terminal(self) -> None:
        assert "\x1b" not in summary_text(simulation_result("\x1b[2J"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestLiveTable:
    def test_says_nothing_without_a_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        with LiveTable("sign-flip", ["a"], total=10) as table:
            table.update("a", 5, 0.1)
        assert capsys.readouterr() == ("", "")

    def test_shows_each_candidate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("rich", reason="rich comes with the extra 'demo'")
        from rich.console import Console

        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        with LiveTable("sign-flip", ["linear", "m[l]p\x1b"], total=1000) as table:
            for done in range(0, 1001, 2):
                table.update("linear", done, 1000.0 - done)
            table.update("m[l]p\x1b", 250)
            console = Console(file=io.StringIO(), width=100)
            console.print(table.table())
            shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert "100%" in shown
        assert "25%" in shown
        assert "m[l]p\\x1b" in shown
        assert "█" in shown
        assert "linear" in terminal.getvalue()

    def test_is_a_bar_without_rich(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "rich.live", None)
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr("edgedescent.console.terminal.PROGRESS_AFTER_S", 0.0)
        with LiveTable("sign-flip", ["a", "b"], total=10) as table:
            table.update("a", 5, 0.1)
        assert "sign-flip" in terminal.getvalue()


class TestParquet:
    def test_has_a_row_for_each_score_and_seed(self, tmp_path: Path) -> None:
        parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with the extra 'simulate'")
        results = [simulation_result(), simulation_result("one", n_seeds=1, kind="ratings")]
        path = tmp_path / "results.parquet"
        write_parquet(path, results)
        rows = parquet.read_table(path).to_pylist()
        assert rows == list(result_rows(results))
        linear = results[0].candidates[0]
        mae = [r for r in rows if r["candidate"] == linear.name and r["score"] == "mae"]
        assert [row["value"] for row in mae] == linear.scores["mae"].by_seed
        assert [row["repetition"] for row in mae] == [0, 1, 2, 3, 4]
        assert {row["drift_label"] for row in rows} == {None, "sign flip", "sensor replaced"}
        keys = [(r["scenario"], r["candidate"], r["repetition"], r["drift"], r["score"]) for r in rows]
        assert len(set(keys)) == len(keys)

    def test_a_missing_package_is_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(ConfigError, match="A Parquet table needs the package pyarrow") as caught:
            write_parquet(tmp_path / "results.parquet", [])
        assert "edgedescent[simulate]" in caught.value.hint
