"""The face of the DMS: experiment data in the file panel of JupyterLab and Notebook 7.

A server extension (``/dms/api/v1``, this folder) that talks to the machine's
mount, a prebuilt labextension (``browser/``) that shows what it says, and two
widgets for cells (``widgets/``)::

    from jupyter_daaas_data import DataBrowser, TransferMonitor
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .widgets import DataBrowser as DataBrowser
    from .widgets import TransferMonitor as TransferMonitor

_WIDGETS = ("DataBrowser", "TransferMonitor")


def __getattr__(name: str) -> object:
    """The widgets, loaded when they are asked for: the server extension needs none of it."""
    if name not in _WIDGETS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from . import widgets
    except ModuleNotFoundError as error:
        if error.name not in ("anywidget", "ipywidgets"):
            raise
        raise ImportError(
            f"The widgets need {error.name}; install it with: pip install 'jupyter-daaas[lab]'"
        ) from error
    return getattr(widgets, name)


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Where Jupyter Server finds the extension."""
    from .app import DataApp

    return [{"module": "jupyter_daaas_data", "app": DataApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where ``jupyter-builder develop`` finds the labextension."""
    return [{"src": "labextension", "dest": "@jupyter-daaas/data"}]
