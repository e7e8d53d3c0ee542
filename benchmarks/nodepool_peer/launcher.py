"""``nodepool-launcher`` as it is, but for two things. Runs on Nodepool's own Python.

Its fake cloud admits 20 machines; here it admits as many as wanted, by the
hook that Nodepool's own tests replace. And with ``--sleep`` it pauses so long
between two looks for requests, instead of a second: an argument of its class
that no configuration reaches.

    python -m benchmarks.nodepool_peer.launcher CONFIG --machines 500 [--sleep 0.01]
"""

from __future__ import annotations

import argparse
import sys

import nodepool.cmd.launcher
import nodepool.launcher
from nodepool.driver.fake.adapter import FakeOpenStackCloud


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("config", help="nodepool.yaml")
    parser.add_argument("--machines", type=int, required=True, help="the fake cloud's quota")
    parser.add_argument("--sleep", type=float, help="seconds between two looks, if not its own")
    options = parser.parse_args()
    quota = (4 * options.machines, options.machines, 8192 * options.machines)  # cores, ..., MB
    FakeOpenStackCloud._get_quota = staticmethod(lambda: quota)
    if options.sleep is not None:
        launcher = nodepool.launcher.NodePool
        launcher.__init__.__defaults__ = (options.sleep,)
    sys.argv[1:] = ["-f", "--no-webapp", "-c", options.config]
    nodepool.cmd.launcher.main()


if __name__ == "__main__":
    main()
