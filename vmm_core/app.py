"""``vmm serve``: the service as a traitlets application.

Configuration comes from the command line and from ``vmm_config.py``;
``--generate-config`` writes one with everything that can be set, ``--help-all``
prints it. What is wrong with it is told in one sentence, exit status 1.
"""

from __future__ import annotations

import asyncio
import difflib
import gc
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from traitlets import Bool, Float, Integer, Unicode, default
from traitlets.config import Application
from traitlets.config.application import catch_config_error

from . import __version__, logs
from .errors import BadRequest, VmmError
from .service import Service, Settings

log = logging.getLogger(__name__)


class VMM(Application):
    """The Virtual Machine Manager's service."""

    name = "vmm serve"
    version = __version__
    description = "Keep machines of every pool ready, and lease them over a REST API."
    examples = """
    vmm token hub --scope lease:any --output hub.token
    vmm serve --catalogue=environments.yaml --port=8440
    vmm serve --config=/etc/vmm/vmm_config.py
    vmm serve --generate-config
    """

    config_file = Unicode("vmm_config.py", help="read for configuration, if it is there").tag(
        config=True
    )
    generate_config = Bool(
        False, help="write the configuration file with all that can be set, and exit"
    ).tag(config=True)
    catalogue = Unicode(
        "environments.yaml", help="YAML file of locations, clouds, environments and pools"
    ).tag(config=True)
    database = Unicode(
        "sqlite+aiosqlite:///vmm.sqlite",
        help="URL of the ledger: sqlite+aiosqlite:///FILE or postgresql+asyncpg://HOST/NAME",
    ).tag(config=True)
    ip = Unicode("127.0.0.1", help="address to listen on; 0.0.0.0 is all").tag(config=True)
    port = Integer(8440, min=0, max=65535, help="port to listen on; 0 takes a free one").tag(
        config=True
    )
    tokens_file = Unicode("vmm-tokens.yaml", help="who may call, made by `vmm token`").tag(
        config=True
    )
    key_file = Unicode(
        "vmm-key.pem", help="Ed25519 key that signs binds; made at first start, 0600"
    ).tag(config=True)
    machine_url = Unicode(
        "",
        help="URL of this service as machines dial it, or several, separated by blanks; "
        "http://ip:port if empty",
    ).tag(config=True)
    replica_url = Unicode(
        "",
        help="URL at which other processes of this service reach this one; http://ip:port if empty",
    ).tag(config=True)
    agent_grace_s = Float(
        30, min=0, help="seconds that a vacant machine's agent may be away before it is replaced"
    ).tag(config=True)
    log_json = Bool(False, help="write each line of the log as a JSON object").tag(config=True)
    delete_machines_on_stop = Bool(
        False, help="delete all machines, also leased ones, when the service is stopped"
    ).tag(config=True)

    aliases = {  # noqa: RUF012 - traitlets' own attribute
        **Application.aliases,
        "config": "VMM.config_file",
        "catalogue": "VMM.catalogue",
        "database": "VMM.database",
        "ip": "VMM.ip",
        "port": "VMM.port",
        "tokens-file": "VMM.tokens_file",
        "key-file": "VMM.key_file",
        "machine-url": "VMM.machine_url",
        "replica-url": "VMM.replica_url",
    }
    flags = {  # noqa: RUF012 - traitlets' own attribute
        **Application.flags,
        "generate-config": (
            {"VMM": {"generate_config": True}},
            "Write the configuration file with all that can be set, and exit.",
        ),
        "delete-machines-on-stop": (
            {"VMM": {"delete_machines_on_stop": True}},
            "Delete all machines, also leased ones, when the service is stopped.",
        ),
    }

    @default("log_level")
    def _default_log_level(self) -> int:
        return logging.INFO

    @catch_config_error
    def initialize(self, argv: Any = None) -> None:
        """Read the command line, then the configuration file; the command line wins."""
        self._refuse_unknown(argv or [])
        self.parse_command_line(argv)
        if self.extra_args:
            raise BadRequest(
                f"unknown argument {self.extra_args[0]!r}: `vmm serve --help` lists what there is"
            )
        if self.generate_config:
            return
        given = self.cli_config
        path = Path(self.config_file).absolute()
        if path.is_file():
            self.load_config_file(path.name, path=str(path.parent))
            self.update_config(given)
        elif "config_file" in given.get("VMM", {}):
            raise BadRequest(
                f"there is no configuration file {path}: correct --config, "
                "or make it with --generate-config"
            )

    def _refuse_unknown(self, argv: Sequence[str]) -> None:
        """Traitlets only warns of options that it does not know, and goes on without them."""
        traits = [f"VMM.{name}" for name in self.trait_names(config=True)]
        known = [*self.aliases, *self.flags, *traits, "help", "help-all", "version"]
        for argument in argv:
            name = argument.removeprefix("--").partition("=")[0]
            if argument.startswith("--") and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean --{near[0]}?" if near else "`vmm serve --help` lists them"
                raise BadRequest(f"unknown option --{name}: {hint}")

    def start(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            VmmError: the service cannot start, with the remedy.
        """
        if self.generate_config:
            self._write_config()
            return
        level: Any = self.log_level
        logs.set_up(level, as_json=self.log_json, stream=sys.stderr)
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        service = Service(
            Settings(
                catalogue=Path(self.catalogue),
                database=self.database,
                ip=self.ip,
                port=self.port,
                tokens_file=Path(self.tokens_file),
                key_file=Path(self.key_file),
                machine_url=self.machine_url,
                replica_url=self.replica_url,
                agent_grace_s=self.agent_grace_s,
                delete_machines_on_stop=self.delete_machines_on_stop,
            )
        )
        with logs.about(replica=service.replica):
            await self._work(service, stop)

    @staticmethod
    async def _work(service: Service, stop: asyncio.Event) -> None:
        try:
            await service.start()
            gc.collect()
            gc.freeze()  # what is there now stays: to look through it again costs claims their time
            log.info("the VMM answers at %s", service.url)
            await service.run(stop)
        finally:
            await service.close()

    def _write_config(self) -> None:
        path = Path(self.config_file)
        try:
            with path.open("x") as file:
                file.write(self.generate_config_file())
        except OSError as error:
            raise BadRequest(
                f"{path} cannot be written ({error.strerror}): move it away, "
                "or name another with --config"
            ) from None
        print(f"wrote {path}")


def serve(argv: Sequence[str]) -> int:
    """Run ``vmm serve``; return its exit status."""
    app = VMM()
    try:
        app.initialize(list(argv))
        app.start()
    except VmmError as error:
        print(f"vmm serve: {error}", file=sys.stderr)
        return 1
    return 0
