from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import Make, World


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes worlds, each on the same folder, and ends them."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    made: list[World] = []

    def build(**tables: Any) -> World:
        made.append(World(tmp_path / "state", **tables))
        return made[-1]

    yield build
    for world in made:
        world.store.close()
