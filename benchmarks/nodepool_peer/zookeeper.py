"""A ZooKeeper of this run's own, on loopback, with TLS as Nodepool insists on.

All settings that matter for time are ZooKeeper's own: one server, its log
written through to the disk before it answers (``forceSync``).
"""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

from examples.demo.stack import free_ports, write_private

from ..processes import Program
from . import install

CONFIG = """\
dataDir={folder}/data
tickTime=2000
secureClientPort={port}
secureClientPortAddress=127.0.0.1
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
ssl.keyStore.location={folder}/store.pem
ssl.trustStore.location={folder}/cert.pem
admin.enableServer=false
"""


class ZooKeeper:
    """One server; ``key`` and ``certificate`` are everybody's."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made here and holds everything, also the certificate."""
        self._folder = folder
        self.key = folder / "key.pem"
        self.certificate = folder / "cert.pem"
        (self.port,) = free_ports(1)
        self._server = Program("zookeeper", folder)

    def start(self) -> None:
        """Start it and wait until it speaks TLS."""
        (self._folder / "data").mkdir(parents=True, mode=0o700)
        self._make_certificate()
        config = self._folder / "zoo.cfg"
        config.write_text(CONFIG.format(folder=self._folder, port=self.port))
        main = "org.apache.zookeeper.server.ZooKeeperServerMain"
        self._server.start(["java", "-Xmx512m", "-cp", install.class_path(), main, str(config)])
        self._server.wait(self._speaks, 60)

    def stop(self) -> None:
        """End it."""
        self._server.stop()

    def _make_certificate(self) -> None:
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        make += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
        make += ["-keyout", str(self.key), "-out", str(self.certificate)]
        subprocess.run(make, check=True, capture_output=True, timeout=60)
        write_private(
            self._folder / "store.pem", self.key.read_text() + self.certificate.read_text()
        )

    def _speaks(self) -> bool:
        context = ssl.create_default_context(cafile=self.certificate)
        context.load_cert_chain(self.certificate, self.key)
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1"),
            ):
                return True
        except OSError:
            return False
