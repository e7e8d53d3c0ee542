"""What the LDAP library raises, as one of our errors that names the server and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from ldap3.core import exceptions as raised  # type: ignore[import-untyped]

from ..errors import ConfigError, TimedOut, Unreachable
from .ldap_options import LdapOptions

_AWAY = (
    raised.LDAPBusyResult,
    raised.LDAPUnavailableResult,
    raised.LDAPTimeLimitExceededResult,
    raised.LDAPCommunicationError,
    raised.LDAPStartTLSError,
)
_UNTRUSTED = re.compile(r"certificate|CERTIFICATE_VERIFY_FAILED", re.IGNORECASE)
_SLOW = re.compile(r"timed out|timeout", re.IGNORECASE)


@contextmanager
def told(url: str, options: LdapOptions) -> Iterator[None]:
    """Translates what is raised within.

    Raises:
        ConfigError: an operator must correct something.
        Unreachable: the server does not answer.
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{url}: {error}.") from None
    except raised.LDAPException as error:
        _tell(url, options, error)
    except OSError as error:
        raise Unreachable(f"{url}: it does not answer ({error}); see that it runs.") from None


def _tell(url: str, options: LdapOptions, error: raised.LDAPException) -> NoReturn:
    text = str(error)
    if isinstance(error, _AWAY) and _UNTRUSTED.search(text):
        raise ConfigError(
            f"{url}: its certificate is not trusted ({_short(text)}); "
            "give the CA that signed it as ca_file, and the name it was made for as url."
        ) from None
    if isinstance(error, _AWAY) and _SLOW.search(text):
        raise TimedOut(
            f"{url}: no answer within {options.timeout_s:g} s; see that the server runs."
        ) from None
    if isinstance(error, _AWAY):
        raise Unreachable(
            f"{url}: it does not answer ({_short(text)}); "
            "see that the server runs, or correct the url."
        ) from None
    if isinstance(error, raised.LDAPInvalidCredentialsResult):
        raise ConfigError(
            f"{url}: the password of {options.bind_dn} is not accepted; "
            "correct bind_dn or password_file."
        ) from None
    if isinstance(error, raised.LDAPSizeLimitExceededResult | raised.LDAPAdminLimitExceededResult):
        raise ConfigError(
            f"{url}: it does not give all groups of a user; raise the size limit of "
            f"{options.bind_dn or 'anonymous users'} there, or lower page_size."
        ) from None
    if isinstance(error, raised.LDAPOperationResult):
        said = error.message or error.description
        who = options.bind_dn or "anonymous users"
        raise ConfigError(
            f"{url}: it refuses {who} ({said}); correct bind_dn, tls or the server's rules."
        ) from None
    raise ConfigError(f"{url}: the search cannot be made ({_short(text)}); correct it.") from None


def raise_if_cut_short(result: Any) -> None:
    """The library takes a result that was cut short, or sent elsewhere, for a good one."""
    if result["result"] != 0:
        raise raised.LDAPOperationResult(
            result=result["result"],
            description=result["description"],
            dn=result["dn"],
            message=result["message"],
            response_type=result["type"],
        )


def _short(text: str) -> str:
    """The reason without the library's wrapping."""
    inner = re.search(r"\[Errno[^\]]*\]\s*([^'\")]*)|\[SSL: [^\]]*\]\s*([^(]*)", text)
    return (inner[1] or inner[2] or text).strip() if inner else text.strip()
