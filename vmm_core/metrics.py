"""What Prometheus is told: what this process counted, and the ledger as it is when asked.

Counters and histograms are this process's own: sum them over the replicas. What
comes from the ledger is the same from every replica: take the greatest. Nothing
here names a user. The names are in docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import quantiles

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .clouds.base import ResourceKind
from .model import CloudStatus, Lease, LeaseState, MachineState, PoolStatus, Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_CLAIM_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_REQUEST_S = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 120)
_QUANTILES = {"0.5": 49, "0.95": 94}


class Metrics:
    """What one process counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "vmm_request_seconds",
            "Answers of the API, by route and status.",
            ("route", "status"),
            buckets=_REQUEST_S,
            registry=self._registry,
        )
        self._claims = Counter(
            "vmm_claims",
            "Requests for a machine: hit is served at once, miss waits, refused is neither.",
            ("environment", "result"),
            registry=self._registry,
        )
        self._claim_s = Histogram(
            "vmm_claim_seconds",
            "From the request to its answer, of requests that were served at once.",
            buckets=_CLAIM_S,
            registry=self._registry,
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer of the API."""
        self._requests.labels(route, str(status)).observe(seconds)

    def claimed(self, lease: Lease, seconds: float) -> None:
        """Count a request that made a lease."""
        environment = lease.needs.environment or "any"
        hit = lease.state is LeaseState.ACQUIRED
        self._claims.labels(environment, "hit" if hit else "miss").inc()
        if hit:
            self._claim_s.observe(seconds)

    def refused(self, environment: str | None) -> None:
        """Count a request that made no lease."""
        self._claims.labels(environment or "any", "refused").inc()

    def text(
        self,
        status: Status,
        boot_times_s: Mapping[str, Sequence[float]],
        failures: Mapping[str, int],
        swept: Mapping[tuple[str, ResourceKind], int],
    ) -> bytes:
        """Everything, in Prometheus' text format.

        Args:
            status: how the service stands.
            boot_times_s: for each pool, what its newest machines took from asked for
                to vacant.
            failures: for each pool, its machines that were of no use.
            swept: by cloud and kind, the orphans that were deleted.
        """
        asked = CollectorRegistry()
        asked.register(_Asked(status, boot_times_s))
        asked.register(_Counted(failures, swept))
        return generate_latest(self._registry) + generate_latest(asked)


class _Asked(Collector):
    """How the service stands, as families of gauges."""

    def __init__(self, status: Status, boot_times_s: Mapping[str, Sequence[float]]) -> None:
        self._status = status
        self._boot_times_s = boot_times_s

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        status = self._status
        yield from _of_pools(status.pools)
        yield from _of_clouds(status.clouds)
        yield _refill(self._boot_times_s)
        yield _one("vmm_leases", "Leases that hold a machine.", status.leased)
        yield _one("vmm_leases_waiting", "Leases that wait for a machine.", status.waiting)
        yield _one("vmm_longest_wait_seconds", "The longest of them waits.", status.longest_wait_s)
        yield _one("vmm_machines_held", "Kept for somebody to look at.", len(status.held))
        yield _one("vmm_replicas", "Processes of the service that run.", len(status.replicas))
        if status.step_age_s is not None:
            yield _one(
                "vmm_step_age_seconds", "Since this process's last step ended.", status.step_age_s
            )


class _Counted(Collector):
    """What the pool manager of this process counted."""

    def __init__(
        self, failures: Mapping[str, int], swept: Mapping[tuple[str, ResourceKind], int]
    ) -> None:
        self._failures = failures
        self._swept = swept

    def collect(self) -> Iterator[Metric]:
        """Both."""
        failures = CounterMetricFamily(
            "vmm_machine_failures",
            "Machines that were made and are of no use.",
            labels=("pool",),
        )
        for pool, number in self._failures.items():
            failures.add_metric((pool,), number)
        swept = CounterMetricFamily(
            "vmm_orphans_deleted",
            "What clouds had of ours that the ledger had not, deleted.",
            labels=("cloud", "kind"),
        )
        for (cloud, kind), number in self._swept.items():
            swept.add_metric((cloud, kind), number)
        yield from (failures, swept)


def _one(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)


def _of_pools(pools: Sequence[PoolStatus]) -> Iterator[Metric]:
    machines = GaugeMetricFamily("vmm_machines", "Machines.", labels=("pool", "state"))
    wanted = GaugeMetricFamily("vmm_pool_ready_wanted", "Kept vacant.", labels=("pool",))
    maximum = GaugeMetricFamily("vmm_pool_maximum", "Most machines.", labels=("pool",))
    held = GaugeMetricFamily(
        "vmm_pool_held", "1 if it makes no machines although it lacks some.", labels=("pool",)
    )
    failures = GaugeMetricFamily("vmm_pool_failures", "Failures in a row.", labels=("pool",))
    for pool in pools:
        for state in MachineState:
            if state is not MachineState.DELETED:
                machines.add_metric((pool.name, state), pool.machines.get(state, 0))
        wanted.add_metric((pool.name,), pool.floor or 0)
        maximum.add_metric((pool.name,), pool.pool.maximum if pool.pool else 0)
        held.add_metric((pool.name,), bool(pool.hold))
        failures.add_metric((pool.name,), pool.failures)
    yield from (machines, wanted, maximum, held, failures)


def _of_clouds(clouds: Sequence[CloudStatus]) -> Iterator[Metric]:
    answers = GaugeMetricFamily("vmm_cloud_answers", "1 if it does.", labels=("cloud",))
    orphans = GaugeMetricFamily(
        "vmm_orphans", "What it has of ours that the ledger has not.", labels=("cloud", "kind")
    )
    for cloud in clouds:
        answers.add_metric((cloud.name,), not cloud.trouble)
        for kind, number in cloud.orphans.items():
            orphans.add_metric((cloud.name, kind), number)
    yield from (answers, orphans)


def _refill(boot_times_s: Mapping[str, Sequence[float]]) -> Metric:
    family = GaugeMetricFamily(
        "vmm_refill_seconds",
        "From asked for to vacant, of a pool's newest machines.",
        labels=("pool", "quantile"),
    )
    for pool, times_s in boot_times_s.items():
        cuts = quantiles(times_s, n=100, method="inclusive") if len(times_s) > 1 else ()
        for name, place in _QUANTILES.items():
            family.add_metric((pool, name), cuts[place] if cuts else times_s[0])
    return family
