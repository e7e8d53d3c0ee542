"""A VMM that makes one machine, to be killed on the way: ``FOLDER WAY PORT NAME``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.vmm_core.clouds.local_machines import options, spec
from vmm_core.clouds.local.cloud import LocalCloud


def main() -> None:
    folder, way, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    cloud = LocalCloud("here", options(folder, way, port))
    sys.stdout.write(".")  # whoever kills counts from here
    sys.stdout.flush()
    asyncio.run(cloud.create(spec(sys.argv[4], port)))


if __name__ == "__main__":
    main()
