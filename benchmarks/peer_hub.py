"""The peer of ``spawn.py``: a JupyterHub with its own ``simple`` spawner on this host."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser

from examples.demo.stack import free_ports, proxy_program, tool_path, until
from tests.support import pages

CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.command = ["{program}"]
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/{{username}}"
c.Spawner.args = ["--allow-root"]
c.Spawner.environment = {{"PATH": "{path}"}}
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = "{password}"
c.Authenticator.allowed_users = {{"alice"}}
"""


class PeerHub:
    """A hub that starts the notebook server cold when it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.password = secrets.token_urlsafe(9)
        self.port, self._hub, self._proxy = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(mode=0o700, parents=True)
        config = self.folder / "jupyterhub_config.py"
        config.write_text(
            CONFIG.format(
                port=self.port,
                hub=self._hub,
                proxy=self._proxy,
                program=proxy_program(),
                folder=self.folder,
                path=tool_path(),
                password=self.password,
            )
        )
        with (self.folder / "hub.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name("jupyterhub")), "--config", str(config)],
                cwd=self.folder,
                env=os.environ | {"PATH": tool_path()},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for _ in until(60):
            try:
                with urllib.request.urlopen(f"{self.url}/hub/health", timeout=5):
                    return
            except OSError:
                continue
        raise SystemExit(f"the peer hub did not start; see {self.folder / 'hub.log'}")

    def stop(self) -> None:
        """Stop it, its proxy and its servers."""
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)

    def one_spawn(self, browser: Browser) -> float:
        """Seconds from the click on the home page's button to JupyterLab's launcher."""
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        try:
            page = context.new_page()
            pages.log_in(page, self.url, "alice", self.password)
            clicked = time.time()
            page.click("#start", no_wait_after=True)
            pages.wait_for_lab(page)
            done = time.time()
            pages.stop_server(page, self.url)
        finally:
            context.close()
        return done - clicked
