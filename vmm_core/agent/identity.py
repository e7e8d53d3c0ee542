"""Who this machine is to the VMM: its user data, and its reconnect token once enrolled.

The user data is given once. After enrolment it is deleted and what is needed
to come back after a crash of the agent is kept in ``run/vmm/agent.json``,
0600. Once there is a session, it stays there only if the session runs under
another account: nobody else's program may speak for the machine.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .access import SshAccess


class IdentityError(Exception):
    """There is neither user data nor a kept identity; the text says where it was looked for."""


@dataclass(slots=True)
class Identity:
    """What the machine knows of itself. ``token`` is the one to dial with next."""

    service: str
    machine: str
    public_key: str
    preload: tuple[str, ...]
    token: str
    user_data: Path
    kept: Path
    lease: str | None = None
    """Whose machine this is or was; it never becomes another's."""
    user: str | None = None
    """The account of that lease."""
    activity_s: float = 30
    ssh: SshAccess | None = None
    people: tuple[dict[str, str], ...] = ()
    """Who was let in over SSH."""

    @classmethod
    def load(cls, user_data: Path, folder: Path) -> Identity:
        """From the user data, or after a restart from ``folder``.

        Raises:
            IdentityError: neither can be read.
        """
        kept = folder / "agent.json"
        for path, token in ((kept, "token"), (user_data, "enrolment_token")):
            try:
                values: dict[str, Any] = json.loads(path.read_bytes())
                return cls(
                    service=values["service"],
                    machine=values["machine"],
                    public_key=values["public_key"],
                    preload=tuple(values.get("preload", ())),
                    token=values[token],
                    user_data=user_data,
                    kept=kept,
                    lease=values.get("lease"),
                    user=values.get("user"),
                    activity_s=float(values.get("activity_s", 30)),
                    ssh=SshAccess.model_validate(values["ssh"]) if values.get("ssh") else None,
                    people=tuple(values.get("people", ())),
                )
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise IdentityError(f"{path} is not what the VMM writes there: {error!r}") from None
        raise IdentityError(f"no user data in {user_data}: create the machine anew")

    def enrolled(self, token: str) -> None:
        """Keep the reconnect token; the user data has served."""
        self.token = token
        self._keep()
        with suppress(FileNotFoundError):
            self.user_data.unlink()

    def bound(self, lease: str, user: str) -> None:
        """Remember, if that is safe, that this machine is somebody's."""
        self.lease, self.user = lease, user
        self._remember()

    def let_in(self, people: tuple[dict[str, str], ...]) -> None:
        """Remember, if that is safe, who is let in over SSH."""
        self.people = people
        self._remember()

    def _remember(self) -> None:
        if os.geteuid() == 0:
            self._keep()
        else:
            with suppress(FileNotFoundError):
                self.kept.unlink()

    def _keep(self) -> None:
        self.kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.kept.with_suffix(".new")
        draft.touch(mode=0o600)
        plain = asdict(replace(self, user_data=Path(), kept=Path(), ssh=None))
        plain |= {"user_data": "", "kept": "", "ssh": self.ssh and self.ssh.model_dump(mode="json")}
        draft.write_text(json.dumps(plain))
        draft.replace(self.kept)
