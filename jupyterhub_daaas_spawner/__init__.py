"""The VMM's face in JupyterHub: ``c.JupyterHub.spawner_class = "daaas"``.

In ``jupyterhub_config.py``::

    import jupyterhub_daaas_spawner

    c.JupyterHub.spawner_class = "daaas"
    c.JupyterHub.template_paths = jupyterhub_daaas_spawner.template_paths
    c.DaaasSpawner.vmm_url = "https://vmm.facility.org"
    c.DaaasSpawner.vmm_token_file = "/etc/jupyterhub/vmm-token"
"""

from pathlib import Path

from .spawner import DaaasSpawner

template_paths = [str(Path(__file__).parent / "hub_templates")]
"""Pages of the hub that show refusals with their links, and a start's events as they come."""

__all__ = ["DaaasSpawner", "template_paths"]
