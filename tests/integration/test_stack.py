"""`hookline up` as a whole: what it starts, says and keeps, and that nothing of it stays behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random

import httpx
import psycopg
import pytest

from hookline.configuration import settings_of_stack
from hookline.demo.alerts import SHAPES, sample
from hookline.ready_file import ReadyFile
from hookline.seed import DEMO_TENANT_ID
from hookline.stack_folder import StackFolder
from tests.support.domain_events import Events
from tests.support.processes import await_gone, is_gone, mentioning
from tests.support.running_stack import RunningStack, new_stack_folder, running_stack
from tests.support.wait import eventually

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS_PROMISED = 15
#: Every part finds a store again within a few seconds; a busy machine may take some more.
READY_AGAIN_SECONDS = 30
ROLES = {"ingress", "processors", "management", "actions", "analytics"}
#: What one of all management processes does.
LED = {
    *("relay", "events", "alerts", "ledger", "retention", "erasures", "dead_letters", "replays", "replay_forgetting"),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    found = new_stack_folder()
    yield found
    shutil.rmtree(found.parent, ignore_errors=True)


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    """One stack for the tests that leave it as ready as they found it."""
    found = new_stack_folder()
    copy = found.parent / "asked" / "ready.json"
    with running_stack(found, "--ready-file", str(copy)) as running:
        yield running
    shutil.rmtree(found.parent, ignore_errors=True)


def alert(seed: int, shape: str = "ninja") -> bytes:
    return sample(shape, Random(seed), int(time.time()))


def hookline(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hookline", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)


def await_tickets(stack: RunningStack, count: int, timeout_seconds: float = 60) -> None:
    eventually(lambda: stack.count("tickets") == count, timeout_seconds=timeout_seconds, what=f"{count} tickets")


def environment_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def test_the_ready_file_is_complete_private_and_where_it_was_asked_for(stack: RunningStack) -> None:
    ready = stack.ready
    assert set(ready.pids) == ROLES | {"kafka", "postgres"}
    assert ready.pids["management"] == ready.pids["analytics"], "the embedded engine belongs to one process"
    assert len(set(ready.pids.values())) == 6
    assert not any(is_gone(pid) for pid in ready.pids.values())
    assert ready.pid == stack.process.pid
    assert ready.tenant_slug == "demo"
    assert Path(ready.clickhouse).is_dir()
    copy = stack.data_dir.parent / "asked" / "ready.json"
    assert ReadyFile.model_validate_json(copy.read_text()) == ready
    folder = StackFolder(stack.data_dir)
    secrets = [copy, folder.ready_file, folder.master_key_file, folder.api_key_file, folder.database_password_file]
    secrets.append(folder.admin_password_file)
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


def test_every_part_is_truly_ready_when_the_file_is_there(stack: RunningStack) -> None:
    for url in stack.ready.ready_urls.values():
        assert httpx.get(url, trust_env=False).status_code == 200


def test_the_services_log_in_without_the_owners_rights(stack: RunningStack) -> None:
    dsn = environment_of(stack.pids["actions"])["HOOKLINE_POSTGRES__DSN"]
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, False, False)
        assert connection.execute("SET ROLE hookline_service").statusmessage == "SET"
        assert connection.execute("SELECT count(*) FROM tenants").fetchone() == (0,)


def test_no_secret_is_in_the_environment_of_a_role(stack: RunningStack) -> None:
    folder = StackFolder(stack.data_dir)
    password = folder.database_password_file.read_text().strip().rpartition(":")[2]
    owner = psycopg.conninfo.conninfo_to_dict(stack.ready.postgres_dsn)["password"]
    secrets = [password, str(owner), folder.master_key_file.read_text().strip(), stack.ready.admin_api_key]
    secrets.append(folder.admin_password_file.read_text().strip())
    for role in ROLES:
        text = Path(f"/proc/{stack.pids[role]}/environ").read_text() + stack.output()
        assert not [secret for secret in secrets if secret in text]


def test_the_first_start_makes_an_admin_and_says_how_to_sign_in(stack: RunningStack) -> None:
    file = StackFolder(stack.data_dir).admin_password_file
    shown_last = f"password: in {file}"  # no terminal sees it, so it is not shown
    eventually(lambda: shown_last in stack.output(), timeout_seconds=30, what="how to sign in, behind the ready file")
    assert f"Sign in at {stack.ready.management_url} to tenant demo as admin@demo.example" in stack.output()
    body = {"tenant": "demo", "email": "admin@demo.example", "password": file.read_text().strip()}
    answer = httpx.post(f"{stack.ready.management_url}/api/v1/sessions", json=body, trust_env=False, timeout=20)
    assert (answer.status_code, answer.json()["is_admin"]) == (201, True)


def test_status_shows_every_part_and_group(stack: RunningStack) -> None:
    done = hookline("status", "--json", "--data-dir", str(stack.data_dir))
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert status["ready"] is True
    assert {part["name"] for part in status["parts"]} == ROLES | LED
    assert {group["role"] for group in status["groups"]} == {"processors", "actions", "analytics"}
    assert [(group["lost_records"], group["what_to_do"]) for group in status["groups"]] == [(0, [])] * 6
    assert hookline("status", "--data-dir", str(stack.data_dir)).returncode == 0


def test_the_broker_matches_the_declared_topics_and_the_tables_are_migrated(stack: RunningStack) -> None:
    data_dir = ["--data-dir", str(stack.data_dir)]
    assert hookline("topics", "diff", *data_dir).returncode == 0
    assert json.loads(hookline("topics", "apply", "--json", *data_dir).stdout) == []
    assert json.loads(hookline("migrate", "--json", *data_dir).stdout) == {"applied": {"postgres": []}}


def test_a_sample_of_every_shape_becomes_a_ticket(stack: RunningStack) -> None:
    before = stack.count("tickets")
    for shape in SHAPES:
        done = hookline("send", "rmm-alerts", "--sample", shape, "--json", "--data-dir", str(stack.data_dir))
        assert done.returncode == 0, done.stderr
        [answer] = json.loads(done.stdout)
        assert answer["status"] == 200
        assert answer["delivery_id"]
    await_tickets(stack, before + len(SHAPES))


def test_a_file_sent_three_times_becomes_one_ticket(stack: RunningStack, tmp_path: Path) -> None:
    before = stack.count("tickets")
    (tmp_path / "alert.json").write_bytes(alert(11))
    file = ["--file", str(tmp_path / "alert.json"), "--count", "3"]
    assert hookline("send", "rmm-alerts", *file, "--data-dir", str(stack.data_dir)).returncode == 0
    await_tickets(stack, before + 1)
    with stack.management() as management:

        def duplicates() -> bool:
            page = management.get("/deliveries", params={"dispatch_status": "duplicate"}).json()
            return bool(page["meta"]["total"] == 2)

        eventually(duplicates, timeout_seconds=30, what="two duplicates in the log")


def test_what_the_api_changes_is_told_on_the_topic_of_events_in_its_order(stack: RunningStack) -> None:
    with stack.management() as management:
        made = management.post("/clients", json={"name": "Told Ltd"}).json()
        assert management.patch(f"/clients/{made['id']}", json={"is_inactive": True}).status_code == 200
    settings = settings_of_stack(stack.ready)
    events = Events(settings, DEMO_TENANT_ID)
    told = eventually(
        lambda: found if len(found := events.published(made["id"])) == 2 else None,
        timeout_seconds=30,
        what="two events of the client",
    )
    assert told is not None
    assert [one.event.type for one in told] == ["client.created", "client.deactivated"]
    assert [one.event.actor.type for one in told] == ["api_key", "api_key"]


def test_the_printed_curl_line_works_as_pasted(stack: RunningStack) -> None:
    before = stack.count("tickets")

    def printed() -> list[str]:
        lines = stack.output().splitlines()
        return [line for line in lines if line.strip().startswith("curl") and "X-Signature" in line]

    [line] = eventually(printed, timeout_seconds=10, what="the line, which comes after the stack is ready")
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=30, check=False)  # noqa: S602
    assert "200 OK" in done.stdout, done.stdout + done.stderr
    await_tickets(stack, before + 1)


def test_send_to_an_unknown_webhook_says_so(stack: RunningStack) -> None:
    done = hookline("send", "nothing", "--sample", "ninja", "--data-dir", str(stack.data_dir))
    assert done.returncode == 2
    assert "no webhook nothing" in done.stderr


def test_a_second_stack_on_the_same_folder_is_refused_and_the_first_goes_on(stack: RunningStack) -> None:
    done = hookline("up", "--data-dir", str(stack.data_dir), "--ingress-port", "0")
    assert done.returncode == 4
    assert f"in use by process {stack.process.pid}" in done.stderr
    assert stack.is_ready("ingress")
    assert (stack.data_dir / "ready.json").exists()


@pytest.mark.parametrize("role", ["ingress", "processors", "actions", "postgres", "kafka"])
def test_a_child_that_is_killed_is_started_again_and_works(stack: RunningStack, role: str) -> None:
    before = stack.count("tickets") + 1
    assert stack.send(alert(100 + before)).status == 200  # so that something is under way when it dies
    old = stack.kill(role)
    stack.await_restarted(role, old)
    assert f"ended (exit code {128 + signal.SIGKILL})" in stack.output()
    for name in stack.ready.ready_urls:
        stack.await_ready(name, timeout_seconds=READY_AGAIN_SECONDS)
    body = alert(10_000 + before)

    def accepted() -> bool:
        return stack.send(body).status == 200

    eventually(accepted, timeout_seconds=60, what="the receiver to accept")
    await_tickets(stack, before + 1)


def test_two_stacks_run_side_by_side_and_sigterm_leaves_nothing_of_either(folder: Path) -> None:
    with ExitStack() as both, ThreadPoolExecutor(2) as pool:
        folders = [folder.with_name("one"), folder.with_name("two")]
        one, two = (both.enter_context(context) for context in pool.map(running_stack, folders))
        assert not set(one.pids.values()) & set(two.pids.values())
        assert one.ready.ingress_url != two.ready.ingress_url
        assert one.send(alert(1)).status == 200
        await_tickets(one, 1)
        assert two.count("tickets") == 0
        for stack in (one, two):
            pids = stack.process_tree()
            assert stack.stop(timeout_seconds=60) < STOP_SECONDS_PROMISED
            await_gone(*pids, timeout_seconds=1)
            assert mentioning(str(stack.data_dir)) == []
            assert not (stack.data_dir / "ready.json").exists()
            assert "killed" not in stack.output()


def test_after_kill_9_of_the_parent_the_same_folder_starts_again_and_keeps_everything(folder: Path) -> None:
    with running_stack(folder) as first:
        pids, key = dict(first.pids), first.ready.admin_api_key
        assert [first.send(alert(seed)).status for seed in range(20)] == [200] * 20
        first.kill_supervisor()
    with running_stack(folder) as second:
        assert all(is_gone(pid) or pid in second.pids.values() for pid in pids.values())
        assert second.ready.admin_api_key == key
        await_tickets(second, 20)
        assert second.send(alert(3)).status == 200
        with second.management() as management:

            def log_is_complete() -> bool:
                page = management.get("/deliveries", params={"per_page": 100}).json()
                found = [entry["dispatch_status"] for entry in page["data"]]
                return sorted(found) == ["dispatched"] * 20 + ["duplicate"]

            eventually(log_is_complete, timeout_seconds=60, what="20 dispatched and one duplicate")
        assert second.count("tickets") == 20


def test_sigterm_while_it_starts_ends_everything(folder: Path) -> None:
    command = [sys.executable, "-m", "hookline", "up", "--data-dir", str(folder), "--ingress-port", "0"]
    process = subprocess.Popen(
        [*command, "--management-port", "0"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: (folder / "kafka").exists(), timeout_seconds=60, what="the start to have begun")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert mentioning(str(folder)) == []
    assert not (folder / "ready.json").exists()


def test_a_role_that_cannot_start_is_named_with_its_last_words(folder: Path) -> None:
    environment = {**os.environ, "HOOKLINE_PROCESSORS__MAPPING_ENGINE": "abacus"}
    command = [sys.executable, "-m", "hookline", "up", "--data-dir", str(folder), "--ingress-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 2
    assert "HOOKLINE_PROCESSORS__MAPPING_ENGINE" in done.stderr
    assert mentioning(str(folder)) == []
