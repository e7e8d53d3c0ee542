"""The demo's JupyterHub: what a facility writes, with the demo's addresses filled in.

The settings come from the file that DAAAS_DEMO names (made by ``stack.py``,
readable by its owner only).
"""

# ruff: noqa: F821 - `c` is JupyterHub's
import json
import os
from pathlib import Path

import jupyterhub_daaas_spawner

settings = json.loads(Path(os.environ["DAAAS_DEMO"]).read_text())
state = Path(settings["hub_folder"])

# --- what makes it a DAaaS hub: these six lines -----------------------------
c.JupyterHub.spawner_class = "daaas"
c.JupyterHub.template_paths = jupyterhub_daaas_spawner.template_paths
c.DaaasSpawner.vmm_url = settings["vmm_url"]
c.DaaasSpawner.vmm_token_file = settings["vmm_token_file"]
c.DaaasSpawner.dms_url = settings["dms_url"]
c.DaaasSpawner.dms_token_file = settings["dms_token_file"]

# Machines have no way out to the internet, so JupyterLab need not look for extensions or
# language servers there: each look costs a part of the second that a start takes.
c.Spawner.args = [
    "--LabApp.extension_manager=readonly",
    "--LanguageServerManager.autodetect=False",
]

# --- where this hub is and who may log in ------------------------------------
c.JupyterHub.bind_url = f"http://127.0.0.1:{settings['port']}"
c.JupyterHub.hub_bind_url = settings["hub_url"]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings['proxy_api_port']}"
c.ConfigurableHTTPProxy.command = settings["proxy_command"]
c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{state / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = settings["password"]
c.Authenticator.allowed_users = set(settings["users"])
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 3
# Machines and their users' work go on while the hub restarts; the demo's
# Ctrl-C ends the machines through the VMM.
c.JupyterHub.cleanup_servers = False
