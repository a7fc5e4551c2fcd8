"""Records of the state file, each as what it means: whose the state is, and what a restart must know besides."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgedescent.state.meta_table import MetaTable
from edgedescent.state.settings_history import SettingsHistory
from edgedescent.state.state_file import guarded


class Records:
    """Reads the records that the store writes; what is missing or damaged reads as in a new folder.

    Args:
        db: Connection to the state file.
        path: Path of the file, for errors.
        last_position: Returns the last position of the journal.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, last_position: Callable[[], int]) -> None:
        self._table = MetaTable(db, path)
        self._path = path
        self._last_position = last_position

    @property
    def learner(self) -> dict[str, Any] | None:
        """Configuration of the learner that wrote the state; None in a new folder."""
        text = self._get("learner", "learner")
        learner: dict[str, Any] | None = None if text is None else json.loads(text)
        return learner

    @property
    def learner_since(self) -> int:
        """Position of the last message before this learner continued with the state of another one; 0 if none did."""
        since = self._get("learner_since", "learner before this one")
        with guarded(self._path):
            if since is None and self._table.is_there("learner_since"):
                # A damaged record still says that there was another one; from where on is not known.
                return self._last_position()
        return int(since or 0)

    @property
    def device(self) -> str | None:
        """Name of the device that wrote the state; None in a new folder."""
        return self._get("device", "device")

    @property
    def settings(self) -> SettingsHistory:
        """Settings of the engine by position; empty in a new folder.

        Raises:
            StateError: If another version wrote them.
        """
        text = self._get("settings", "engine's settings")
        return SettingsHistory() if text is None else SettingsHistory.decode(text)

    @property
    def answered(self) -> int:
        """Position of the last answer known to be published; 0 if none is."""
        return int(self._get("answered", "answers sent") or 0)

    @property
    def session(self) -> str:
        """Text of the transport's about its session with the broker; empty in a new state."""
        return self._get("session", "broker's session") or ""

    @property
    def allowance(self) -> tuple[float, float] | None:
        """Number of bytes left of the day's allowance when it was last saved, and that time; None if never saved."""
        text = self._get("allowance", "day's write budget")
        if text is None:
            return None
        left, at = map(float, text.split())
        return left, at

    def holds(self, key: str, text: str) -> bool:
        """True if a record is undamaged and has this text."""
        with guarded(self._path):
            return self._table.holds(key, text)

    def set(self, key: str, text: str) -> None:
        """Write a record, within a transaction."""
        self._table.set(key, text)

    def set_learner(self, learner: dict[str, Any]) -> None:
        """Write the configuration of the learner, within a transaction."""
        self.set("learner", json.dumps(learner, sort_keys=True))

    def _get(self, key: str, what: str) -> str | None:
        with guarded(self._path):
            return self._table.get(key, what)
