"""A mount, put together: the service's tree -> cache -> file system -> driver and control socket.

:func:`run` is the daemon: it stays in the foreground until SIGTERM, SIGINT or
an unmount, and leaves nothing behind. Importing this module imports all it
needs and starts nothing, so that a process that has it can be forked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from . import errors
from .cache.cached import Cached
from .cache.residency import Residency
from .cache.store import BlockStore, Limits
from .fuse import mountpoint as mountpoints
from .fuse.attributes import Owner
from .fuse.bridge import Bridge
from .fuse.control import Control
from .fuse.filesystem import Filesystem
from .fuse.library import choose
from .fuse.renewal import Renewal
from .fuse.withdrawal import Withdrawal
from .journal.journal import Journal
from .journal.moving import Waits
from .journal.overlay import Journaled
from .model import CacheState, MountInfo, Volume
from .storage.remote import RemoteStorage
from .yaml_file import YamlFile

with contextlib.suppress(errors.ConfigError):
    choose("auto")  # imports the driver now; what is missing is said when a mount starts

_GB = 10**9
_RETRY_S = 0.2


class CacheConfig(BaseModel):
    """Where cached blocks are kept and how many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Path("/var/cache/dms")
    limit_gb: float = Field(default=20, gt=0, description="in units of 10^9 bytes")
    block_kib: int = Field(default=1024, ge=4, le=65536, multiple_of=4)


class JournalConfig(BaseModel):
    """Where files written to homes are kept until the service has them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path | None = Field(
        default=None, description="on a disk that lasts; by default beside the cache"
    )
    limit_gb: float = Field(default=20, gt=0, description="in units of 10^9 bytes")
    whole_mib: int = Field(
        default=64, ge=0, description="larger files that are changed in part are written through"
    )
    close_s: float = Field(
        default=20, gt=0, le=50, description="close and fsync wait so long for the service"
    )
    unmount_s: float = Field(
        default=10, ge=0, description="the end of the mount waits so long for what is unsent"
    )
    hold_file: Path | None = Field(
        default=None,
        description="is there while files are unsent, for whoever would give up the machine; "
        "the mount then ends when all are sent, without a limit",
    )


class MountConfig(BaseModel):
    """All a mount needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: Annotated[str, StringConstraints(pattern=r"^https?://")]
    mountpoint: Path = Path("/data")
    user: str
    token: str = Field(repr=False)
    cache: CacheConfig = CacheConfig()
    journal: JournalConfig = JournalConfig()
    socket: Path = Path("/run/dms/control.sock")
    driver: Literal["auto", "mfusepy", "fusepy"] = "auto"
    connect_s: float = Field(
        default=10, gt=0, description="how long the service may take to answer"
    )

    @property
    def journal_folder(self) -> Path:
        """Where unsent files are kept."""
        beside = self.cache.folder.with_name(f"{self.cache.folder.name}-journal")
        return self.journal.folder or beside


