"""What Prometheus reads, read by Prometheus' own parser."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families as parse

from vmm_core.clouds.base import ResourceKind
from vmm_core.metrics import Metrics
from vmm_core.model import (
    CloudStatus,
    Explanation,
    Lease,
    LeaseState,
    MachineState,
    Needs,
    Pool,
    PoolStatus,
    Status,
)

from ..conftest import CHECKOUT

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def status(**known: object) -> Status:
    values = {"version": "1", "at": NOW, "replicas": (), "clouds": (), "pools": ()}
    return Status.model_validate({**values, "leased": 0, "waiting": 0, **known})


def read(
    metrics: Metrics,
    told: Status | None = None,
    boot_times_s: dict[str, list[float]] | None = None,
    failures: dict[str, int] | None = None,
    swept: dict[tuple[str, ResourceKind], int] | None = None,
) -> dict[tuple[str, ...], float]:
    text = metrics.text(told or status(), boot_times_s or {}, failures or {}, swept or {}).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def lease(state: LeaseState) -> Lease:
    return Lease(
        id="l-1",
        owner="alice",
        frontend="hub",
        key="k",
        needs=Needs(environment="mantid"),
        state=state,
        explanation=Explanation(summary=""),
        created_at=NOW,
    )


def test_requests_are_hits_misses_or_refused():
    metrics = Metrics()
    metrics.claimed(lease(LeaseState.ACQUIRED), 0.004)
    metrics.claimed(lease(LeaseState.ACQUIRED), 0.004)
    metrics.claimed(lease(LeaseState.WAITING), 0.004)
    metrics.refused(None)
    found = read(metrics)
    assert found["vmm_claims_total", "mantid", "hit"] == 2
    assert found["vmm_claims_total", "mantid", "miss"] == 1
    assert found["vmm_claims_total", "any", "refused"] == 1
    assert found["vmm_claim_seconds_count",] == 2
    assert found["vmm_claim_seconds_bucket", "0.005"] == 2
    assert found["vmm_claim_seconds_bucket", "0.0025"] == 0


def test_pools_are_told_with_every_state():
    pool = Pool(environment="mantid", cloud="ral", size="small", ready=3, maximum=9)
    told = PoolStatus(
        name=pool.name,
        pool=pool,
        location="ral",
        machines={MachineState.VACANT: 2, MachineState.ACQUIRED: 4},
        floor=3,
        failures=1,
        hold="no quota",
    )
    found = read(Metrics(), status(pools=(told,)))
    assert found["vmm_machines", pool.name, "vacant"] == 2
    assert found["vmm_machines", pool.name, "acquired"] == 4
    assert found["vmm_machines", pool.name, "failed"] == 0
    assert ("vmm_machines", pool.name, "deleted") not in found
    assert found["vmm_pool_ready_wanted", pool.name] == 3
    assert found["vmm_pool_held", pool.name] == 1


def test_waits_refills_orphans_and_clouds():
    told = status(
        waiting=2,
        longest_wait_s=90,
        clouds=(
            CloudStatus(name="ral", kind="x", location="ral", machines={}, orphans={"disk": 2}),
            CloudStatus(name="dls", kind="x", location="dls", machines={}, trouble="no answer"),
        ),
        step_age_s=0.5,
    )
    times_s = {"a": [float(second) for second in range(101)], "b": [7.0]}
    found = read(Metrics(), told, times_s)
    assert found["vmm_leases_waiting",] == 2
    assert found["vmm_longest_wait_seconds",] == 90
    assert found["vmm_refill_seconds", "a", "0.5"] == 50
    assert found["vmm_refill_seconds", "a", "0.95"] == 95
    assert found["vmm_refill_seconds", "b", "0.95"] == 7
    assert found["vmm_orphans", "ral", "disk"] == 2
    assert (found["vmm_cloud_answers", "ral"], found["vmm_cloud_answers", "dls"]) == (1, 0)
    assert found["vmm_step_age_seconds",] == 0.5


def test_two_services_in_one_process_count_apart():
    one, other = Metrics(), Metrics()
    one.claimed(lease(LeaseState.ACQUIRED), 0.004)
    assert read(one)["vmm_claims_total", "mantid", "hit"] == 1
    assert ("vmm_claims_total", "mantid", "hit") not in read(other)


def test_what_the_pool_manager_counted_is_told():
    found = read(Metrics(), failures={"a": 3}, swept={("ral", ResourceKind.PORT): 2})
    assert found["vmm_machine_failures_total", "a"] == 3
    assert found["vmm_orphans_deleted_total", "ral", "port"] == 2


def test_the_page_for_operators_names_every_metric():
    page = (CHECKOUT / "docs/operations.md").read_text()
    told = set(re.findall(r"(?m)^\| `(vmm_\w+)` \|", page))
    metrics = Metrics()
    metrics.claimed(lease(LeaseState.ACQUIRED), 1)
    metrics.answered("health", 200, 0.1)
    text = metrics.text(status(step_age_s=1), {}, {}, {}).decode()
    known = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in parse(text)
        if not family.name.endswith("_created")  # when the counting began
    }
    assert told == known
