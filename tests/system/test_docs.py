"""Every command and snippet of the documentation runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgedescent import config
from edgedescent_mqtt.config import BrokerConfig, Tls
from support.snippets import FENCE, run_as_typed

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WALKED = {"simulators"}
"""Pages whose blocks build on each other, with a test of their own that types them in."""


def blocks(language: str) -> list[Any]:
    found = []
    for page in (page for page in PAGES if page.stem not in WALKED):
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8"))):
            if kind == language:
                found.append(pytest.param(page, text, id=f"{page.stem}-{number}"))
    return found


def test_every_fence_is_of_a_language_that_is_tested() -> None:
    kinds = {kind for page in PAGES for kind, _ in FENCE.findall(page.read_text(encoding="utf-8"))}
    assert kinds <= {"python", "sh", "bash", "toml", "json", "text", "cython", "mermaid"}


def pages_with(language: str) -> list[Any]:
    """Every page that has such blocks, with all of them: a later one may build on an earlier one."""
    texts: dict[Path, str] = {}
    for block in blocks(language):
        page, text = block.values
        texts[page] = texts.get(page, "") + text + "\n"
    return [pytest.param(page, text, id=page.stem) for page, text in texts.items()]


@pytest.mark.parametrize(("page", "text"), pages_with("python"))
def test_python_snippets_run_from_top_to_bottom(page: Path, text: str, tmp_path: Path) -> None:
    if page.stem == "extending":
        pytest.skip("tests/unit/test_extending.py types that page in, indented blocks included.")
    if page.stem == "scores":
        pytest.skip("tests/unit/evaluation/test_scores_page.py runs its sessions of the interpreter.")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "text"), blocks("json"))
def test_json_snippets_are_events(page: Path, text: str) -> None:
    for line in text.strip().splitlines():
        event = json.loads(line)
        assert "x" in event or {"user", "item"} <= set(event)


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_configurations_are_right(page: Path, text: str, tmp_path: Path) -> None:
    (tmp_path / "device.toml").write_text(text, encoding="utf-8")
    config.load(tmp_path / "device.toml", {})


@pytest.mark.parametrize(("page", "text"), blocks("sh"))
def test_shell_snippets_run(page: Path, text: str, tmp_path: Path) -> None:
    done = run_as_typed(text, tmp_path, programs=Path(sys.executable).parent)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_every_configuration_key_is_documented() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    tables = (
        config.Config,
        config.Topics,
        config.State,
        config.Limits,
        config.Snapshots,
        config.Metrics,
        config.Logs,
        config.HomeAssistant,
        BrokerConfig,
        Tls,
    )
    for table in tables:
        for field in msgspec.structs.fields(table):
            assert re.search(rf"`(\w+\.)?{field.name}`|\[(\w+\.)?{field.name}\]", text), (
                f"{table.__name__}.{field.name}"
            )


def test_every_dead_letter_reason_is_documented() -> None:
    from edgedescent.formats.base import REASONS

    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    assert [reason for reason in REASONS if f"`{reason}`" not in text] == []


def test_links_lead_somewhere() -> None:
    pages = [*PAGES, ROOT / "deploy" / "README.md", ROOT / "sims" / "README.md"]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:")):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
