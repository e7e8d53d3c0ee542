"""The GSI security context of a control channel: TLS 1.2 carried in FTP commands (RFC 2228).

The handshake travels in ``ADAT`` commands and the commands after it in ``ENC``,
base64 either way. No credential is delegated. It protects the control channel
only; with ``DCAU N`` the data channels are neither authenticated nor encrypted.
"""

from __future__ import annotations

import base64
import re
import ssl
from pathlib import Path

from ..base import Refused

_NO_DELEGATION = b"0"
_TOKEN = re.compile(r"ADAT=(\S+)")


def context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """What both ends are checked with.

    Args:
        ca: A file of CA certificates, or a folder of them named by hash.
        certificate: The certificate or proxy to log in with, with its chain.
        key: Its private key; the same file for a proxy.

    Raises:
        OSError, ssl.SSLError: one of them cannot be used.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca.is_dir():
        made.load_verify_locations(capath=ca)
    else:
        made.load_verify_locations(cafile=ca)
    made.load_cert_chain(certificate, key)
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_TICKET
    return made


class Security:
    """One context between us and a server that must prove to be ``server_name``."""

    def __init__(self, made: ssl.SSLContext, server_name: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = made.wrap_bio(self._in, self._out, server_hostname=server_name)
        self._greeted = False

    def step(self, answer: str) -> str:
        """The next ``ADAT`` argument, after the server's answer to the one before.

        Raises:
            Refused: the server's certificate is not good here.
        """
        token = _TOKEN.search(answer)
        if token:
            self._in.write(base64.b64decode(token[1]))
        try:
            if not self._greeted:
                self._tls.do_handshake()
                self._greeted = True
                self._tls.write(_NO_DELEGATION)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as error:
            raise Refused(
                f"the server's certificate is not accepted ({error.verify_message}); "
                "correct 'ca' or 'server_name', or renew that certificate"
            ) from None
        except ssl.SSLError as error:
            raise Refused(
                f"the server does not accept the certificate of the DMS "
                f"({(error.reason or 'no reason given').lower().replace('_', ' ')}); "
                "renew it, or have its CA trusted there"
            ) from None
        return base64.b64encode(self._out.read()).decode()

    def wrap(self, command: bytes) -> bytes:
        """A command as it is sent."""
        self._tls.write(command)
        return b"ENC " + base64.b64encode(self._out.read()) + b"\r\n"

    def unwrap(self, line: bytes) -> bytes:
        """The text in a protected line ``63x BASE64``; any amount of it."""
        self._in.write(base64.b64decode(line[4:]))
        parts = []
        while True:
            try:
                part = self._tls.read(1 << 16)
            except ssl.SSLWantReadError:
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts)
