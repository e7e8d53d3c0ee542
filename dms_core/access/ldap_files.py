"""Files an LDAP directory needs: the password's and the CA's."""

from __future__ import annotations

import ssl
import stat

from ..errors import ConfigError
from .ldap_options import LdapOptions


def password_of(options: LdapOptions) -> str | None:
    """The password as it is in the file now; None without one.

    Raises:
        ConfigError: the file cannot be read, others may read it, or it is empty.
    """
    if options.password_file is None:
        return None
    try:
        if stat.S_IMODE(options.password_file.stat().st_mode) & 0o077:
            raise ConfigError(
                f"others may read the password file {options.password_file}; "
                f"run: chmod 600 {options.password_file}"
            )
        password = options.password_file.read_text().rstrip("\n")
    except OSError as error:
        raise ConfigError(
            f"the password file {options.password_file} cannot be read "
            f"({error.strerror}); correct its path"
        ) from None
    if not password:
        # To many servers a name with an empty password is anybody.
        raise ConfigError(f"the password file {options.password_file} is empty; fill it")
    return password


def check_files(options: LdapOptions) -> None:
    """See that the files can be used.

    Raises:
        ConfigError: one cannot.
    """
    password_of(options)
    if options.ca_file is not None:
        try:
            ssl.create_default_context(cafile=options.ca_file)
        except OSError as error:
            raise ConfigError(
                f"the CA file {options.ca_file} cannot be used "
                f"({error.strerror or error}); give a PEM file"
            ) from None
