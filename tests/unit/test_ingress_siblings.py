"""One scrape and one readiness check speak for all workers of a port."""

from pathlib import Path

from infra.role import PartHealth
from ingress.siblings import Siblings, merge

ONE = """# HELP hookline_ingress_requests_total Requests.
# TYPE hookline_ingress_requests_total counter
hookline_ingress_requests_total{outcome="accepted"} 3.0
# HELP hookline_ingress_webhooks Webhooks.
# TYPE hookline_ingress_webhooks gauge
hookline_ingress_webhooks 5.0
"""
TWO = ONE.replace("3.0", "4.0")


def test_counts_are_added_and_what_is_the_same_everywhere_is_not() -> None:
    merged = merge([ONE, TWO])
    assert 'hookline_ingress_requests_total{outcome="accepted"} 7.0' in merged
    assert "hookline_ingress_webhooks 5.0" in merged
    assert merged.count("# TYPE hookline_ingress_requests_total counter") == 1


def test_a_dead_workers_counts_stay_and_its_gauges_go(tmp_path: Path) -> None:
    siblings = Siblings(tmp_path, 2)
    siblings.publish(1, TWO.replace("webhooks 5.0", "webhooks 9.0"), PartHealth("ingress-1", ready=True))
    siblings.bury(1)
    siblings.publish(1, ONE, PartHealth("ingress-1", ready=True))
    siblings.bury(1)
    merged = siblings.exposition(0, ONE)
    assert 'outcome="accepted"} 10.0' in merged
    assert "hookline_ingress_webhooks 5.0" in merged


def test_the_receiver_is_as_ready_as_its_least_ready_worker(tmp_path: Path) -> None:
    siblings = Siblings(tmp_path, 3)
    siblings.publish(1, "", PartHealth("ingress-1", ready=False, reasons=("broker: away",)))
    states = siblings.health(0, PartHealth("ingress-0", ready=True))
    assert [(state.name, state.ready, state.reasons) for state in states] == [
        ("ingress-0", True, ()),
        ("ingress-1", False, ("broker: away",)),
        ("ingress-2", False, ("worker: not started",)),
    ]
