"""Draws a replay: requests, misses and machines by the day. Matplotlib is only needed here."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ..errors import BadRequest
from .records import Told
from .report import days, figures


def draw(told: Told, path: Path, title: str) -> None:
    """Write the picture; its kind is the file's ending (png, svg, pdf).

    Raises:
        BadRequest: matplotlib is not installed, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise BadRequest(
            "a plot needs matplotlib: pip install 'jupyter-daaas[plot]', or leave --plot out"
        ) from None
    each = days(told)
    first = int(told.since // 86400)
    dates = [datetime.fromtimestamp((first + day) * 86400, UTC) for day in range(len(each))]
    found = figures(list(told.pools.values()))
    figure = Figure(figsize=(11, 7), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.bar(dates, [day.requests for day in each], 1, color="#9db4c0", label="requests a day")
    above.bar(dates, [day.misses for day in each], 1, color="#c1440e", label="not served at once")
    above.set_ylabel("requests")
    above.legend(loc="upper left", frameon=False)
    below.stackplot(
        dates,
        [day.leased_s / 86400 for day in each],
        [day.idle_s / 86400 for day in each],
        colors=("#9db4c0", "#e0a458"),
        labels=("leased", "idle: vacant or on their way"),
        step="mid",
    )
    below.set_ylabel("machines, mean of the day")
    below.legend(loc="upper left", frameon=False)
    above.set_title(
        f"{title}: {found.hit_rate:.2%} of {found.requests:,} requests served at once, "
        f"{found.idle_h:,.0f} idle machine-hours"
    )
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise BadRequest(f"the plot {path} cannot be written: {error}") from None
