"""Time zone of this machine."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def local_zone(localtime: Path = Path("/etc/localtime"), timezone: Path = Path("/etc/timezone")) -> str:
    """Name of the time zone of this machine in the IANA database; ``UTC`` where it is not known.

    Args:
        localtime: Link to the file of the zone.
        timezone: File with its name, on Debian.

    Example:
        >>> local_zone(Path("/nowhere"), Path("/nowhere"))
        'UTC'
    """
    names = [os.environ.get("TZ", "").removeprefix(":")] if localtime == Path("/etc/localtime") else []
    target = str(localtime.resolve()) if localtime.is_symlink() else ""
    names.append(target.partition("zoneinfo/")[2])
    if timezone.is_file():
        names.append(timezone.read_text(encoding="utf-8", errors="replace").strip())
    for name in names:
        try:
            if name:
                ZoneInfo(name)
                return "UTC" if name in ("Etc/UTC", "Universal", "Zulu") else name
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"
