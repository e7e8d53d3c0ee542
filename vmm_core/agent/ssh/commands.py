"""The commands that are understood over SSH, and which words they take. Pure.

Nothing here ever reaches a shell; what is let through are names and tokens of
a few characters, so that they are harmless in files, too.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}(@[A-Za-z0-9][A-Za-z0-9.-]{0,188})?", re.A)
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{15,127}", re.A)
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.A)
_LONGEST = 512
_HASH_DIGITS = 8
_ACCOUNT_LENGTH = 32

TAKES = {
    "add_primary_user": "NAME",
    "add_secondary_user": "NAME",
    "remove_secondary_user": "NAME",
    "add_websockify_token": "TOKEN",
    "remove_websockify_token": "TOKEN",
    "get_screenshot": "",
}
"""Every command and what it takes."""


class CommandError(Exception):
    """A command is refused or failed; the text is for the one who sent it."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command with its word, checked; a command that takes none has ``""``."""

    name: str
    word: str = ""

    def __str__(self) -> str:
        """For logs: a token is a secret."""
        secret = TAKES[self.name] == "TOKEN"
        return f"{self.name} {'…' if secret else self.word}".strip()


def parse(line: str | None) -> Command:
    """The command of a line as it came over SSH; None is a request for a shell.

    Raises:
        CommandError: it is none of ours, or its word cannot be right.
    """
    known = ", ".join(f"{name} {takes}".strip() for name, takes in TAKES.items())
    if not line:
        raise CommandError(f"there is no shell here: send one of {known}")
    name, *words = line.split(" ") if len(line) <= _LONGEST else [""]
    if name not in TAKES:
        raise CommandError(f"there is no such command here: send one of {known}")
    takes = TAKES[name]
    if len(words) != (1 if takes else 0):
        raise CommandError(f"{name} takes {f'one {takes}' if takes else 'nothing'}")
    if takes == "NAME" and not _NAME.fullmatch(words[0]):
        raise CommandError(
            f"{name}: that is no user's name: it has letters, digits, dots, +, - and _, "
            "and may be an e-mail address"
        )
    if takes == "TOKEN" and not _TOKEN.fullmatch(words[0]):
        raise CommandError(f"{name}: that is no token: it has 16 to 128 letters, digits, - and _")
    return Command(name, *words)


def account_of(name: str) -> str:
    """The account on the machine of a person who is called so elsewhere.

    A name that can be an account's is it. Of another one, an e-mail address for
    example, what can be is kept, with a hash that tells it from its likes.
    """
    if _ACCOUNT.fullmatch(name):
        return name
    told = hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]
    kept = re.sub(r"[^a-z0-9_]+", "-", name.partition("@")[0].lower()).strip("-")
    kept = kept if re.match(r"[a-z_]", kept) else f"u-{kept}"
    return f"{kept[: _ACCOUNT_LENGTH - _HASH_DIGITS - 1].rstrip('-')}-{told}"
