"""What an LDAP directory is configured with, and how the usual layouts are searched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from .groups import Case, Patterns

Layout = Literal["posix", "members", "member-of", "active-directory"]
Url = Annotated[str, StringConstraints(pattern=r"^(ldaps?://[^/\s]+|ldapi://\S+)/?$")]

_USERS: dict[Layout, str] = {
    "posix": "",
    "members": "(uid={user})",
    "member-of": "(uid={user})",
    "active-directory": "(&(objectCategory=person)(sAMAccountName={user}))",
}
_GROUPS: dict[Layout, str] = {
    "posix": "(&(objectClass=posixGroup)(memberUid={user}))",
    "members": "(&(objectClass=groupOfNames)(member={dn}))",
    "member-of": "",
    # The rule that follows groups in groups: LDAP_MATCHING_RULE_IN_CHAIN.
    "active-directory": "(member:1.2.840.113556.1.4.1941:={dn})",
}


class LdapOptions(BaseModel):
    """``membership: {kind: ldap, options: {…}}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    urls: tuple[Url, ...] = Field(min_length=1, description="servers; the first that answers")
    tls: Literal["start_tls", "none"] = Field(
        default="start_tls", description="of ldap://; 'none' sends the password as it is"
    )
    ca_file: Path | None = Field(
        default=None, description="CA that signed the server's certificate; else the system's"
    )
    bind_dn: str | None = Field(default=None, description="who asks; anonymous without one")
    password_file: Path | None = Field(default=None, description="its password, 0600")

    layout: Layout = Field(default="members", description="how groups name their members")
    users_base: str | None = Field(default=None, description="DN above the users")
    users_filter: str | None = Field(default=None, description="finds {user}; else the layout's")
    groups_base: str | None = Field(default=None, description="DN above the groups")
    groups_filter: str | None = Field(
        default=None, description="finds the groups of {user} or {dn}; else the layout's"
    )
    group_name: str = Field(default="cn", description="attribute with a group's name")

    experiments: tuple[str, ...] = Patterns.experiments
    scientists: tuple[str, ...] = Patterns.scientists
    administrators: tuple[str, ...] = Patterns.administrators
    case: Case = Patterns.case
    number_folder: str = Patterns.number_folder

    refresh_s: float = Field(default=30, gt=0, description="an answer is asked for again after it")
    grace_s: float = Field(
        default=900, gt=0, description="how long the last answers hold while no server answers"
    )
    timeout_s: float = Field(default=5, gt=0, le=60, description="of one exchange with a server")
    page_size: int = Field(default=500, ge=1, le=1000, description="groups per answer")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.bind_dn is None) != (self.password_file is None):
            raise ValueError("bind_dn and password_file go together; give both or neither")
        if self.grace_s < self.refresh_s:
            raise ValueError("grace_s is shorter than refresh_s; make it longer")
        if self.asks_for_users and not self.users_base:
            raise ValueError(f"users_base is missing, which layout {self.layout} needs; add it")
        if self.asks_for_groups and not self.groups_base:
            raise ValueError(f"groups_base is missing, which layout {self.layout} needs; add it")
        if self.asks_for_users and "{user}" not in self.users_search:
            raise ValueError("users_filter lacks {user}; put it where the user's name belongs")
        if self.asks_for_groups and not re.search(r"\{(user|dn)\}", self.groups_search):
            raise ValueError("groups_filter lacks {user} and {dn}; put one where members are named")
        self.patterns  # noqa: B018 - raises when one is wrong
        return self

    @property
    def patterns(self) -> Patterns:
        """Which groups mean what."""
        return Patterns(
            self.experiments, self.scientists, self.administrators, self.case, self.number_folder
        )

    @property
    def users_search(self) -> str:
        """The filter that finds the user's entry; empty if that is not needed."""
        return self.users_filter or _USERS[self.layout]

    @property
    def groups_search(self) -> str:
        """The filter that finds the user's groups; empty if the user's entry names them."""
        return self.groups_filter or _GROUPS[self.layout]

    @property
    def asks_for_users(self) -> bool:
        """Whether the user's entry is needed first."""
        return bool(self.users_search) and ("{dn}" in self.groups_search or not self.groups_search)

    @property
    def asks_for_groups(self) -> bool:
        """Whether groups are searched for."""
        return bool(self.groups_search)
