"""How well this host can keep machines apart, found by making one.

Kernels, containers and security modules forbid namespaces in ways that no
file tells reliably. So each way is tried with the real thing: a machine whose
agent is ``true``. ``python -m vmm_core.clouds.local.isolation FOLDER WAY`` is one trial.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from .folder import Folder, Record
from .namespaces import Way, receive, say, start
from .trees import remove_tree

TRIAL_S = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """The way that works here, or why none does."""

    way: Way | None
    reason: str


class Prober:
    """Finds the best way once and remembers it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, Finding] = {}
        self._lock = asyncio.Lock()

    async def find(self, wanted: str) -> Finding:
        """The way to use; ``wanted`` is a way's name, or ``auto`` for the best that works."""
        async with self._lock:
            if wanted in self._found:
                return self._found[wanted]
            finding = await self._find(wanted)
            if finding.way is not None:  # what does not work may be mended meanwhile
                self._found[wanted] = finding
            return finding

    async def _find(self, wanted: str) -> Finding:
        root = os.geteuid() == 0
        ways = [Way.NAMESPACES] if root else [Way.USER_NAMESPACES, Way.PROCESS]
        if wanted != "auto":
            ways = [Way(wanted)]
        reasons = []
        for way in ways:
            reason = _forbidden(way, root=root) or await self._try(way)
            if not reason:
                return Finding(way, "")
            reasons.append(f"{way.value}: {reason}")
        return Finding(None, "; ".join(reasons))

    async def _try(self, way: Way) -> str:
        if way is Way.PROCESS:
            return ""
        trial = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __name__, str(self._folder), way.value),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(TRIAL_S):
                output, _ = await trial.communicate()
        except TimeoutError:
            trial.kill()
            await trial.wait()
            return f"a trial did not end within {TRIAL_S} s"
        lines = output.decode(errors="replace").strip().splitlines()
        return "" if trial.returncode == 0 else (lines or ["a trial failed"])[-1]


def _forbidden(way: Way, *, root: bool) -> str:
    if way is Way.NAMESPACES and not root:
        return "only root can make them: use user namespaces, or run the VMM as root"
    if way is Way.PROCESS and root:
        return "it would make every user root of this host: run the VMM as a normal user"
    return ""


def main(arguments: list[str]) -> int:
    """Make one machine in a scratch folder; 0 if it came up, else a sentence on stdout."""
    scratch = Path(tempfile.mkdtemp(dir=arguments[0], prefix=".new-"))
    try:
        record = Record(
            name=f"trial-{uuid.uuid4().hex[:8]}",
            owner="",
            way=arguments[1],
            cpus=1,
            ram_gb=1,
            gpus=0,
            gpu_model=None,
            ports=(),
            reach=(),
            devices=(),
            show=(),
            hide=(),
            command=(shutil.which("true") or "true",),
            environment={},
            user_data="",
            stop_timeout_s=0,
        )
        folder = Folder.create(scratch, record)
        folder.disk.mkdir()
        helper = start(folder, record, 2)
        word, _ = receive(helper.channel)
        if word.get("word") == "listening":
            say(helper.channel, {"word": "start", "isolation": ""})
            while word.get("word") not in ("up", "failed", "ended", None):
                word, _ = receive(helper.channel)
        helper.channel.close()
        os.waitpid(helper.pid, 0)
        if word.get("word") == "up":
            return 0
        sys.stdout.write(f"{word.get('reason', 'the first process ended at once')}\n")
        return 1
    finally:
        remove_tree(scratch)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
