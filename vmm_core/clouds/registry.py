"""Finds the kinds of clouds, by entry point, and imports one when it is asked for.

A provider outside this package names its class under ``vmm_core.clouds`` in
its own metadata. Importing is lazy, so that a base install needs no
provider's library; what is missing is told with the line that installs it.
"""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points

from ..errors import CatalogueError
from .base import Cloud

GROUP = "vmm_core.clouds"


def kinds() -> tuple[str, ...]:
    """The names of all installed kinds of clouds, sorted."""
    return tuple(sorted(_found()))


def cloud_class(kind: str) -> type[Cloud]:
    """The class of that kind.

    Raises:
        CatalogueError: no such kind (with the nearest name), a library that it
            needs is not installed (with the install line), or it is no cloud.
    """
    found = _found()
    if kind not in found:
        near = difflib.get_close_matches(kind, found, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(sorted(found))}"
        raise CatalogueError(f"there is no kind of cloud called {kind!r}: {hint}")
    try:
        loaded = found[kind].load()
    except ImportError as error:
        raise CatalogueError(
            f"clouds of kind {kind!r} need a library that cannot be imported ({error}): "
            f"{_install(found[kind])}"
        ) from error
    except AttributeError as error:
        raise CatalogueError(
            f"the entry point of clouds of kind {kind!r} is wrong ({error}): "
            f"reinstall the package that provides it"
        ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, Cloud)):
        raise CatalogueError(
            f"the entry point of kind {kind!r} ({found[kind].value}) is not a Cloud: "
            f"it must name a subclass of vmm_core.clouds.base.Cloud"
        )
    return loaded


def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _install(point: EntryPoint) -> str:
    """The line that installs what a provider needs: its package with an extra of its name."""
    package = point.dist.name if point.dist else "jupyter-daaas"
    extras = point.dist.metadata.get_all("Provides-Extra") or [] if point.dist else []
    wanted = f"{package}[{point.name}]" if point.name in extras else package
    return f"pip install '{wanted}'"
