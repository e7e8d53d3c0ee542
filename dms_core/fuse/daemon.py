"""Going to the background once the mount stands: the starter learns how it went."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ..errors import ConfigError, DmsError

_READY = b"\0"


def detached(work: Callable[[Callable[[], None]], None]) -> int:
    """Run ``work`` in a child of its own session; return 0 once it calls its argument.

    Belongs before any thread is started.

    Raises:
        ConfigError: the child's one sentence, if it ended before.
    """
    told, tell = os.pipe()
    if os.fork() == 0:
        status = 1
        try:
            os.close(told)
            os.setsid()
            status = _child(work, tell)
        finally:
            os._exit(status)
    os.close(tell)
    with os.fdopen(told, "rb") as answer:
        sentence = answer.read()
    if sentence != _READY:
        raise ConfigError(sentence.decode(errors="replace") or "The mount ended at once.")
    return 0


def _child(work: Callable[[Callable[[], None]], None], tell: int) -> int:
    def ready() -> None:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.close(null)
        os.write(tell, _READY)
        os.close(tell)

    try:
        work(ready)
    except DmsError as error:
        os.write(tell, str(error).encode())
        return 1
    finally:
        sys.stderr.flush()
    return 0
