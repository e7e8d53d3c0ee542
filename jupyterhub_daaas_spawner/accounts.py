"""The Unix account that a hub user gets on a machine.

A hub user may be called anything (``alice@facility.org``, ``Bob``, ``root``); a
Unix account may not. :func:`account_name` maps one to the other, the same way
every time, and no two users to one account. Data is never found by this name:
for the DMS the user keeps the hub's name.
"""

from __future__ import annotations

import hashlib
import re

_VALID = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_MAPPED = re.compile(r".*-[0-9a-f]{8}")
_LONGEST = 32

# The accounts and prefixes that Debian, Ubuntu and Red Hat give to the system.
_SYSTEM = frozenset(
    """
    adm avahi backup bin chrony colord daemon dbus dhcpcd dms ftp games gdm gnats halt irc
    jupyter landscape list lp mail man messagebus mysql news nobody ntp operator polkitd
    postfix postgres proxy pulse root rpc rtkit shutdown slurm sshd sync sys syslog tcpdump
    tss usbmux uucp uuidd vmm www-data
    """.split()  # noqa: SIM905 - fifty quotes would not make it clearer
)
_SYSTEM_PREFIXES = ("_", "systemd-")


def account_name(user: str) -> str:
    """The account of the hub user ``user``: at most 32 of ``a-z0-9_-``.

    A name that is a valid account and not the system's is kept. Any other keeps
    what it can of its letters and ends in a hyphen and the first 8 hex digits of
    its SHA-256: ``alice@facility.org`` becomes ``alice-facility-org-`` and 8
    digits. A name that ends like that by itself is mapped too, so that nobody
    can choose another's account.
    """
    if _VALID.fullmatch(user) and not _is_the_systems(user) and not _MAPPED.fullmatch(user):
        return user
    digits = hashlib.sha256(user.encode()).hexdigest()[:8]
    letters = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-")
    if not letters or letters[0].isdigit():
        letters = f"u{letters}"
    return f"{letters[: _LONGEST - 9].rstrip('-')}-{digits}"


def _is_the_systems(user: str) -> bool:
    return user in _SYSTEM or user.startswith(_SYSTEM_PREFIXES)
