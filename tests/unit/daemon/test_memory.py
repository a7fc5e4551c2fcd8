"""Large blocks go back to the system, also after larger ones were freed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CODE = """
import sys
from edgedescent.daemon._memory import release_large_blocks

def resident_mib():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

if sys.argv[1] == "give back":
    assert release_large_blocks(131_072)
# By default, freeing a large block makes the C library keep all up to its size.
del [bytes(16 * 2**20) for _ in range(2)][:]
before = resident_mib()
blocks = [bytearray(b"x" * 2**20) for _ in range(40)]
pins = [bytes(1000) for _ in range(40)]
del blocks
print(resident_mib() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has this setting")
def test_freed_blocks_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", CODE, "give back"], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 5.0
