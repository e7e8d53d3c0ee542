"""The server extension: names our start script to the proxy and serves the desktop's page."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from jupyter_server.extension.application import ExtensionApp
from traitlets import Unicode

from . import session
from .programs import WINDOW_MANAGER, missing

START_SCRIPT_VARIABLE = "JUPYTER_REMOTE_DESKTOP_PROXY_XSTARTUP"
"""The proxy's own: a facility that sets it has its own start script."""


class DesktopApp(ExtensionApp):
    """The remote desktop of this machine."""

    name = "daaas_desktop"

    window_manager = Unicode(
        WINDOW_MANAGER,
        help="""Command line of the window manager. icewm gets a menu, shortcuts to the
        data and a terminal; any other (xfce4-session) is started as it is.""",
    ).tag(config=True)

    def initialize_settings(self) -> None:
        """Say to the proxy, which is loaded after us, what to start."""
        if find_spec("jupyter_remote_desktop_proxy") is None:
            return
        assert self.serverapp is not None  # noqa: S101 - linked before it is initialised
        if absent := missing(self.window_manager, shutil.which):
            self.log.warning("%s", absent.for_operator())
        os.environ[session.WINDOW_MANAGER_VARIABLE] = self.window_manager
        os.environ[session.FOLDER_VARIABLE] = str(Path(self.serverapp.root_dir).resolve())
        os.environ[session.SERVER_VARIABLE] = str(os.getpid())
        script = Path(sys.executable).with_name("daaas-desktop")
        os.environ.setdefault(START_SCRIPT_VARIABLE, str(script))

    def initialize_handlers(self) -> None:
        """Add the page, before the proxy's own."""
        if find_spec("jupyter_remote_desktop_proxy") is None:
            return
        from .page import routes

        self.handlers.extend(routes(self.window_manager))
