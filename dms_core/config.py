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

Paths are relative to the file's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .access.membership import MembershipFile
from .errors import ConfigError
from .model import Name, Volume
from .namespace import Namespace
from .storage import registry
from .storage.base import Storage
from .yaml_file import YamlFile


class StorageConfig(BaseModel):
    """A named storage: its kind (an entry point) and what the kind wants to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    kind: str
    options: dict[str, object] = Field(default_factory=dict)


class Config(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    storages: list[StorageConfig] = Field(min_length=1)
    volumes: list[Volume] = Field(min_length=1)
    membership: Path


@dataclass(frozen=True)
class House:
    """What a configuration builds."""

    namespace: Namespace
    membership: MembershipFile


def build(file: Path) -> House:
    """Read ``file`` and open everything it names.

    Raises:
        ConfigError: ``file:line: what is wrong and what to do``.
    """
    source = YamlFile(file)
    config = source.checked(Config)
    _check_names(source, config)
    membership = MembershipFile(file.parent / config.membership)
    storages = {
        storage.name: _open(source, index, storage) for index, storage in enumerate(config.storages)
    }
    return House(
        Namespace([(volume, storages[volume.storage]) for volume in config.volumes]), membership
    )


def _open(source: YamlFile, index: int, config: StorageConfig) -> Storage:
    below = ("storages", index, "options")
    try:
        checked = registry.options(config.kind, config.options)
        paths = {
            key: source.file.parent / value
            for key, value in checked
            if isinstance(value, Path) and not value.is_absolute()
        }
        return registry.make(
            config.kind,
            checked.model_copy(update={key: path.absolute() for key, path in paths.items()}),
        )
    except ValidationError as error:
        raise source.wrong_by(error, below) from None
    except ConfigError as error:
        line = source.line(("storages", index))
        raise ConfigError(f"{source.file}:{line}: storage {config.name}: {error}") from None


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
        if volume.storage not in known:
            raise source.wrong(
                ("volumes", index, "storage"),
                f"there is no storage {volume.storage!r}; choose one of {', '.join(known)}",
            )
