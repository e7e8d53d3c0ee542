"""Reads the catalogue: which environments are offered, where, and how many are kept ready.

One YAML file with four lists::

    locations:
      - {name: ral, title: Rutherford Appleton Laboratory}
    clouds:
      - {name: ral-local, kind: local, location: ral, options: {}}
    environments:
      - {name: mantid, title: Mantid workbench, software: [mantid]}
    pools:
      - {environment: mantid, cloud: ral-local, size: small, ready: 1, maximum: 4}

and, where a facility wants them, two more, of what people may have::

    limits:
      - {each: user, machines: 2}
      - {group: training, machines: 40, gpus: 4}
    lifetimes:
      - {groups: [staff], hours: 336, extend_hours: 168, extensions: 4}
      - {hours: 10, idle_hours: 2, undelete_hours: 24}

A section ``topcat`` (:class:`vmm_core.topcat.options.TopcatOptions`) lets a TopCAT use
some of the environments.

Each entry is the noun of the same name in :mod:`vmm_core.model`; a cloud's
``options`` are checked by its kind. All mistakes of a file are told at once,
each as ``file:line: sentence with the remedy``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from .calendars.files import read_calendar
from .clouds.registry import cloud_class
from .errors import BadRequest, CatalogueError
from .mistakes import line_at, line_of, nearest, plain, sentence
from .model import CloudAccount, Environment, Lifetime, Limit, Location, Noun, Pool
from .topcat.options import TopcatOptions

_SECTIONS = ("locations", "clouds", "environments", "pools")
_RULES = ("limits", "lifetimes")
_FACES = ("topcat",)
_Model = TypeVar("_Model", bound=BaseModel)
_Named = TypeVar("_Named", Location, CloudAccount, Environment, Pool)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is offered. Each mapping is by name, in the file's order."""

    locations: Mapping[str, Location]
    clouds: Mapping[str, CloudAccount]
    environments: Mapping[str, Environment]
    pools: Mapping[str, Pool]
    limits: tuple[Limit, ...] = ()
    lifetimes: tuple[Lifetime, ...] = ()
    topcat: TopcatOptions | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    """``file:line`` of each pool's size, for what only its cloud can check."""
    folder: Path = Path()
    """Where the files are that it names."""


