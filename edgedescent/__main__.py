"""``python -m edgedescent``."""

from edgedescent.cli import main

main()
