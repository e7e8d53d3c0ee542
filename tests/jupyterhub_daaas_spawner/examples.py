"""A few offers, as a VMM would make them."""

from vmm_core.model import Environment, Location, Offer, Size

MANTID = Environment(
    name="mantid",
    title="Mantid",
    description="Reduction of neutron data",
    software=("Mantid 6.11",),
    instruments=("SANS2D", "LOQ"),
)
TOMO = Environment(name="tomography", title="Tomography", instruments=("IMAT",))
ISIS = Location(name="isis", title="ISIS")
DIAMOND = Location(name="diamond", title="Diamond <DLS>")

SMALL = Size(name="small", cpus=2, ram_gb=4)
LARGE = Size(name="large", cpus=8, ram_gb=32)
GPU = Size(name="gpu", cpus=4, ram_gb=16, gpus=1)


def offer(
    environment: Environment,
    location: Location,
    size: Size | None,
    free: int = 0,
    next_in_s: float | None = None,
    booting: int = 0,
    reason: str = "",
) -> Offer:
    return Offer(
        environment=environment,
        location=location,
        cloud=f"{location.name}-cloud",
        size=size,
        free=free,
        booting=booting,
        next_in_s=0 if free else next_in_s,
        available=not reason,
        reason=reason,
    )


AWAY = Location(name="esrf", title="ESRF")
ONLY_AWAY = Environment(name="cryst", title="Crystallography")
SILENT = tuple(
    offer(environment, AWAY, None, reason="ESRF does not answer now")
    for environment in (MANTID, ONLY_AWAY)
)
"""As of a cloud that has not answered since the VMM started: its sizes are not known."""
OUT_OF_ORDER = "Diamond <DLS> is out of order until its operators put it right"
REFUSED = tuple(
    offer(environment, DIAMOND, None, reason=OUT_OF_ORDER) for environment in (MANTID, ONLY_AWAY)
)
"""As of a cloud that has refused the VMM's credentials since it started."""

OFFERS = (
    offer(MANTID, ISIS, SMALL, next_in_s=20, booting=1),
    offer(MANTID, ISIS, LARGE, free=1),
    offer(MANTID, DIAMOND, SMALL, free=3),
    offer(TOMO, DIAMOND, GPU, reason="this host has no GPU"),
    offer(TOMO, ISIS, LARGE, free=2),
)
