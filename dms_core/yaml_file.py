"""YAML files checked by a pydantic model, with ``file:line: what is wrong and what to do``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from .errors import ConfigError

_T = TypeVar("_T")
Location = Sequence[int | str]


class YamlFile:
    """One file as it is now; remembers the line of everything in it.

    Raises:
        ConfigError: the file cannot be read or is no YAML.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._data: Any = YAML(typ="rt").load(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"{file}: cannot be read ({error.strerror}); correct its path or permissions."
            ) from None
        except UnicodeDecodeError:
            raise ConfigError(f"{file}: is not UTF-8; save it as UTF-8.") from None
        except MarkedYAMLError as error:
            mark = error.problem_mark
            raise ConfigError(
                f"{file}:{mark.line + 1 if mark else 1}: is no YAML ({error.problem}); "
                "correct this line or the one above."
            ) from None
        except YAMLError as error:
            raise ConfigError(f"{file}:1: is no YAML ({error}); correct it.") from None

    def checked(self, kind: type[_T]) -> _T:
        """The content as a ``kind``.

        Raises:
            ConfigError: the first thing that is wrong, with its line.
        """
        try:
            return TypeAdapter(kind).validate_python(self._data)
        except ValidationError as error:
            raise self.wrong_by(error) from None

    def wrong_by(self, error: ValidationError, below: Location = ()) -> ConfigError:
        """What pydantic found wrong ``below`` a place in this file, with its line."""
        found = error.errors(include_url=False)
        # A misspelt name also makes the right one missing: tell the cause, not the effect.
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        location = [*below, *first["loc"]]
        what = first["msg"][:1].lower() + first["msg"][1:]
        if first["type"] == "extra_forbidden":
            return self.wrong(location, "is not known here; correct its spelling or remove it")
        if first["type"] == "missing":
            return self.wrong(location, "is missing; add it")
        return self.wrong(location, f"{what}; it is {first['input']!r}")

    def wrong(self, location: Location, what: str) -> ConfigError:
        """An error about what is at ``location``: its line, its name, the sentence ``what``."""
        name = ".".join(str(part) for part in location) or "the file"
        return ConfigError(f"{self.file}:{self.line(location)}: {name}: {what}.")

    def line(self, location: Location) -> int:
        """The line (from 1) of the deepest part of ``location`` that is in the file."""
        node, line = self._data, 0
        for part in location:
            place = getattr(node, "lc", None)
            try:
                if isinstance(node, list):
                    line = place.item(part)[0] if place else line
                else:
                    line = place.key(part)[0] if place else line
                node = node[part]
            except (KeyError, IndexError, TypeError):
                break
        return int(line) + 1
