"""A real OpenLDAP server of the test's own: its folder, its port, its data, its certificate."""

from __future__ import annotations

import shutil
from pathlib import Path

import ldap3
import pytest

from .ca import Authority
from .servers import START_S, Server, free_port
from .waiting import until

SUFFIX = "dc=example,dc=org"
ROOT = f"cn=root,{SUFFIX}"
READER = f"cn=dms reader,{SUFFIX}"
PASSWORD = "reader's own"
_SCHEMAS = Path("/etc/ldap/schema")
_MODULES = Path("/usr/lib/ldap")
_CONFIG = """\
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/nis.schema
include {schemas}/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
moduleload memberof
pidfile {folder}/slapd.pid
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
sizelimit size.soft=20 size.hard=20 size.prtotal={paged}
database mdb
suffix {suffix}
rootdn {root}
rootpw "{password}"
directory {folder}/data
maxsize 33554432
dbnosync
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by * none
"""


class Slapd(Server):
    """``slapd`` in ``folder``; ``add`` and the like change its data.

    It gives 20 entries to a search, and ``paged`` to one that asks for pages.
    """

    def __init__(self, folder: Path, *, paged: str = "unlimited") -> None:
        program = shutil.which("slapd") or shutil.which("slapd", path="/usr/sbin")
        if program is None or not _SCHEMAS.is_dir():
            pytest.skip("needs slapd: apt-get install -y slapd")
        folder.mkdir(parents=True)
        self.folder = folder
        self.authority = Authority(folder / "ca")
        identity = self.authority.issue("localhost", server=True)
        self.secure_port = free_port()
        (folder / "data").mkdir()
        config = folder / "slapd.conf"
        config.touch(mode=0o600)
        config.write_text(
            _CONFIG.format(
                schemas=_SCHEMAS,
                modules=_MODULES,
                folder=folder,
                ca=self.authority.file,
                certificate=identity.certificate,
                key=identity.key,
                suffix=SUFFIX,
                root=f'"{ROOT}"',
                reader=READER,
                password=PASSWORD,
                paged=paged,
            )
        )
        self.password_file = folder / "password"
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(f"{PASSWORD}\n")
        urls = f"ldap://127.0.0.1:{{port}} ldaps://127.0.0.1:{self.secure_port}"
        super().__init__(
            [program, "-d", "none", "-f", str(config), "-h", urls], folder / "slapd.log"
        )

    def freeze(self) -> None:
        """As of any server; returns when its last thread stands, which takes a while under load."""
        super().freeze()
        until(lambda: all(map(_stands, self.members())), "slapd stands still", START_S)

    @property
    def url(self) -> str:
        """Where it is asked, by StartTLS or in the clear."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def secure_url(self) -> str:
        """Where it is asked by TLS from the start."""
        return f"ldaps://127.0.0.1:{self.secure_port}"

    def options(self, **more: object) -> dict[str, object]:
        """Options of a directory that asks it, with StartTLS and our own CA."""
        return {
            "urls": [self.url],
            "ca_file": str(self.authority.file),
            "bind_dn": READER,
            "password_file": str(self.password_file),
            "users_base": f"ou=people,{SUFFIX}",
            "groups_base": f"ou=groups,{SUFFIX}",
            "timeout_s": 1,
            **more,
        }

    def fill(self) -> None:
        """The suffix, who may read, and empty folders of people and groups."""
        self.add(SUFFIX, ["dcObject", "organization"], dc="example", o="Example")
        reader = ["person"]
        self.add(READER, reader, cn="dms reader", sn="reader", userPassword=PASSWORD)
        for name in ("people", "groups"):
            self.add(f"ou={name},{SUFFIX}", ["organizationalUnit"], ou=name)

    def add(self, dn: str, classes: list[str], **attributes: object) -> None:
        """An entry."""
        with self._root() as root:
            root.add(dn, classes, attributes)

    def add_person(self, name: str) -> str:
        """A person; the DN."""
        dn = f"uid={name},ou=people,{SUFFIX}"
        self.add(dn, ["inetOrgPerson"], uid=name, cn=name, sn=name)
        return dn

    def add_group(self, name: str, *members: str) -> str:
        """A ``groupOfNames``; the DN."""
        dn = f"cn={name},ou=groups,{SUFFIX}"
        people = [f"uid={one},ou=people,{SUFFIX}" for one in members] or [ROOT]
        self.add(dn, ["groupOfNames"], cn=name, member=people)
        return dn

    def join(self, group: str, name: str) -> None:
        """Put a person in a group."""
        self._change(group, name, ldap3.MODIFY_ADD)

    def leave(self, group: str, name: str) -> None:
        """Take a person out of a group."""
        self._change(group, name, ldap3.MODIFY_DELETE)

    def _change(self, group: str, name: str, how: str) -> None:
        member = f"uid={name},ou=people,{SUFFIX}"
        with self._root() as root:
            root.modify(f"cn={group},ou=groups,{SUFFIX}", {"member": [(how, [member])]})

    def _root(self) -> ldap3.Connection:
        server = ldap3.Server(self.url, get_info=ldap3.NONE)
        return ldap3.Connection(
            server, ROOT, PASSWORD, raise_exceptions=True, auto_bind=True, receive_timeout=10
        )


def _stands(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in threads)
