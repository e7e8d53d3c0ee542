"""The remote desktop of a machine, opened from the notebook, with the same data folders on it.

jupyter-remote-desktop-proxy brings the picture to the browser and starts the X
server; this folder brings what is on it, its page's sentences and the rule of
when it is offered. How a facility's image provides the programs, and how to
choose another window manager: ``docs/desktop.md``.

* :mod:`.app` is the server extension (``jupyter_daaas_data.desktop``): it names
  the start script to the proxy and serves the page at ``desktop/``.
* :mod:`.session` is the start script, the program ``daaas-desktop``.
* :mod:`.programs` says what is missing, :mod:`.places` which folders are shown,
  :mod:`.files` writes menu and shortcuts; ``config/`` is how it all looks.
"""

from __future__ import annotations


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Where Jupyter Server finds the extension."""
    from .app import DesktopApp

    return [{"module": "jupyter_daaas_data.desktop", "app": DesktopApp}]
