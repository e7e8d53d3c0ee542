"""Does what the TopCAT plugin's Java does: its ``SshClient`` and its ``VmmClient``."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Said:
    """What one command over SSH gave."""

    output: str
    errors: str
    status: int
    seconds: float


@dataclass(frozen=True)
class SshClient:
    """Runs commands on one machine.

    Args:
        host: as the VMM named it.
        user: ``sshUsername`` of the plugin's properties.
        key: ``sshPrivateKeyFile``.
        through: what goes before ssh, to be in the machine's network.
        more: options that the plugin does not give.
    """

    host: str
    user: str
    key: Path
    through: tuple[str, ...] = ()
    more: tuple[str, ...] = ()

    def line(self, *command: str) -> list[str]:
        """The plugin's command line."""
        options = ("StrictHostKeyChecking no", "UserKnownHostsFile /dev/null")
        options += ("PreferredAuthentications publickey", "ConnectTimeout 3")
        said = [word for option in options for word in ("-o", option)]
        target = ["-t", f"{self.user}@{self.host}", "-i", str(self.key)]
        return [*self.through, "/usr/bin/ssh", *self.more, *target, *said, *command]

    def exec(self, *command: str) -> Said:
        """Run a command; none asks for a shell."""
        begun = time.monotonic()
        done = subprocess.run(
            self.line(*command), input="", capture_output=True, text=True, timeout=60, check=False
        )
        return Said(done.stdout, done.stderr, done.returncode, time.monotonic() - begun)


def make_key(folder: Path, name: str, kind: str = "ed25519") -> Path:
    """A fresh key pair; the public half is beside it as ``NAME.pub``."""
    path = folder / name
    line = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(line, check=True, timeout=30)
    return path
