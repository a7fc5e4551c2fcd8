"""Log lines: one a record, for a person or a program, and never a flood."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edgedescent.daemon import logs
from edgedescent.daemon.logs import MESSAGE_MAX, WINDOW_S, LimitedHandler
from support.fake_clock import FakeClock


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    before = list(logging.getLogger().handlers), logging.getLogger().level
    yield
    logging.getLogger().handlers[:], level = before
    logging.getLogger().setLevel(level)


log = logging.getLogger("edgedescent.test")


def test_a_line_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(style="json")
    log.warning("From %r:\n%s", "a\x1b[2J", "b" * 5_000, extra={"reason": "malformed", "topic": "t" * 2_000, "n": 3})
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert record["time"].endswith("+00:00")
    assert (record["level"], record["logger"], record["reason"], record["n"]) == (
        "WARNING",
        "edgedescent.test",
        "malformed",
        3,
    )
    assert record["message"].startswith("From 'a\\x1b[2J':\nbbb")
    assert len(record["message"]) < MESSAGE_MAX + 20
    assert len(record["topic"]) < 600


def test_a_line_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    log.info("From %s", "a\x1b[2J\nERROR forged" + "b" * 5_000)
    log.debug("Not for everybody.")
    (line,) = capsys.readouterr().err.splitlines()
    assert " INFO From a\\x1b[2J\\nERROR forgedbbb" in line
    assert len(line) < MESSAGE_MAX + 100
    logs.set_up(verbose=True)
    log.debug("For whoever asks.")
    assert "DEBUG For whoever asks." in capsys.readouterr().err


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_stack_trace_is_kept(style: logs.Format, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(style=style)
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        log.exception("It broke")
    output = capsys.readouterr().err
    assert "ZeroDivisionError" in output
    assert "Traceback" in output
    if style == "json":
        assert "ZeroDivisionError" in json.loads(output)["trace"]


def test_a_payload_is_escaped_and_cut() -> None:
    assert logs.payload(b"\x1b[2J\n\xff'") == "\\x1b[2J\\n\\xff'"
    assert logs.payload(b"\0" * 10_000).endswith("… (39800 more)")


def test_a_flood_is_counted_instead_of_written(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    handler = LimitedHandler(3, clock.monotonic)
    handler.setFormatter(logs.TextFormatter())
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger().setLevel(logging.INFO)
    for i in range(1_000):
        clock.now += 0.001
        log.warning("Dead letter (%s) %d", "malformed", i, extra={"reason": "malformed"})
        if i % 100 == 0:
            # Another reason is another kind, and what is no warning is never left out.
            log.warning("Dead letter (%s) %d", "too_deep", i, extra={"reason": "too_deep"})
            log.info("Something else.")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 2)[2] for line in lines if "malformed" in line] == [
        f"Dead letter (malformed) {i}" for i in range(3)
    ]
    assert len([line for line in lines if "too_deep" in line]) == 3
    assert len([line for line in lines if "Something else." in line]) == 10
    # Told even if nothing like it comes any more.
    clock.now += WINDOW_S
    logs.report_suppressed()
    written = capsys.readouterr().err
    assert "997 similar messages were suppressed in 11 s; the last: Dead letter (malformed) 999" in written
    assert "7 similar messages were suppressed" in written
    # Afterwards the count starts again.
    log.warning("Dead letter (%s) %d", "malformed", 7, extra={"reason": "malformed"})
    assert "Dead letter (malformed) 7" in capsys.readouterr().err


def test_the_next_record_reports_the_suppressed_ones(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    handler = LimitedHandler(1, clock.monotonic)
    handler.setFormatter(logs.JsonFormatter())
    logging.getLogger().handlers[:] = [handler]
    log.warning("No broker")
    log.warning("No broker")
    clock.now += WINDOW_S
    log.warning("No broker")
    records = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [record.get("suppressed", 0) for record in records] == [0, 1, 0]
    log.warning("No broker")
    handler.close()
    assert "1 similar messages were suppressed in 0 s" in capsys.readouterr().err


def test_the_number_of_counted_kinds_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    handler = LimitedHandler(1, FakeClock().monotonic)
    logging.getLogger().handlers[:] = [handler]
    for i in range(3 * logs.KINDS_MAX):
        log.warning("Kind", extra={"reason": str(i)})
    assert len(handler._windows) <= logs.KINDS_MAX
    capsys.readouterr()


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize("mine", [True, False])
def test_lines_for_the_system_log_have_a_priority(style: str, mine: bool) -> None:
    code = f"""if True:
        import logging
        from edgedescent import cli, errors
        from edgedescent.daemon import logs
        logs.set_up(style={style!r}, verbose=True)
        log = logging.getLogger("edgedescent.test")
        for level in (10, 20, 30, 40, 50):
            log.log(level, "of level %d", level)
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("a fault")
        cli.cli(["status", "/nowhere.toml"])
        """
    reader, writer = os.pipe()
    stream = os.fstat(writer)
    environment = {**os.environ, "JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino if mine else stream.st_ino + 1}"}
    done = subprocess.run([sys.executable, "-c", code], stderr=writer, env=environment, check=False)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert done.returncode == 1
    marks = [found[0] if (found := re.match(r"<\d>", line)) else "" for line in lines]
    if not mine:
        # Whoever else reads this line would take the mark for a part of it.
        assert set(marks) == {""}
        return
    assert marks[:5] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert set(marks[5:]) == {"<3>"}
    assert re.fullmatch(r"<3>Error: /nowhere.toml: No such file.*", lines[-1])
    if style == "json":
        assert json.loads(lines[2][3:])["message"] == "of level 30"
    else:
        assert lines[2].endswith(" WARNING of level 30")
        # A trace has lines of its own, and none is passed off as harmless.
        assert lines[-2] == "<3>ZeroDivisionError: division by zero"
