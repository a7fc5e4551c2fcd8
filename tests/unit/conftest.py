from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.daemon_harness import DaemonHarness, MakeHarness


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeHarness]:
    """Makes daemons with fake surroundings, all on one state folder, and closes their stores."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    made: list[DaemonHarness] = []

    def build(**tables: Any) -> DaemonHarness:
        made.append(DaemonHarness(tmp_path / "state", **tables))
        return made[-1]

    yield build
    for harness in made:
        harness.store.close()
