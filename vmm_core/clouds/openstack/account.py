"""The connection to one OpenStack account: worker threads, deadlines, the six errors.

openstacksdk is synchronous and a connection is not made to be shared between
threads, so each thread of a small pool has its own. A call that is given up
goes on in its thread until its socket gives up, which has the same deadline;
until then its place in the pool is taken.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import requests
from keystoneauth1 import exceptions as ksa
from openstack import exceptions as exc
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from ..base import Refused
from .errors import classify, late
from .options import Options

THREADS = 4
"""Calls of one cloud at the same time."""

CHANGE_FACTOR = 5
"""A request that changes something may take this many times as long as a question."""

Result = TypeVar("Result")


class Account:
    """One account, opened when it is first asked something."""

    def __init__(self, name: str, options: Options) -> None:
        """``name`` is the cloud's in the catalogue, for sentences."""
        self._name = name
        self._options = options
        self._own = threading.local()
        self._made: list[Connection] = []
        self._threads: ThreadPoolExecutor | None = None

    async def call(
        self, doing: str, work: Callable[[Connection], Result], *, changes: bool = False
    ) -> Result:
        """What ``work`` returns; it is run in a thread with that thread's connection.

        Args:
            doing: what it is, to follow "cannot", as in "list servers".
            work: calls openstacksdk, and nothing that waits for something else.
            changes: whether something may be different after it.

        Raises:
            CloudError: one of the six.
        """
        deadline_s = self._options.timeout_s * (CHANGE_FACTOR if changes else 1)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, f"openstack-{self._name}")
        running = self._threads.submit(self._run, doing, work, deadline_s, changes)
        waiting = asyncio.wrap_future(running)
        done, _ = await asyncio.wait({waiting}, timeout=deadline_s)
        if not done:
            began = not running.cancel()
            waiting.cancel()
            raise late(self._name, doing, deadline_s, changes=changes, began=began)
        return waiting.result()

    def close(self) -> None:
        """Hang up. Calls that are under way end by themselves; the next one connects anew."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        for connection in self._made:
            connection.close()
        self._threads, self._made, self._own = None, [], threading.local()

    def _run(
        self, doing: str, work: Callable[[Connection], Result], timeout_s: float, changes: bool
    ) -> Result:
        try:
            connection: Connection | None = getattr(self._own, "connection", None)
            if connection is None:
                connection = self._own.connection = connect(self._name, self._options)
                self._made.append(connection)
            connection.session.timeout = timeout_s
            return work(connection)
        except (exc.SDKException, ksa.ClientException, requests.RequestException) as error:
            if isinstance(error, ksa.HttpError):  # the next login reads the credentials anew
                self._own.connection = None
            raise classify(error, cloud=self._name, doing=doing, changes=changes) from error


def connect(name: str, options: Options) -> Connection:
    """A connection for these options; nothing is sent before it is used.

    Raises:
        Refused: a file that the options name cannot be read, or lacks what is asked for.
    """
    if options.cloud is not None:
        config = _from_file(name, options)
        wanted: dict[str, Any] = {"cloud": options.cloud}
    else:
        config = OpenStackConfig(load_yaml_config=False, load_envvars=False)
        wanted = _explicit(name, options)
    if options.region is not None:
        wanted["region_name"] = options.region
    if options.ca_file is not None:
        wanted["cacert"] = str(options.ca_file)
    try:
        return Connection(config=config.get_one(**wanted))
    except exc.ConfigException as error:
        raise Refused(
            f"cloud {name}: {' '.join(str(error).split())}: correct its options"
        ) from None


def _from_file(name: str, options: Options) -> OpenStackConfig:
    file = options.clouds_file
    if file is None:
        return OpenStackConfig(load_envvars=False)
    try:
        file.read_bytes()
    except OSError as error:
        raise Refused(
            f"cloud {name}: clouds_file {file} cannot be read: {error.strerror}"
        ) from None
    secure = file.with_name("secure.yaml")
    return OpenStackConfig(config_files=[str(file)], secure_files=[str(secure)], load_envvars=False)


def _explicit(name: str, options: Options) -> dict[str, Any]:
    file = options.credential_secret_file
    try:
        secret = file.read_text().strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"cloud {name}: credential_secret_file {file} cannot be read: {error}"
        ) from None
    return {
        "auth_type": "v3applicationcredential",
        "auth": {
            "auth_url": options.auth_url,
            "application_credential_id": options.credential_id,
            "application_credential_secret": secret,
        },
    }
