"""The service's configuration: which storages there are and which volumes show them.

An example::

    storages:
      - {name: archive-disk, kind: posix, options: {folder: /archive, read_only: true}}
      - {name: home-disk, kind: posix, options: {folder: /srv/home}}
      - {name: rb-disk, kind: posix, options: {folder: /srv/rb}}
    volumes:
      - {name: archive, policy: archive, storage: archive-disk, title: Experiment archive}
      - {name: home, policy: home, storage: home-disk}
      - {name: rb, policy: rb, storage: rb-disk, title: Experiments}
    membership: membership.yaml

A storage may say its ``location`` (in the VMM's words), and an archive may have
replicas, the nearest first: ``storages: [archive-disk, archive-far]``. Paths are
relative to the file's folder. A storage may also be of a kind of mover, and keep
what was read near::

    - name: archive-far
      kind: gridftp
      options: {url: "gsiftp://archive.example.org/data", ca: ca, certificate: dms.pem}
      cache: {folder: /var/cache/dms-site, limit_gb: 500}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .access import directory
from .access.directory import Directory
from .cache.site import SiteCache, SiteCacheConfig
from .errors import ConfigError
from .model import Name, Volume
from .movers import registry as movers
from .namespace import Namespace
from .plugins import unknown
from .storage import registry
from .storage.base import Storage
from .transfer import moved, peer
from .transfer.late import open_late
from .transfer.places import Places
from .transfer.volumes import check_replicas, replicas_only, serving
from .yaml_file import YamlFile

_M = TypeVar("_M", bound=BaseModel)


class StorageConfig(BaseModel):
    """A named storage: its kind (an entry point) and what the kind wants to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    kind: str
    location: Name | None = Field(default=None, description="where its bytes are")
    options: dict[str, object] = Field(default_factory=dict)
    cache: SiteCacheConfig | None = Field(default=None, description="keeps its bytes near")


class DirectoryConfig(BaseModel):
    """Who says who belongs to what: a kind (an entry point) and its options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    options: dict[str, object] = Field(default_factory=dict)


def _of_file(given: object) -> object:
    """A path alone is that of a YAML file."""
    return {"kind": "yaml", "options": {"file": given}} if isinstance(given, str) else given


class Config(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    storages: list[StorageConfig] = Field(min_length=1)
    volumes: list[Volume] = Field(min_length=1)
    membership: Annotated[DirectoryConfig, BeforeValidator(_of_file)]


@dataclass(frozen=True)
class House:
    """What a configuration builds."""

    namespace: Namespace
    membership: Directory
    places: Places


def build(file: Path, *, start_without: bool = False) -> House:
    """Read ``file`` and open everything it names.

    ``start_without`` lets a replica that cannot be opened now come later, if it has others.

    Raises:
        ConfigError: ``file:line: what is wrong and what to do``.
    """
    source = YamlFile(file)
    config = source.checked(Config)
    _check_names(source, config)
    membership = _directory(source, config.membership)
    spare = replicas_only(config.volumes) if start_without else frozenset()
    storages = {
        storage.name: _open(source, index, storage, late=storage.name in spare)
        for index, storage in enumerate(config.storages)
    }
    served = {volume.name: serving(volume, storages) for volume in config.volumes}
    return House(
        Namespace([(volume, served[volume.name]) for volume in config.volumes]),
        membership,
        Places({each.name: each.location for each in config.storages if each.location}, served),
    )


def _open(source: YamlFile, index: int, config: StorageConfig, *, late: bool) -> Storage:
    below = ("storages", index, "options")
    try:
        kind = _kind(config.kind)
        checked = kind.options(config.kind, config.options)
        options = _absolute(source, checked)
        storage: Storage = open_late(
            config.name, lambda: peer.wrapped(kind.make(config.kind, options)), late=late
        )
        if config.cache is None:
            return storage
        near = (source.file.parent / config.cache.folder).absolute()
        return SiteCache(storage, config.cache.model_copy(update={"folder": near}), config.name)
    except ValidationError as error:
        raise source.wrong_by(error, below) from None
    except ConfigError as error:
        line = source.line(("storages", index))
        raise ConfigError(f"{source.file}:{line}: storage {config.name}: {error}") from None


def _directory(source: YamlFile, config: DirectoryConfig) -> Directory:
    try:
        checked = directory.options(config.kind, config.options)
        return directory.make(config.kind, _absolute(source, checked))
    except ValidationError as error:
        raise source.wrong_by(error, ("membership", "options")) from None
    except ConfigError as error:
        if config.kind == "yaml":
            raise  # it names the file and the line in it
        line = source.line(("membership",))
        raise ConfigError(f"{source.file}:{line}: membership: {error}") from None


def _absolute(source: YamlFile, checked: _M) -> _M:
    """``checked`` with its paths absolute: they are relative to the file's folder."""
    paths = {
        key: (source.file.parent / value).absolute()
        for key, value in checked
        if isinstance(value, Path)
    }
    return checked.model_copy(update=paths)


def _kind(name: str) -> ModuleType:
    """What knows a kind: the storages, else the movers, as which it is wrapped."""
    if name in registry.kinds():
        return registry
    known = registry.kinds() | movers.kinds()
    if name not in known:
        raise unknown("Storage", name, known)
    return moved


def _check_names(source: YamlFile, config: Config) -> None:
    for key, names in (
        ("storages", [storage.name for storage in config.storages]),
        ("volumes", [volume.name for volume in config.volumes]),
    ):
        for index, name in enumerate(names):
            if name in names[:index]:
                raise source.wrong((key, index, "name"), f"there is a {name!r} above; rename one")
    known = [storage.name for storage in config.storages]
    for index, volume in enumerate(config.volumes):
        check_replicas(source, index, volume)
        key = "storages" if volume.storages else "storage"
        for name in volume.replicas:
            if name not in known:
                raise source.wrong(
                    ("volumes", index, key),
                    f"there is no storage {name!r}; choose one of {', '.join(known)}",
                )