class Mount:
    """The parts of one mount and the order in which they start and end.

    Raises:
        ConfigError: something it needs is missing or in use; nothing is left behind.
    """

    def __init__(self, config: MountConfig) -> None:
        self.config = config
        self._volumes: tuple[Volume, ...] = ()
        self._owner = owner_of(config.user)
        self._driver = choose(config.driver)
        mountpoints.check_device()
        mountpoints.prepare(config.mountpoint)
        self._store = BlockStore(
            config.cache.folder,
            Limits(int(config.cache.limit_gb * _GB), config.cache.block_kib * 1024),
        )
        self._renewal = Renewal(config.service, config.token)
        self._remote = RemoteStorage(config.service, self._renewal.token)
        self._cached = Cached(self._remote, self._store, name=config.service)
        self._tree = self._journaled(config)
        self._residency = Residency(self._cached, self._tree)
        self._bridge = Bridge()
        self._control = Control(
            self._residency,
            self.info,
            self._tree.shown_queue,
            config.mountpoint,
            self._owner.uid,
        )
        self._renewing: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Mount and serve until a signal or an unmount; then undo everything."""
        filesystem = Filesystem(self._tree, self._residency, self._bridge, self._owner)
        self._withdrawal = Withdrawal(
            self._cached, filesystem.permitted_paths, self._driver.forget_pages
        )
        self._bridge.start()
        try:
            self._bridge.call(self._start(), self.config.connect_s + 5)
            self._driver.run(filesystem, self.config.mountpoint, self._mounted)
            self._bridge.call(self._tree.emptied(), deadline_s=None)
        finally:
            self._bridge.close(self._stop(), 10 + self.config.journal.unmount_s)
            if mountpoints.is_mounted(self.config.mountpoint):
                mountpoints.unmount(self.config.mountpoint)

    def info(self) -> MountInfo:
        """The mount as it is now."""
        limits = self._store.limits
        unsent = self._tree.journal.unsent()
        return MountInfo(
            mountpoint=str(self.config.mountpoint),
            user=self.config.user,
            volumes=self._volumes,
            block_bytes=limits.block_bytes,
            cache_bytes=self._store.used_bytes,
            cache_limit_bytes=limits.limit_bytes,
            fetched_bytes=self._cached.fetcher.fetched_bytes,
            service=self.config.service,
            reachable=self._cached.reach.reachable,
            reason=self._cached.reach.reason or self._renewal.refused,
            unsent_files=len(unsent),
            unsent_bytes=sum(file.size for file in unsent),
            stuck_files=sum(file.state is CacheState.STUCK for file in unsent),
        )

    def _journaled(self, config: MountConfig) -> Journaled:
        settings = config.journal
        journal = Journal(
            config.journal_folder,
            int(settings.limit_gb * _GB),
            service=config.service.rstrip("/"),
            user=config.user,
        )
        waits = Waits(
            settle_s=settings.close_s,
            drain_s=settings.unmount_s,
            whole_bytes=settings.whole_mib << 20,
        )
        return Journaled(
            self._cached, journal, config.user, waits=waits, hold_file=settings.hold_file
        )

    async def _start(self) -> None:
        self._cached.start()
        self._volumes = await self._first_answer()
        self._tree.start(self._volumes)
        self._control.listen(self.config.socket)
        self._renewing = asyncio.get_running_loop().create_task(self._renewal.run())

    async def _first_answer(self) -> tuple[Volume, ...]:
        """The volumes; a service that starts at the same time is waited for."""
        reason = "silence"
        try:
            async with asyncio.timeout(self.config.connect_s):
                while True:
                    try:
                        return await self._remote.volumes()
                    except errors.NotAuthenticated as error:
                        raise errors.ConfigError(
                            f"The DMS service {self.config.service} does not accept the token "
                            f"({error}); obtain a new one."
                        ) from None
                    except errors.Unreachable as error:
                        reason = str(error)
                    await asyncio.sleep(_RETRY_S)
        except TimeoutError:
            raise errors.ConfigError(
                f"The DMS service {self.config.service} did not answer within "
                f"{self.config.connect_s:g} s ({reason}); check its address and that it runs."
            ) from None

    def _mounted(self) -> None:
        self._bridge.spawn(self._read_ahead())
        self._bridge.spawn(self._withdrawal.run())

    async def _read_ahead(self) -> None:
        await asyncio.to_thread(mountpoints.read_ahead, self.config.mountpoint)

    async def _stop(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        await self._control.close()
        await self._residency.transfers.stop()
        await self._tree.stop()
        await self._cached.close()


def owner_of(user: str) -> Owner:
    """The ids ``user`` has on this machine.

    Raises:
        ConfigError: there is no such account, or this process may not act for it.
    """
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise errors.ConfigError(
            f"There is no account {user} on this machine; make it before mounting."
        ) from None
    if os.geteuid() not in (0, account.pw_uid):
        raise errors.ConfigError(
            f"Only root can mount for another user; run this as root or as {user}."
        )
    return Owner(account.pw_uid, account.pw_gid)


def load(file: Path) -> MountConfig:
    """The configuration in a YAML or JSON file.

    Raises:
        ConfigError: ``file:line: what is wrong and what to do``.
    """
    return YamlFile(file).checked(MountConfig)


def run(config: MountConfig) -> None:
    """Mount in the foreground until SIGTERM, SIGINT or an unmount.

    Belongs on the main thread. SIGTERM and SIGINT get their default actions,
    which libfuse turns into a clean end.

    Raises:
        ConfigError: one sentence on what is missing, in use or not answering.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    Mount(config).run()
