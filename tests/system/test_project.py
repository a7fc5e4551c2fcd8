"""The files around the code agree with it: version, changelog, hooks, wheels, workflows, documentation."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import edgedescent
from edgedescent.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = [path.parent for folder in (".", "adapters", "sims") for path in (ROOT / folder).glob("*/__init__.py")]
PYTHONS = [name.split()[-1] for name in PROJECT["project"]["classifiers"] if "Python :: 3." in name]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def makefile(target: str) -> str:
    """The commands of one target, with the variables of the Makefile written out."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text("Makefile"), re.MULTILINE)
    assert found, target
    return found.group(1).replace("$(BIN)", ".venv/bin")


REPOS: list[dict[str, Any]] = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
HOOKS: list[dict[str, Any]] = [hook for repo in REPOS for hook in repo["hooks"]]
CI: dict[str, Any] = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]
WHEELS: dict[str, Any] = yaml.safe_load(text(".github/workflows/wheels.yml"))["jobs"]
NAV: list[str] = re.findall(r'= "([^"]+\.md)"', text("zensical.toml"))


class TestVersion:
    def test_is_declared_once(self) -> None:
        version = PROJECT["project"]["version"]
        assert edgedescent.__version__ == version
        assert version in CliRunner().invoke(cli, ["--version"]).output
        assert version not in text("edgedescent/__init__.py")

    def test_is_the_newest_of_the_changelog(self) -> None:
        headings = re.findall(r"^## (.+?)(?: - (\d{4}-\d{2}-\d{2}))?$", text("CHANGELOG.md"), re.MULTILINE)
        assert headings[0] == ("Unreleased", "")
        assert headings[1][0] == PROJECT["project"]["version"]
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", number) and date for number, date in headings[1:])
        assert all(newer[1] >= older[1] for newer, older in pairwise(headings[1:]))

    def test_the_changelog_has_no_headings_but_its_own(self) -> None:
        kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
        assert set(re.findall(r"^### (.+)$", text("CHANGELOG.md"), re.MULTILINE)) <= kinds


class TestHooks:
    def test_none_is_downloaded(self) -> None:
        assert {repo["repo"] for repo in REPOS} == {"local"}
        assert {hook["language"] for hook in HOOKS} == {"system"}

    @pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
    def test_runs_what_lint_runs(self, hook: dict[str, Any]) -> None:
        program = hook["entry"].removeprefix("env PYTHONPATH=sims ").split()[0]
        assert program in {"git", *makefile("lint").split()}

    def test_no_check_of_lint_is_left_out(self) -> None:
        entries = [hook["entry"] for hook in HOOKS]
        for command in makefile("lint").splitlines():
            assert any(command.strip().removesuffix(" .") in entry for entry in entries), command


class TestPackages:
    @pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
    def test_says_that_it_is_typed(self, package: Path) -> None:
        assert (package / "py.typed").read_bytes() == b""

    def test_the_wheel_holds_those_that_a_device_needs(self) -> None:
        wheel = {Path(name).name for name in PROJECT["tool"]["scikit-build"]["wheel"]["packages"]}
        assert {path.name for path in PACKAGES} - wheel <= {"edgedescent_world"}


class TestWheels:
    def test_are_built_for_every_python_that_is_promised(self) -> None:
        tags = PROJECT["tool"]["cibuildwheel"]["build"].split()
        assert tags == [f"cp{python.replace('.', '')}-*" for python in PYTHONS]
        assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"

    def test_are_built_by_a_tool_that_takes_the_configuration(self) -> None:
        pytest.importorskip("cibuildwheel")
        command = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers", "--platform", "linux"]
        for arch in ("x86_64", "aarch64"):
            done = subprocess.run([*command, "--archs", arch], cwd=ROOT, capture_output=True, text=True, check=True)
            libraries = ("manylinux", "musllinux")
            wanted = {f"cp{python.replace('.', '')}-{library}_{arch}" for python in PYTHONS for library in libraries}
            assert set(done.stdout.split()) == wanted

    def test_are_tried_by_scripts_that_exist(self) -> None:
        scripts = re.findall(r"\{project\}/(\S+)", " ".join(PROJECT["tool"]["cibuildwheel"]["test-command"]))
        assert scripts
        assert [name for name in scripts if not (ROOT / name).is_file()] == []


class TestWorkflows:
    def test_what_decides_is_one_script(self) -> None:
        commands = [step["run"] for step in CI["run"]["steps"] if "run" in step]
        assert commands == ["bash .ci/run"]
        assert set(CI["run"]["strategy"]["matrix"]["python"]) <= set(PYTHONS)

    def test_wheels_are_built_on_both_processors(self) -> None:
        runners = WHEELS["wheels"]["strategy"]["matrix"]["runner"]
        assert [runner.endswith("-arm") for runner in runners] == [False, True]

    def test_only_a_tag_that_is_the_version_is_published(self) -> None:
        publish = WHEELS["publish"]
        assert publish["if"] == "startsWith(github.ref, 'refs/tags/v')"
        assert set(publish["needs"]) == {"wheels", "sdist", "check"}

    @pytest.mark.parametrize(("tag", "passes"), [("v{version}", True), ("v9.9.9", False)])
    def test_the_tag_is_compared(self, tag: str, passes: bool) -> None:
        (script,) = [step["run"] for step in WHEELS["check"]["steps"] if "run" in step]
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "GITHUB_REF_NAME": tag.format(version=PROJECT["project"]["version"]),
        }
        done = subprocess.run(["bash", "-e", "-c", script], cwd=ROOT, env=environment, check=False)
        assert (done.returncode == 0) == passes

    def test_tools_are_those_of_the_extra(self) -> None:
        installed = re.findall(r'pip install "([^"$]+)"', text(".github/workflows/wheels.yml"))
        assert sorted(installed) == sorted(PROJECT["project"]["optional-dependencies"]["release"])


class TestDocumentation:
    """The site itself is built by `make docs`, which fails at the first link that leads nowhere."""

    def test_every_page_is_listed(self) -> None:
        patterns = ("*.md", "docs/**/*.md", "adapters/*/*.md", "[a-z]*/README.md")
        pages = {str(page.relative_to(ROOT)) for pattern in patterns for page in ROOT.glob(pattern)}
        assert pages == set(NAV)

    def test_the_reference_has_every_public_package(self) -> None:
        shown = set(re.findall(r"^::: (\S+)$", "\n".join(map(text, NAV)), re.MULTILINE))
        public = {
            f"edgedescent.{path.parent.name}"
            for path in (ROOT / "edgedescent").glob("*/__init__.py")
            if hasattr(importlib.import_module(f"edgedescent.{path.parent.name}"), "__all__")
        }
        assert public <= shown
