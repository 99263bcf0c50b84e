"""kill -9 of every role, and a broker that stands still, under load: every 200 has one ticket or one named outcome."""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.ledger import Ledger, await_settled, take_ledger
from tests.support.ledger_verification import OFTEN_EXAMINED, verify_ledger, write_ledger_example
from tests.support.running_stack import RunningStack, new_stack_folder, running_stack
from tests.support.senders import Senders
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

#: In a normal run; the soak runs have ten for each of ten seeds.
_KILLS, _KILLS_SOAK = 5, 10
_ROLES = ("ingress", "processors", "actions", "analytics")
_BROKER_STANDS_STILL_SECONDS = 20.0


@pytest.fixture
def folder() -> Iterator[Path]:
    made = new_stack_folder()
    yield made
    shutil.rmtree(made.parent, ignore_errors=True)


def _seed() -> int:
    seed = int(os.environ.get("HOOKLINE_TEST_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"seed {seed}")  # noqa: T201  # shown when it fails
    return seed


def _assert_exact(ledger: Ledger, senders: Senders) -> None:
    assert ledger.exact, ledger
    assert not senders.given_up
    assert ledger.by_status.get("duplicate", 0) > 0, "senders repeat themselves, or nothing was tested"
    assert ledger.by_status.get("failed", 0) > 0, "some mappings must fail"
    print(f"{ledger} answers {dict(senders.statuses)}")  # noqa: T201  # for docs/guarantees.md


def _kill_at_random(stack: RunningStack, randomness: random.Random, kills: int) -> list[str]:
    done: list[str] = []
    for _ in range(kills):
        time.sleep(randomness.uniform(0.3, 3.0))
        role = randomness.choice(_ROLES)
        _kill_once(stack, role)
        done.append(role)
    return done


def _kill_once(stack: RunningStack, role: str) -> None:
    """SIGKILL a role as soon as there is a ready file to name its process, then wait for the next process."""
    old = eventually(lambda: _pid(stack, role), timeout_seconds=60, what=f"{role} to run")
    assert old is not None
    os.kill(old, signal.SIGKILL)
    eventually(lambda: _pid(stack, role) not in (None, old), timeout_seconds=60, what=f"{role} to be started again")


def _pid(stack: RunningStack, role: str) -> int | None:
    """None while the stack has no ready file: something is being started again."""
    try:
        return stack.pids.get(role)
    except FileNotFoundError:
        return None


def _run_kills(folder: Path, seed: int, kills: int) -> None:
    with running_stack(folder, **OFTEN_EXAMINED) as stack:
        senders = Senders(stack.sender, seed)
        senders.start()
        killed = _kill_at_random(stack, random.Random(seed), kills)
        senders.stop()
        eventually(lambda: _pid(stack, "ingress"), timeout_seconds=60, what="everything to run again")
        await_settled(stack, senders.answered)
        print(stack.output())  # noqa: T201  # shown when it fails
        assert len(killed) == kills
        verification = verify_ledger(stack, senders)
        if os.environ.get("HOOKLINE_WRITE_LEDGER"):
            write_ledger_example(stack, senders, seed=seed, killed=killed)
        print(verification["words"])  # noqa: T201  # for docs/guarantees.md
        _assert_exact(take_ledger(stack, senders), senders)


@pytest.mark.timeout(600)
def test_kills_at_random_points_lose_nothing_and_double_nothing(folder: Path) -> None:
    _run_kills(folder, _seed(), _KILLS)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10))
def test_ten_kills_at_seeded_points_lose_nothing_and_double_nothing(folder: Path, seed: int) -> None:
    _run_kills(folder, seed, _KILLS_SOAK)


@pytest.mark.timeout(600)
def test_a_broker_that_stands_still_costs_503s_and_no_accepted_request(folder: Path) -> None:
    with running_stack(folder) as stack:
        senders = Senders(stack.sender, _seed(), threads=16, alerts_per_second=200)
        senders.start()
        eventually(lambda: senders.statuses[200] > 300, timeout_seconds=60, what="requests to be accepted")
        kafka = stack.pids["kafka"]
        ingress = psutil.Process(stack.pids["ingress"])
        before = _resident_bytes(ingress)
        os.kill(kafka, signal.SIGSTOP)
        try:
            time.sleep(_BROKER_STANDS_STILL_SECONDS)
            grown = _resident_bytes(ingress) - before
        finally:
            os.kill(kafka, signal.SIGCONT)
        accepted = senders.statuses[200]
        eventually(
            lambda: senders.statuses[200] > accepted + 300, timeout_seconds=60, what="requests to be accepted again"
        )
        senders.stop()
        await_settled(stack, senders.answered)
        assert senders.statuses[503] > 0
        assert grown < 100 * 2**20
        _assert_exact(take_ledger(stack, senders), senders)


def _resident_bytes(process: psutil.Process) -> int:
    return int(process.memory_info().rss) + sum(int(child.memory_info().rss) for child in process.children(True))
