"""Widgets for cells: a browser of the data tree, and what is on its way.

They need anywidget (the extra ``lab``) and talk to this machine's mount. Import
them from :mod:`jupyter_daaas_data`, which loads this package only then.
"""

from __future__ import annotations

from .browser import DataBrowser
from .monitor import TransferMonitor

__all__ = ["DataBrowser", "TransferMonitor"]
