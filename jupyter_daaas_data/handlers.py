"""The routes that tell and steer the mount's cache.

All answer with a model of :mod:`dms_core.model`, or with a status of
:mod:`dms_core.errors` and ``{"message": one sentence}``.
"""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from pydantic import BaseModel, ConfigDict, ValidationError
from tornado import web

from dms_core.errors import BadRequest, DmsError, NotAuthenticated

from .contents import tree_path
from .experiments import find_experiments
from .settings import Settings


class PathBody(BaseModel):
    """The body of a request that is about one entry."""

    model_config = ConfigDict(extra="forbid")

    path: str


class DmsHandler(APIHandler):
    """Base of all routes: the mount, and errors as sentences."""

    auth_resource = "dms"

    @property
    def dms(self) -> Settings:
        """The mount and the limits."""
        settings: Settings = self.settings["dms"]
        return settings

    def answer(self, model: BaseModel, status: int = 200) -> None:
        """Finish with a model."""
        self.set_status(status)
        self.finish(model.model_dump(mode="json"))

    def body_path(self) -> str:
        """The tree path in the request's body; ``BadRequest`` if there is none."""
        try:
            return tree_path(PathBody.model_validate_json(self.request.body).path)
        except ValidationError as error:
            raise BadRequest('The body must be {"path": "/VOLUME/…"} and nothing else.') from error

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error of the mount with its own status and sentence."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        if not isinstance(error, DmsError):
            super().write_error(status_code, **kwargs)
            return
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"message": str(error), "reason": error.slug}))

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """As in the base, with the status that the error names."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        if isinstance(error, NotAuthenticated):
            status_code = 503  # the mount's token, not this browser's login
        elif isinstance(error, DmsError):
            status_code = error.status
        super().send_error(status_code, **kwargs)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Errors of the mount are answers, not accidents: no traceback."""
        if isinstance(value, DmsError):
            self.log.warning("%s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(typ, value, tb)


class MountHandler(DmsHandler):
    """The mount itself."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """MountInfo, and the server's root folder, to tell what the stock browser can open."""
        info = await self.dms.mount.info()
        self.finish({**info.model_dump(mode="json"), "root_dir": self.dms.root_dir})


class StatusHandler(DmsHandler):
    """Where one entry's bytes are."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Status of ``?path=``."""
        self.answer(await self.dms.mount.status(tree_path(self.get_query_argument("path"))))


class PrefetchHandler(DmsHandler):
    """Fetching a file or folder before it is read."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Begin a Transfer; its progress comes as events."""
        self.answer(await self.dms.mount.prefetch(self.body_path()), 202)


class PinHandler(DmsHandler):
    """Keeping a file or folder here."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Pin; the Status after it."""
        self.answer(await self.dms.mount.pin(self.body_path()))


class UnpinHandler(DmsHandler):
    """No longer keeping a file or folder here."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Unpin; the Status after it."""
        self.answer(await self.dms.mount.unpin(self.body_path()))


class EvictHandler(DmsHandler):
    """Giving up the local copy of a file or folder."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Evict; the Status after it."""
        self.answer(await self.dms.mount.evict(self.body_path()))


class TransfersHandler(DmsHandler):
    """What is on its way."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """All Transfers that the mount remembers."""
        transfers = await self.dms.mount.transfers()
        self.finish({"transfers": [transfer.model_dump(mode="json") for transfer in transfers]})


class TransferHandler(DmsHandler):
    """One transfer."""

    @web.authenticated
    @authorized
    async def delete(self, transfer_id: str) -> None:
        """Stop it; what has come stays."""
        self.answer(await self.dms.mount.cancel(transfer_id))


class ExperimentsHandler(DmsHandler):
    """Finding an experiment by its number."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The folders of experiment ``?number=``, whatever their instruments."""
        folders = await find_experiments(self.dms.mount, self.get_query_argument("number"))
        self.finish({"paths": folders})
