"""The server extension: composes the mount's client, the routes and the event relay."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float, Integer, Unicode

from dms_core.client.mount import MountClient

from .relay import SCHEMA_ID, Relay
from .routes import ROUTES
from .settings import Settings

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

HERE = Path(__file__).parent


class DataApp(ExtensionApp):
    """Experiment data for the file panel, from the DMS mount of this machine."""

    name = "jupyter_daaas_data"
    load_other_extensions = True

    socket = Unicode(
        "",
        help="""Control socket of the DMS mount. When empty: the environment's
        DMS_SOCKET, else /run/dms/control.sock.""",
    ).tag(config=True)
    listing_rows = Integer(
        1000,
        min=1,
        help="""Rows of a folder that are sent at most. A file panel with many
        thousands of rows blocks the browser; people filter instead.""",
    ).tag(config=True)
    searched_entries = Integer(
        100_000,
        min=1,
        help="Entries of one folder that a filter looks through at most.",
    ).tag(config=True)
    text_bytes = Integer(
        1024 * 1024,
        min=0,
        help="Size up to which a text file is shown. Larger ones are for code, at their path.",
    ).tag(config=True)
    event_interval_s = Float(
        0.2,
        min=0.01,
        help="Seconds between two events to the browser; what changes meanwhile goes together.",
    ).tag(config=True)

    def initialize_settings(self) -> None:
        """Make what the handlers and the relay share."""
        assert self.serverapp is not None  # noqa: S101 - linked before it is initialised
        events = self.serverapp.event_logger
        assert events is not None  # noqa: S101 - made before any extension
        mount = MountClient(self.socket or None)
        self.settings["dms"] = Settings(
            mount=mount,
            root_dir=str(Path(self.serverapp.root_dir).resolve()),
            listing_rows=self.listing_rows,
            searched_entries=self.searched_entries,
            text_bytes=self.text_bytes,
        )
        events.register_event_schema(HERE / "events.yaml")

        def emit(data: dict[str, Any]) -> None:
            events.emit(schema_id=SCHEMA_ID, data=data)

        self._relay = Relay(mount, emit, self.log, interval_s=self.event_interval_s)
        self._relay_task: asyncio.Task[None] | None = None

    def initialize_handlers(self) -> None:
        """Add the routes under ``/dms/api/v1``."""
        self.handlers.extend(ROUTES)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Begin to relay events, once the event loop runs."""
        self._relay_task = asyncio.create_task(self._relay.run(), name="dms-event-relay")

    async def stop_extension(self) -> None:
        """Stop relaying and close the connection to the mount."""
        if self._relay_task is not None:
            self._relay_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._relay_task
        await self.settings["dms"].mount.close()
