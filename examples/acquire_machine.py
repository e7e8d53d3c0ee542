"""Acquire an analysis machine, see where it is and why, and give it back.

export VMM_URL=http://127.0.0.1:... VMM_TOKEN_FILE=...   # `make demo` prints them
python examples/acquire_machine.py --location isis --cpus 1
"""

import argparse
import os
from pathlib import Path

from vmm_core.client import Vmm
from vmm_core.model import Needs


def main() -> None:
    """Show the offers that fit, take one, say where it is, give it back."""
    parser = argparse.ArgumentParser(description="Acquire an analysis machine and release it.")
    parser.add_argument("--environment", help="what to run; any if not given")
    parser.add_argument("--location", action="append", default=[], help="may be repeated")
    parser.add_argument("--cpus", type=float, default=0, help="at least")
    parser.add_argument("--ram", type=float, default=0, help="at least, GiB")
    parser.add_argument("--gpus", type=int, default=0, help="at least")
    arguments = parser.parse_args()

    needs = Needs(
        environment=arguments.environment,
        locations=tuple(arguments.location),
        cpus=arguments.cpus,
        ram_gb=arguments.ram,
        gpus=arguments.gpus,
    )
    token = Path(os.environ["VMM_TOKEN_FILE"]).read_text().strip()
    with Vmm(os.environ["VMM_URL"], token) as vmm:
        for offer in vmm.offers(needs):
            place = f"{offer.environment.title} at {offer.location.title}"
            state = f"{offer.free} ready" if offer.available else offer.reason
            size = offer.size
            has = f"{size.cpus:g} CPUs, {size.ram_gb:g} GiB" if size else "size not known"
            print(f"{place} ({has}): {state}")

        lease = vmm.acquire(needs)
        try:
            lease = vmm.wait(lease.id, timeout_s=120)
            machine = lease.machine
            print(f"\n{lease.explanation.summary}")
            print(f"machine {machine.id} at {machine.location}, {machine.size.cpus:g} CPUs")
        finally:
            vmm.release(lease.id)
        print("released")


if __name__ == "__main__":
    main()
