"""Build the documentation site into `site/`: `make docs`.

The pages stand where a reader of the repository looks for them: guides in `docs/`, and a README beside each part. The
site generator wants one folder. So every page that `zensical.toml` lists is copied to `build/docs`, at its own path,
with the files that it links to; links between pages then work in both places without being rewritten.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COLLECTED = ROOT / "build" / "docs"
WARNING = re.compile(r"^(griffe|mkdocstrings): ", re.MULTILINE)
"""A line about the API reference, which `--strict` does not count."""
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)]*\)")


def listed(nav: list[Any]) -> Iterator[Path]:
    """Yield the pages of a navigation, nested sections included."""
    for entry in nav:
        for value in entry.values():
            if isinstance(value, str):
                yield ROOT / value
            else:
                yield from listed(value)


def files() -> list[Path]:
    """Return the pages of the site, its style sheets, and all files that the pages link to.

    Raises:
        SystemExit: if a page links to one that the navigation does not list, or a file does not exist.
    """
    project = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    pages = list(listed(project["nav"]))
    found = dict.fromkeys([*pages, *(ROOT / name for name in project["extra_css"])])
    for page in pages:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            if not path.is_file() or (path.suffix == ".md" and path not in found):
                raise SystemExit(f"{page.relative_to(ROOT)} links to {target}, which is no page of zensical.toml.")
            found[path] = None
    return list(found)


def with_scripts(page: Path) -> str:
    """Return the text of a page, followed by the scripts beside it."""
    scripts = [
        f"\n## {script.name}\n\n```python\n{script.read_text(encoding='utf-8')}```\n"
        for script in sorted(page.parent.glob("*.py"))
    ]
    return page.read_text(encoding="utf-8") + "".join(scripts)


def collect() -> None:
    """Copy all pages and what they link to into `build/docs`."""
    shutil.rmtree(COLLECTED, ignore_errors=True)
    for path in files():
        target = COLLECTED / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    examples = ROOT / "examples" / "README.md"
    (COLLECTED / "examples" / "README.md").write_text(with_scripts(examples), encoding="utf-8")


def main() -> int:
    """Collect the pages and build the site; a warning of the generator or of what reads the docstrings is an error."""
    collect()
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    sys.stderr.write(done.stderr)
    warned = WARNING.search(done.stderr) is not None
    return done.returncode or int(warned)


if __name__ == "__main__":
    raise SystemExit(main())
