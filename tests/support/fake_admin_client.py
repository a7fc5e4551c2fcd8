"""Admin client without a broker, which grants each subscription."""

from __future__ import annotations

from typing import Any, Self

from edgedescent.interfaces import Delivery


class FakeAdminClient:
    """Admin client over which the same messages come at each poll.

    Args:
        deliveries: The messages.
    """

    def __init__(self, deliveries: list[Delivery]) -> None:
        self._deliveries = deliveries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def subscribe(self, _topics: list[str]) -> dict[str, Any]:
        """Grant each subscription: there is no reply that refuses one."""
        return {}

    def poll(self, _timeout_s: float) -> list[Delivery]:
        """Return the messages."""
        return self._deliveries
