"""What both widgets share: a mount, its absence in words, and errors that are shown."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict, Unicode

from dms_core.errors import DmsError
from dms_core.model import MountInfo, Status, Transfer

from .link import Link

log = logging.getLogger(__name__)


class MountWidget(anywidget.AnyWidget):  # type: ignore[misc]
    """A widget about this machine's mount.

    Subclasses fill ``commands`` (what the page may ask for) and the three
    ``_took_…``/``_came`` methods, which run in the link's thread.

    Args:
        socket: The mount's control socket; None: ``DMS_SOCKET``, else the usual place.
        **traits: Initial values.
    """

    error = Unicode(help="What went wrong last, as it is shown; empty to dismiss it.").tag(
        sync=True
    )
    away = Unicode(help="Why there is no mount, and the remedy; empty while there is.").tag(
        sync=True
    )
    mount = Dict(help="The mount as it is: a dms_core.model.MountInfo; empty if not known.").tag(
        sync=True
    )

    def __init__(self, *, socket: Path | str | None = None, **traits: Any) -> None:
        self._here = False
        super().__init__(**traits)
        self.on_msg(self._heard)
        self._link = Link(socket, self._tell)

    def close(self) -> None:
        """Leave the mount and remove the widget from the page."""
        if link := self.__dict__.get("_link"):
            link.close()
        super().close()

    def _came(self) -> None:
        """The mount answers, for the first time or again, or its service does again."""

    def _took_statuses(self, statuses: list[Status]) -> None:
        """The bytes of these files moved."""

    def _took_transfers(self, transfers: list[Transfer]) -> None:
        """These transfers moved."""

    def _tell(self, event: dict[str, Any]) -> None:
        """A batch of the mount's events, as ``events.yaml`` describes it."""
        try:
            if not event["connected"]:
                self._here = False
                self.away = event["reason"]
                return
            mount = event["mount"] or self.mount
            back = mount["reachable"] and not self.mount.get("reachable", True)
            self.mount = mount
            if back or not self._here:
                self._here = True
                self.away = ""
                self._came()
            self._took_statuses([Status(**each) for each in event["statuses"]])
            self._took_transfers([Transfer(**each) for each in event["transfers"]])
        except Exception as error:
            self._show(error)

    def _heard(self, _: object, content: dict[str, Any], __: object) -> None:
        """The page asks: ``do`` is one of the methods ``_do_…``."""
        try:
            getattr(self, f"_do_{content['do']}")(content)
        except Exception as error:
            self._show(error)

    def _start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run ``work`` in the background; its error is shown."""
        future = self._link.start(work)

        def done(ended: Future[Any]) -> None:
            try:
                ended.result()
            except CancelledError:
                return
            except Exception as error:
                self._show(error)

        future.add_done_callback(done)
        return future

    def _show(self, error: Exception) -> None:
        """Show an error; one that is not the mount's is a fault here, and logged."""
        if isinstance(error, DmsError):
            self.error = str(error)
            return
        log.error("the widget failed", exc_info=error)
        self.error = f"The widget failed ({type(error).__name__}: {error}); run its cell again."

    def _mountpoint(self) -> str:
        """Where the mount is; asks it if it has not told yet."""
        if "mountpoint" not in self.mount:
            info: MountInfo = self._link.wait(self._link.mount.info())
            return info.mountpoint
        return str(self.mount["mountpoint"])
