"""One connection to an LDAP server and the questions asked over it. Blocks; for worker threads.

What a user is called goes into a
filter escaped; answers come in pages, and one that was cut short is a failure,
never fewer groups. Referrals are not followed: they would take the password to
other servers.
"""

from __future__ import annotations

import logging
import math
import os
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import ldap3  # type: ignore[import-untyped]
from ldap3.core import exceptions as raised  # type: ignore[import-untyped]
from ldap3.utils.conv import escape_filter_chars  # type: ignore[import-untyped]
from ldap3.utils.dn import parse_dn  # type: ignore[import-untyped]

from ..errors import ConfigError, DmsError, Unreachable
from .ldap_files import check_files, password_of
from .ldap_options import LdapOptions
from .ldap_told import raise_if_cut_short, told

log = logging.getLogger(__name__)

T = TypeVar("T")

_PAGES = "1.2.840.113556.1.4.319"
_NO_BASE = "there is no {}, or it may not be read; correct users_base or groups_base"


class LdapClient:
    """For one thread at a time.

    Raises:
        ConfigError: a file it needs cannot be used.
    """

    def __init__(self, options: LdapOptions) -> None:
        self._options = options
        self._connection: Any = None
        self._at = 0
        check_files(options)

    def check(self) -> None:
        """See that the server takes us and has what the options name.

        Raises:
            ConfigError: an operator must correct something.
            Unreachable: no server answers.
        """
        self._asked(self._check)

    def groups_of(self, user: str) -> frozenset[str]:
        """The names of the groups that ``user`` is in; none if the directory has no such user.

        Raises:
            ConfigError: an operator must correct something.
            Unreachable: no server answers.
        """
        return self._asked(lambda connection: self._groups_of(connection, user))

    def close(self) -> None:
        """Take leave."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(raised.LDAPExceptionError, OSError):
                connection.unbind()

    # --------------------------------------------------------------------------

    def _check(self, connection: Any) -> None:
        options = self._options
        bases = [
            (options.users_base or "") if options.asks_for_users else "",
            (options.groups_base or "") if options.asks_for_groups else "",
        ]
        for base in filter(None, bases):
            if not self._search(connection, base, "(objectClass=*)", ["1.1"], ldap3.BASE):
                raise ConfigError(_NO_BASE.format(base))
        tried = {"user": "nobody", "dn": "cn=nobody"}
        for base, wanted in zip(bases, (options.users_search, options.groups_search), strict=True):
            if base:
                self._search(connection, base, _filled(wanted, tried), ["1.1"])

    def _groups_of(self, connection: Any, user: str) -> frozenset[str]:
        options = self._options
        known = {"user": user}
        if options.asks_for_users:
            wanted = ["1.1"] if options.asks_for_groups else ["memberOf"]
            base = options.users_base or ""
            found = self._search(connection, base, _filled(options.users_search, known), wanted)
            if not found:
                return frozenset()
            if len(found) > 1:
                log.warning("%d users are called %s: none of them counts", len(found), user)
                return frozenset()
            if not options.asks_for_groups:
                named = found[0]["attributes"].get("memberOf") or []
                return frozenset(filter(None, map(_first_name, _values(named))))
            known["dn"] = found[0]["dn"]
        rows = self._search(
            connection,
            options.groups_base or "",
            _filled(options.groups_search, known),
            [options.group_name],
        )
        return frozenset(
            name for row in rows for name in _values(row["attributes"].get(options.group_name))
        )

    def _search(
        self, connection: Any, base: str, wanted: str, names: list[str], scope: str = ldap3.SUBTREE
    ) -> list[Any]:
        rows: list[Any] = []
        cookie: bytes | None = None
        try:
            while cookie is None or cookie:
                connection.search(
                    base,
                    wanted,
                    scope,
                    attributes=names,
                    time_limit=math.ceil(self._options.timeout_s),
                    paged_size=self._options.page_size,
                    paged_cookie=cookie,
                )
                raise_if_cut_short(connection.result)
                rows += connection.response
                controls = connection.result.get("controls", {})
                cookie = controls.get(_PAGES, {}).get("value", {}).get("cookie") or b""
        except raised.LDAPNoSuchObjectResult:
            raise ConfigError(_NO_BASE.format(base)) from None
        except (raised.LDAPInvalidFilterError, raised.LDAPInvalidDnError) as error:
            raise ConfigError(f"{wanted} below {base} is no search ({error}); correct it") from None
        return [row for row in rows if row.get("type") == "searchResEntry"]

    def _asked(self, ask: Callable[[Any], T]) -> T:
        """What ``ask`` finds, at the first server that answers; a lost connection is made anew."""
        kept = self._connection is not None
        failure: DmsError = Unreachable("no server was asked")
        for _ in range(len(self._options.urls) + kept):
            url = self._options.urls[self._at]
            try:
                with told(url, self._options):
                    if self._connection is None:
                        self._connection = self._connected(url)
                    return ask(self._connection)
            except DmsError as error:
                self.close()
                if not isinstance(error, Unreachable):
                    raise
                failure = error
                if not kept:
                    self._at = (self._at + 1) % len(self._options.urls)
                kept = False
        raise failure

    def _connected(self, url: str) -> Any:
        options = self._options
        waiting_s = math.ceil(options.timeout_s)  # the library takes whole seconds only
        host = urlsplit(url).hostname or ""
        authority = os.fspath(options.ca_file) if options.ca_file else None
        trust = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=authority, sni=host or None)
        server = ldap3.Server(url, tls=trust, get_info=ldap3.NONE, connect_timeout=waiting_s)
        connection = ldap3.Connection(
            server,
            user=options.bind_dn,
            password=password_of(options),
            client_strategy=ldap3.SYNC,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            raise_exceptions=True,
            check_names=False,
            read_only=True,
            receive_timeout=waiting_s,
        )
        try:
            connection.open(read_server_info=False)
            if url.startswith("ldap://") and options.tls == "start_tls":
                connection.start_tls(read_server_info=False)
            connection.bind(read_server_info=False)
        except BaseException:
            with suppress(raised.LDAPExceptionError, OSError):
                connection.unbind()
            raise
        return connection


def _filled(template: str, known: dict[str, str]) -> str:
    return re.sub(
        r"\{(user|dn)\}", lambda field: str(escape_filter_chars(known[field[1]])), template
    )


def _values(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(one) for one in values if one]


def _first_name(dn: str) -> str | None:
    """The value of the first part: ``rb-1`` of ``cn=rb-1,ou=groups``."""
    try:
        return str(parse_dn(dn)[0][1])
    except raised.LDAPInvalidDnError:
        return None
