"""``vmm simulate``: what a policy would have done with a trace of requests."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from ..errors import BadRequest
from .parsing import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    simulates = commands.add(
        "simulate",
        "Replay a trace of requests against a policy; or make a trace up.",
        "vmm simulate --generate 1 --calendar facility.ics > year.csv\n"
        "  vmm simulate year.csv policy.yaml --plot year.png",
        simulate,
    )
    simulates.add_argument(
        "trace",
        type=Path,
        nargs="?",
        help="CSV or JSON lines: time, user, environment, duration_s…",
    )
    simulates.add_argument(
        "policy", type=Path, nargs="?", help="YAML: how pools are sized; or a catalogue"
    )
    simulates.add_argument("--plot", type=Path, metavar="FILE", help="draw it: png, svg or pdf")
    simulates.add_argument("--json", action="store_true", help="print JSON, also for each pool")
    simulates.add_argument(
        "--warm-up", type=float, metavar="DAYS", help="days that do not count (the policy's, or 56)"
    )
    makes = simulates.add_argument_group("make a trace up, on stdout")
    makes.add_argument(
        "--generate", type=int, metavar="SEED", help="the same seed makes the same bytes"
    )
    makes.add_argument(
        "--facility", type=Path, metavar="CSV", help="its environments; else a small one's"
    )
    makes.add_argument("--days", type=int, default=365, help="how long (default: %(default)s)")
    makes.add_argument(
        "--requests", type=int, default=100_000, help="about so many a year (default: %(default)s)"
    )
    makes.add_argument("--lines", action="store_true", help="JSON lines instead of CSV")
    makes.add_argument(
        "--calendar", type=Path, metavar="ICS", help="write the cycles and holidays there"
    )


def simulate(options: argparse.Namespace) -> None:
    """Replay a trace, or make one up."""
    if options.generate is not None:
        _generate(options)
    elif options.trace is None or options.policy is None:
        raise BadRequest("give a trace and a policy, or --generate SEED")
    else:
        _replay(options)


def _generate(options: argparse.Namespace) -> None:
    from ..simulate import facility, trace
    from ..simulate.generate import generate

    if options.days < 1 or options.requests < 1:
        raise BadRequest("--days and --requests must be 1 or more")
    places = facility.load(options.facility) if options.facility else facility.SMALL
    made = generate(options.generate, places, days=options.days, requests_a_year=options.requests)
    trace.write(made.requests, sys.stdout, lines=options.lines)
    if options.calendar:
        first = next(iter(made.years.values()))
        try:
            options.calendar.write_text(first.icalendar(), newline="")
        except OSError as error:
            raise BadRequest(
                f"the calendar {options.calendar} cannot be written: {error.strerror}"
            ) from None


def _replay(options: argparse.Namespace) -> None:
    from ..simulate import policy, report, trace

    began = time.monotonic()
    requests = trace.read(options.trace)
    trial = policy.load(options.policy, requests)
    told = trial.run(requests, warm_up_days=options.warm_up)
    if options.json:
        pools = {name: report.figures([pool]).json() for name, pool in told.pools.items()}
        every = report.figures(list(told.pools.values())).json()
        print(json.dumps({"all": every, "pools": pools}, indent=2))
    else:
        print(report.text(told))
        print(f"\n{len(requests):,} requests played in {time.monotonic() - began:.1f} s")
    if options.plot:
        from ..simulate.plot import draw

        draw(told, options.plot, options.policy.stem)
