"""A certificate authority of the test's own, laid out as grids keep them."""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ORGANISATION = "Test Facility"


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, in files."""

    subject: str
    """As gridmaps write it: ``/O=…/CN=…``."""
    certificate: Path
    key: Path


class Authority:
    """Makes ``folder``: ``certificates/HASH.0`` with its signing policy, and what is issued."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self.folder = folder
        self.certificates = folder / "certificates"
        self.certificates.mkdir(parents=True)
        self.file = folder / "ca.pem"
        self._key = _new_key()
        self._name = _name(name)
        certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(sign=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        digest = subprocess.run(
            ["openssl", "x509", "-noout", "-hash", "-in", str(self.file)],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        ).stdout.strip()
        (self.certificates / f"{digest}.0").write_bytes(self.file.read_bytes())
        (self.certificates / f"{digest}.signing_policy").write_text(
            f"access_id_CA   X509   '/O={ORGANISATION}/CN={name}'\n"
            "pos_rights     globus CA:sign\n"
            f"cond_subjects  globus '\"/O={ORGANISATION}/*\"'\n"
        )

    def issue(self, name: str, *, server: bool = False, days: int = 1) -> Identity:
        """A certificate for ``name``; a server's is good for localhost and 127.0.0.1."""
        key = _new_key()
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            _builder(_name(name), self._name, key, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign=False), critical=True)
        )
        if server:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            names = x509.SubjectAlternativeName([x509.DNSName("localhost"), address])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False).sign(
            self._key, hashes.SHA256()
        )
        stem = name.lower().replace(" ", "-")
        identity = Identity(
            subject=f"/O={ORGANISATION}/CN={name}",
            certificate=self.folder / f"{stem}.pem",
            key=self.folder / f"{stem}.key",
        )
        identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        identity.key.touch(mode=0o600)
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        return identity


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, days: int = 1
) -> x509.CertificateBuilder:
    """Valid for ``days``; of negative days, until so long ago."""
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, end) - datetime.timedelta(days=1))
        .not_valid_after(end)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        key_encipherment=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
