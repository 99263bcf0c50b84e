"""Several worker processes on one port: shared load, one scrape, replaced when they die, gone with the main process."""

import signal
from collections.abc import Iterator

import psutil
import pytest

from hookline.embedded.kafka import KafkaBroker
from tests.support.ingress import Publisher, RunningIngress, await_status, publishing, running_ingress, signed
from tests.support.processes import await_gone, is_gone
from tests.support.wait import eventually

pytestmark = pytest.mark.proof


@pytest.fixture
def tenant(kafka: KafkaBroker) -> Iterator[Publisher]:
    with publishing(kafka.bootstrap) as publisher:
        yield publisher


@pytest.fixture
def ingress(kafka: KafkaBroker, tenant: Publisher) -> Iterator[RunningIngress]:
    with running_ingress(kafka.bootstrap, workers=2) as running:
        yield running


def workers(ingress: RunningIngress) -> list[int]:
    """Pids of the processes that listen."""
    children = psutil.Process(ingress.process.pid).children(recursive=True)
    return sorted(child.pid for child in children if not is_gone(child.pid) and is_worker(child))


def is_worker(process: psutil.Process) -> bool:
    """Whether it is one of ours, and not the interpreter's own resource tracker."""
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def accepted_total(ingress: RunningIngress) -> float:
    lines = ingress.get("/metrics").body.decode().splitlines()
    [line] = [line for line in lines if line.startswith('hookline_ingress_requests_total{outcome="accepted"}')]
    return float(line.rpartition(" ")[2])


def test_both_workers_serve_and_one_scrape_counts_for_both(ingress: RunningIngress, tenant: Publisher) -> None:
    assert len(workers(ingress)) == 2
    assert [part["name"] for part in ingress.readiness()[1]["parts"]] == ["ingress-0", "ingress-1"]
    config = tenant.publish(tenant.webhook())
    raw = signed(config, b"{}")
    await_status(ingress, raw, 200)
    eventually(
        # Not once in a million will so many all reach the same worker.
        lambda: all(ingress.send(raw).status == 200 for _ in range(24)),
        timeout_seconds=30,
        what="both to know it",
    )
    before = eventually(lambda: accepted_total(ingress), timeout_seconds=20, what="a first count")
    answers = [ingress.send(raw).status for _ in range(40)]
    assert answers == [200] * 40
    eventually(lambda: accepted_total(ingress) >= before + 40, timeout_seconds=20, what="40 more in any scrape")


def test_a_worker_that_dies_is_replaced_and_the_other_serves_on(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    before = workers(ingress)
    psutil.Process(before[0]).kill()
    eventually(
        lambda: len(set(workers(ingress)) - set(before)) == 1,
        timeout_seconds=20,
        what="a worker in the dead one's place",
    )
    ingress.await_ready()
    await_status(ingress, signed(config, b"{}"), 200)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_main_process_however_it_ends(ingress: RunningIngress, number: signal.Signals) -> None:
    pids = workers(ingress)
    ingress.process.send_signal(number)
    ingress.process.wait(20)
    await_gone(*pids)
