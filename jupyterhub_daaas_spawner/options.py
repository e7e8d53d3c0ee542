"""What a user may ask for: the options of a start, checked. Pure.

The form, a link (``?opt-environment=…``) and the hub's REST API all end here,
because only the first of them comes from our own page. What the options mean
given what is offered is decided in :mod:`.settle`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .moves import Move


class Options(BaseModel):
    """A user's choice. None leaves it open; numbers are minima."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str | None = Field(default=None, description="name of an environment")
    location: str | None = Field(default=None, description="name of a location")
    cpus: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    ram_gb: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="GiB")
    gpus: int | None = Field(default=None, ge=0)
    size: str | None = Field(default=None, description="name of a size; sets the three above")
    near: str | None = Field(default=None, description="data to be near: a path, or an RB number")

    @field_validator("*", mode="before")
    @classmethod
    def _one_value(cls, value: object) -> object:
        """A form and a query send lists of strings, and "" for what was left open."""
        if isinstance(value, list | tuple):
            if len(value) > 1:
                raise ValueError("give it once")
            value = value[0] if value else None
        if isinstance(value, bool):
            raise ValueError("give a name or a number")
        return None if isinstance(value, str) and not value.strip() else value


class OptionsError(ValueError):
    """An impossible choice, as one sentence.

    ``reason`` is a label for metrics, ``moves`` are what would work instead.
    """

    def __init__(self, message: str, reason: str, moves: Sequence[Move] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.moves = tuple(moves)


def read(raw: Mapping[str, object], default: Mapping[str, object] | None = None) -> Options:
    """The options in ``raw``, a hub's ``user_options``; ``default`` where it says nothing at all.

    Raises:
        OptionsError: an option that does not exist, or a value that is none.
    """
    sent = {name: value for name, value in raw.items() if name != "_xsrf"}
    known = sorted(Options.model_fields)
    for name in sent:
        if name not in Options.model_fields:
            raise OptionsError(
                f"There is no option {name!r}{did_you_mean(name, known)}; "
                f"the options are {', '.join(known)}.",
                "options",
            )
    try:
        options = Options.model_validate(sent)
        return options if options != Options() else Options.model_validate(default or {})
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].replace("Input should be", "it should be")
        raise OptionsError(
            f"The option {first['loc'][0]!s} cannot be {first['input']!r}: "
            f"{said.removeprefix('Value error, ')}.",
            "options",
        ) from None


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The one of ``known`` that was most likely meant by ``name``, if any."""
    close = difflib.get_close_matches(name, known, n=1)
    part = [each for each in known if name and name.lower() in each]
    return next(iter([*close, *part]), None)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """``, did you mean 'sans'`` if one of ``known`` is like ``name``, else nothing."""
    meant = nearest(name, known)
    return f", did you mean {meant!r}" if meant else ""
