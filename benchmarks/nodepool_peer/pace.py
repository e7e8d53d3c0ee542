"""When requests are made: at random moments, one at a time or several at the same instant.

Both sides use it with the same seeds. The random pause matters: a service that
looks for requests once a second is asked at every phase of its second, as by
people. One that is asked at once after its last answer always waits a whole one.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

PAUSE_S = 1.0
"""The longest pause before requests; as long as Nodepool's own between two looks."""


def asked(ask: Callable[[], T], *, requests: int, at_once: int, seed: int) -> list[T]:
    """What ``ask`` returns, ``requests`` times.

    Args:
        ask: one request, from asking until it is fulfilled.
        requests: how many altogether.
        at_once: so many at the same instant; then all are waited for.
        seed: of the pauses.
    """
    pause = random.Random(seed)
    answers: list[T] = []
    with ThreadPoolExecutor(at_once) as threads:
        for _ in range(requests // at_once):
            time.sleep(pause.uniform(0, PAUSE_S))
            together = threading.Barrier(at_once)

            def one(together: threading.Barrier = together) -> T:
                together.wait()
                return ask()

            answers += [each.result() for each in [threads.submit(one) for _ in range(at_once)]]
    return answers
