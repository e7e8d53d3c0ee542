"""``dms serve``: the DMS service as a program."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from traitlets import Bool, Integer, Unicode, default
from traitlets.config import Application

from . import __version__
from . import config as configuration
from .access.frontends import Frontends
from .access.identity import Tokens, key_at
from .errors import ConfigError
from .rest import API
from .service.application import server
from .service.handler import Parts

log = logging.getLogger(__name__)

STOP_S = 4.0
"""Running requests get so long when the service is told to stop."""


class DMS(Application):
    """Serve the volumes of a configuration file over HTTP."""

    name = "dms serve"
    version = __version__
    description = "Serve the volumes of a configuration file over HTTP (REST, /dms/api/v1)."
    examples = """dms serve --config volumes.yaml --frontends-file frontends.yaml
dms serve --config volumes.yaml --port 0"""
    aliases = {  # noqa: RUF012 - traitlets' own way
        "config": "DMS.volumes_file",
        "DMS.config": "DMS.volumes_file",
        "ip": "DMS.ip",
        "port": "DMS.port",
        "frontends-file": "DMS.frontends_file",
        "key-file": "DMS.key_file",
        "log-level": "DMS.log_level",
    }
    flags = {  # noqa: RUF012
        "generate-config": (
            {"DMS": {"generate_config": True}},
            "Print a configuration file with every option and stop.",
        )
    }

    volumes_file = Unicode(
        "volumes.yaml", help="Storages, volumes and membership, see 'dms check'."
    ).tag(config=True)
    settings_file = Unicode("", help="A Python file with these options (c.DMS.port = …).").tag(
        config=True
    )
    ip = Unicode("127.0.0.1", help="Address to listen at.").tag(config=True)
    port = Integer(8790, min=0, max=65535, help="Port to listen at; 0: any that is free.").tag(
        config=True
    )
    frontends_file = Unicode(
        "", help="Who may have tokens made for users; filled by 'dms token'. Empty: nobody."
    ).tag(config=True)
    key_file = Unicode(
        "dms-key.pem", help="Ed25519 key that signs users' tokens; made at the first start, 0600."
    ).tag(config=True)
    generate_config = Bool(False, help="Print a configuration file and stop.").tag(config=True)

    @default("log_level")
    def _default_log_level(self) -> int:
        return logging.INFO

    def initialize(self, argv: Any = None) -> None:
        """Read the command line, then the settings file, which it overrules."""
        self.parse_command_line(argv)
        if self.settings_file:
            given = self.cli_config
            file = Path(self.settings_file)
            if not file.is_file():
                self._fail(f"The settings file {file} does not exist; correct --DMS.settings_file.")
            self.load_config_file(file.name, path=str(file.parent))
            self.update_config(given)

    def start(self) -> None:
        """Serve until SIGTERM or SIGINT; exit 1 with one sentence if that cannot be."""
        if self.generate_config:
            sys.stdout.write(self.generate_config_file())
            return
        logging.basicConfig(
            level=int(str(self.log_level)),
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        try:
            asyncio.run(self._serve())
        except ConfigError as error:
            self._fail(str(error))

    async def _serve(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        house = configuration.build(Path(self.volumes_file), start_without=True)
        try:
            await house.membership.start()
            http = server(
                Parts(
                    namespace=house.namespace,
                    membership=house.membership,
                    tokens=Tokens(key_at(Path(self.key_file))),
                    frontends=Frontends(Path(self.frontends_file) if self.frontends_file else None),
                    places=house.places,
                )
            )
            self._listen(http)
            await stop.wait()
            http.stop()
            try:
                async with asyncio.timeout(STOP_S):
                    await http.close_all_connections()
            except TimeoutError:
                log.warning("some requests did not end within %g s", STOP_S)
        finally:
            await house.membership.close()
            await house.namespace.close()

    def _listen(self, http: HTTPServer) -> None:
        try:
            sockets = bind_sockets(self.port, self.ip)
        except OSError as error:
            raise ConfigError(
                f"{self.ip}:{self.port} cannot be listened at ({error.strerror}); "
                "choose another --port, or 0 for any that is free."
            ) from None
        http.add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        sys.stdout.write(f"The DMS answers at http://{host}:{port}{API}\n")
        sys.stdout.flush()

    def _fail(self, sentence: str) -> None:
        sys.stderr.write(f"dms serve: {sentence}\n")
        self.exit(1)
