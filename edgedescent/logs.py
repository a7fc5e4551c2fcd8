"""Log lines: when, how bad, what."""

from __future__ import annotations

import logging
import sys


def set_up(*, verbose: bool = False) -> None:
    """Log to standard error, where systemd and container engines look for it."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
        force=True,
    )
