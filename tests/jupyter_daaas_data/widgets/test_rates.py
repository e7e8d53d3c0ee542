"""How fast a transfer is said to be."""

from __future__ import annotations

from dms_core.model import Transfer
from jupyter_daaas_data.widgets.rates import Rates


def moving(done: int, state: str = "running") -> Transfer:
    return Transfer(id="1", path="/a", state=state, done_bytes=done, total_bytes=10**6, started_s=0)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rates = Rates()
    rates.take(moving(0), 0)
    assert rates.of("1") is None
    for second in range(1, 10):
        rates.take(moving(100 * second), second)
    assert rates.of("1") == 100
    for second in range(10, 21):
        rates.take(moving(900), second)
    assert rates.of("1") == 0


def test_what_has_ended_has_no_rate() -> None:
    rates = Rates()
    rates.take(moving(0), 0)
    rates.take(moving(100), 1)
    rates.take(moving(100, "cancelled"), 2)
    assert rates.of("1") is None