def load(path: Path) -> Catalogue:
    """The catalogue in a file.

    Raises:
        CatalogueError: the file cannot be read, or is wrong; one line per mistake.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CatalogueError(f"{path}: is not UTF-8 text: save it as UTF-8") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Catalogue:
    """The catalogue in ``text``; ``name`` stands for the file in errors."""
    return _Reader(name).read(text)


class _Reader:
    """Reads one file and collects its mistakes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.mistakes: list[tuple[int, str]] = []

    def read(self, text: str) -> Catalogue:
        document = self._document(text)
        items = {section: self._section(document, section) for section in _SECTIONS}
        rules = {rule: self._section(document, rule) for rule in _RULES if rule in document}
        locations = self._named(items["locations"], Location)
        clouds = self._named(items["clouds"], CloudAccount)
        environments = self._named(items["environments"], Environment)
        pools = self._named(items["pools"], Pool)
        for account, node in clouds.values():
            self._known(node, "location", account.location, items["locations"])
            self._options(account, node)
        for pool, node in pools.values():
            self._known(node, "environment", pool.environment, items["environments"])
            self._known(node, "cloud", pool.cloud, items["clouds"])
            if pool.ready > pool.maximum:
                self._mistake(
                    line_of(node, "ready"),
                    f"ready is {pool.ready}, more than the pool's maximum of {pool.maximum}: "
                    f"lower ready or raise maximum",
                )
            self._sizing(pool, node)
        limits = self._rules(rules.get("limits", []), Limit, "limit")
        lifetimes = self._rules(rules.get("lifetimes", []), Lifetime, "lifetime")
        for lifetime, node in lifetimes:
            for name in lifetime.environments:
                self._known(node, "environments", name, items["environments"])
        topcat = self._topcat(document, items["environments"])
        if self.mistakes:
            lines = [f"{self.name}:{line}: {text}" for line, text in sorted(self.mistakes)]
            raise CatalogueError("\n".join(lines))
        return Catalogue(
            locations=_freeze(locations),
            clouds=_freeze(clouds),
            environments=_freeze(environments),
            pools=_freeze(pools),
            limits=tuple(limit for limit, _ in limits),
            lifetimes=tuple(lifetime for lifetime, _ in lifetimes),
            topcat=topcat,
            where=MappingProxyType(
                {n: f"{self.name}:{line_of(node, 'size')}" for n, (_, node) in pools.items()}
            ),
            folder=Path(self.name).parent,
        )

    def _document(self, text: str) -> CommentedMap:
        try:
            document = YAML(typ="rt").load(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = " ".join(str(error.problem or error.context).split())
            line = mark.line + 1 if mark else 1
            raise CatalogueError(f"{self.name}:{line}: is not valid YAML: {problem}") from None
        except YAMLError as error:
            raise CatalogueError(f"{self.name}:1: is not valid YAML: {error}") from None
        if not isinstance(document, CommentedMap):
            raise CatalogueError(
                f"{self.name}:1: must be a mapping with the keys {', '.join(_SECTIONS)}"
            )
        for key in document:
            if key not in (*_SECTIONS, *_RULES, *_FACES):
                known = nearest(str(key), (*_SECTIONS, *_RULES, *_FACES))
                self._mistake(line_of(document, key), f"unknown key {key!r}: {known}")
        return document

    def _section(self, document: CommentedMap, section: str) -> list[CommentedMap]:
        if section not in document:
            self._mistake(1, f"the key {section!r} is missing: add it with a list")
            return []
        found = document[section]
        if found is None:
            return []
        if not isinstance(found, CommentedSeq):
            self._mistake(line_of(document, section), f"{section} must be a list of mappings")
            return []
        for place, item in enumerate(found):
            if not isinstance(item, CommentedMap):
                self._mistake(
                    found.lc.item(place)[0] + 1,
                    f"an entry of {section} must be a mapping, not {item!r}",
                )
        return [item for item in found if isinstance(item, CommentedMap)]

    def _named(
        self, nodes: list[CommentedMap], noun: type[_Named]
    ) -> dict[str, tuple[_Named, CommentedMap]]:
        found: dict[str, tuple[_Named, CommentedMap]] = {}
        for node in nodes:
            item = self._checked(node, noun, _word(noun))
            if item is None:
                continue
            if item.name in found:
                first = found[item.name][1].lc.line + 1
                self._mistake(
                    node.lc.line + 1,
                    f"{_word(noun)} {item.name!r} is already defined in line {first}: "
                    f"remove one of the two",
                )
                continue
            found[item.name] = (item, node)
        return found

    def _topcat(
        self, document: CommentedMap, environments: list[CommentedMap]
    ) -> TopcatOptions | None:
        """What TopCAT is offered, if anything."""
        node = document.get("topcat")
        if node is None:
            return None
        if not isinstance(node, CommentedMap):
            self._mistake(line_of(document, "topcat"), "topcat must be a mapping")
            return None
        found = self._checked(node, TopcatOptions, "topcat")
        for name in found.environments if found else ():
            self._known(node, "environments", name, environments)
        return found

    def _rules(
        self, nodes: list[CommentedMap], noun: type[_Model], what: str
    ) -> list[tuple[_Model, CommentedMap]]:
        """Entries that have no name: those that are right."""
        checked = ((self._checked(node, noun, f"a {what}"), node) for node in nodes)
        return [(item, node) for item, node in checked if item is not None]

    def _checked(self, node: CommentedMap, model: type[_Model], what: str) -> _Model | None:
        try:
            return model.model_validate(plain(node))
        except ValidationError as error:
            for details in error.errors():
                line = line_at(node, details["loc"])
                self._mistake(line, sentence(details, model, what))
            return None

    def _options(self, account: CloudAccount, node: CommentedMap) -> None:
        try:
            options = cloud_class(account.kind).Options
        except CatalogueError as error:
            self._mistake(line_of(node, "kind"), str(error))
            return
        given = node.get("options")
        inner = given if isinstance(given, CommentedMap) else CommentedMap()
        if inner is not given:
            inner.lc.line, inner.lc.col = node.lc.line, node.lc.col
        self._checked(inner, options, f"the options of cloud {account.name!r}")

    def _sizing(self, pool: Pool, node: CommentedMap) -> None:
        """What a sizing names outside itself."""
        sizing = pool.sizing
        if sizing.minimum > pool.maximum:
            self._mistake(
                line_at(node, ("sizing", "minimum")),
                f"minimum is {sizing.minimum}, more than the pool's maximum of {pool.maximum}: "
                f"lower minimum or raise maximum",
            )
        for path, file in sizing.named_files:
            try:
                read_calendar(Path(self.name).parent / file)
            except BadRequest as error:
                self._mistake(line_at(node, ("sizing", *path)), str(error))

    def _known(self, node: CommentedMap, key: str, name: str, nodes: list[CommentedMap]) -> None:
        """Entries that are wrong themselves count as known: one mistake is told once."""
        names = [str(each.get("name")) for each in nodes]
        if name not in names:
            what = key.removesuffix("s")
            self._mistake(
                line_of(node, key), f"there is no {what} {name!r}: {nearest(name, names)}"
            )

    def _mistake(self, line: int, text: str) -> None:
        self.mistakes.append((line, text))


def _freeze(
    items: Mapping[str, tuple[_Named, CommentedMap]],
) -> Mapping[str, _Named]:
    return MappingProxyType({name: item for name, (item, _) in items.items()})


def _word(noun: type[Noun]) -> str:
    return "cloud" if noun is CloudAccount else noun.__name__.lower()
