"""The face of the DMS: experiment data in the file panel of JupyterLab and Notebook 7.

A server extension (``/dms/api/v1``, this folder) that talks to the machine's
mount, and a prebuilt labextension (``browser/``) that shows what it says.
"""

from __future__ import annotations


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Where Jupyter Server finds the extension."""
    from .app import DataApp

    return [{"module": "jupyter_daaas_data", "app": DataApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where ``jupyter-builder develop`` finds the labextension."""
    return [{"src": "labextension", "dest": "@jupyter-daaas/data"}]
