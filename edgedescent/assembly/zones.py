"""Time zones by name."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edgedescent.errors import ConfigError, shown


def zone_of(name: str, path: str) -> ZoneInfo:
    """Time zone of the IANA database.

    Args:
        name: Its name, such as ``Europe/Paris``.
        path: Path of the key, for error messages.

    Raises:
        ConfigError: If there is none of this name on this machine.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"`{path}` is {shown(name)}: expected a time zone that this machine knows, such as 'Europe/Paris'.",
            "If it should know it, install the package tzdata.",
        ) from None
