"""Every line of the log names what it is about."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from vmm_core import logs

log = logging.getLogger("vmm_core.test_logs")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("vmm_core")
    before = (root.handlers[:], root.level, ours.level)
    yield io.StringIO()
    root.handlers[:], root.level = before[0], before[1]
    ours.setLevel(before[2])


def test_a_line_says_what_it_is_about(stream: io.StringIO):
    logs.set_up("INFO", as_json=False, stream=stream)
    with logs.about(machine="vmm-1", pool="mantid@ral/small"), logs.about(lease="l-7"):
        log.info("made")
    log.info("nothing special")
    first, second = stream.getvalue().splitlines()
    assert first.endswith("test_logs: made [lease=l-7 machine=vmm-1 pool=mantid@ral/small]")
    assert second.endswith("test_logs: nothing special")


def test_json_lines_have_the_same_and_a_traceback_in_one_line(stream: io.StringIO):
    logs.set_up("INFO", as_json=True, stream=stream)
    with logs.about(lease="l-7"):
        try:
            raise OSError("gone")
        except OSError:
            log.exception("lost it")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"], line["lease"]) == ("error", "lost it", "l-7")
    assert "OSError: gone" in line["traceback"]


async def test_tasks_keep_what_they_were_begun_about(stream: io.StringIO):
    logs.set_up("INFO", as_json=False, stream=stream)

    async def work() -> None:
        await asyncio.sleep(0)
        log.info("working")

    with logs.about(machine="vmm-1"):
        task = asyncio.create_task(work())
    with logs.about(machine="vmm-2"):
        await task
    assert "[machine=vmm-1]" in stream.getvalue()


def test_a_name_cannot_forge_another_line(stream: io.StringIO):
    logs.set_up("INFO", as_json=False, stream=stream)
    with logs.about(user="eve]\nERROR root"):
        log.info("seen")
    assert len(stream.getvalue().splitlines()) == 1


def test_what_a_machine_says_cannot_forge_another_line(stream: io.StringIO):
    logs.set_up("INFO", as_json=False, stream=stream)
    log.warning("machine vmm-1: %s", "no\n2026-01-01 ERROR root: burnt\x1b[2J, caf\u00e9")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(r"no\n2026-01-01 ERROR root: burnt\x1b[2J, caf" + "\u00e9")


def test_libraries_do_not_log_their_values(stream: io.StringIO):
    logs.set_up("DEBUG", as_json=False, stream=stream)
    logging.getLogger("sqlalchemy.engine").info("INSERT a secret")
    assert stream.getvalue() == ""


def test_only_known_names_are_taken():
    with pytest.raises(ValueError, match="not colour"), logs.about(colour="red"):
        pass
