"""Secrets of every kind are put into a whole stack; afterwards everything it wrote is searched for them."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.configuration import settings_of_stack
from hookline.stack_folder import StackFolder
from infra.secretbox import MasterKeyFile
from tests.support.operations import all_operations
from tests.support.planted import (
    Found,
    Search,
    Secret,
    read_clickhouse,
    read_rocksdb,
    read_tables,
    read_topics,
)
from tests.support.plot import KINDS, Hook, Plot
from tests.support.running_stack import new_stack_folder, running_stack
from tests.support.wait import eventually

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

MARKER = f"harmless-{uuid.uuid4().hex}"
MAPPING = {
    "type": "direct_action",
    "action": "createTicket",
    "field_mapping": {"title": "title", "client_id": '"Acme Ltd"'},
}


@pytest.fixture
def folder() -> Iterator[Path]:
    made = new_stack_folder()
    yield made
    shutil.rmtree(made.parent, ignore_errors=True)


def body_of(number: int) -> bytes:
    return f'{{"title": "{MARKER} {number}", "n": {number}}}'.encode()


def make_hooks(plot: Plot, client: httpx.Client) -> None:
    """A webhook of every scheme with a secret of ours, and one whose secret is made for it."""
    for kind, (member, config) in KINDS.items():
        secret = plot.plant(f"{kind} {member}")
        body = {
            "name": kind,
            "slug": kind.replace("_", "-"),
            "auth_type": kind,
            "auth_config": {**config, member: secret.text},
            "handler_config": MAPPING,
            "idempotency_source": {"type": "jsonata", "value": "title"},
        }
        answer = plot.call("POST", "/inbound-webhooks", client=client, json=body)
        assert answer.status_code == 201, answer.text
        plot.hooks.append(Hook(answer.json()["id"], kind.replace("_", "-"), kind, secret))
    body = {"name": "made", "slug": "made", "auth_type": "hmac_sha256", "handler_config": MAPPING}
    answer = plot.call("POST", "/inbound-webhooks", "generated", client=client, json=body)
    plot.learn("generated", answer.json()["secret"])


def change_hooks(plot: Plot, client: httpx.Client) -> None:
    """Rotate with and without an overlap, put back what was shown, look at versions and the audit log."""
    for hook in plot.hooks:
        path = f"/inbound-webhooks/{hook.id}"
        shown = plot.call("GET", path, client=client).json()
        assert plot.call("PUT", path, client=client, json=shown).status_code == 200
        hook.secret = plot.plant(f"rotated {hook.kind}")
        body = {"secret": hook.secret.text, "rotation_overlap_seconds": 3_600}
        assert plot.call("POST", f"{path}/rotate-secret", hook.secret.name, client=client, json=body).status_code == 200
        for suffix in ("", "/versions", "/versions/1"):
            plot.call("GET", path + suffix, client=client)
    made = plot.call("POST", f"/inbound-webhooks/{plot.hooks[0].id}/rotate-secret", "rotated by itself", client=client)
    plot.learn("rotated by itself", made.json()["secret"])
    plot.hooks[0].secret = plot.planted[-1]
    plot.call("POST", f"/inbound-webhooks/{plot.hooks[1].id}/finalise-rotation", client=client)
    plot.call("GET", "/inbound-webhooks", client=client)


def send_requests(plot: Plot, client: httpx.Client) -> int:
    """Good and bad proofs to every webhook, with tokens in other places besides; how many were accepted."""
    accepted = 0
    for number, hook in enumerate(plot.hooks):
        good, wrong = body_of(number), plot.plant(f"wrong {hook.kind}").text
        noise = plot.plant(f"noise at {hook.kind}").text
        headers, query = hook.prove(good)
        others = {"Cookie": f"session={noise}", "X-Auth-Token": noise, "X-Api-Key": noise, "X-Client-Secret": noise}
        others |= {"Proxy-Authorization": f"Basic {noise}", "X-Original-URL": f"/x?t={noise}"}
        eventually(
            lambda b=good, h=others | headers, q=query | {"access_token": noise}, s=hook.slug: (
                plot.send(s, b, h, q) == 200
            ),  # type: ignore[misc]
            timeout_seconds=20,
            what=f"an accepted request to {hook.slug}",
        )
        accepted += 1
        headers, query = hook.prove(good, wrong)
        assert plot.send(hook.slug, good, headers, query) == 401
        assert plot.send("unknown", good, headers, query) == 401
        headers, query = hook.prove(b"{")
        assert plot.send(hook.slug, b"{", headers, query) == 400
        accepted += 1  # kept: its sender is known
        large = b" " * 1_100_000
        headers, query = hook.prove(large)
        assert plot.send(hook.slug, large, headers, query) == 413
    send_tokens_written_otherwise(plot)
    return accepted


def send_tokens_written_otherwise(plot: Plot) -> None:
    """The token of a URL percent-encoded, twice, in another case, behind a fragment, under a slug that is not there."""
    ready, hook = plot.stack.ready, plot.hooks[-1]
    assert hook.kind == "path_token"
    token = hook.secret.text
    coded = "".join(f"%{ord(character):02x}" for character in token)
    for slug in (hook.slug, "unknown"):
        url = f"{ready.ingress_url}/api/inbound/{ready.tenant_slug}/{slug}"
        for query in (
            f"%74={token}",
            f"t={coded}",
            f"t={token}&t={token}",
            f"T={token}",
            f"a=b;t={token}",
            f"t={token}+",
        ):
            plot.keep(httpx.post(f"{url}?{query}", content=body_of(50), trust_env=False, timeout=20))
        plot.keep(httpx.get(f"{url}?t={token}", trust_env=False, timeout=20))


def try_webhooks(plot: Plot, client: httpx.Client) -> None:
    """Tests, previews and a captured sample, with tokens in what is given."""
    for hook in plot.hooks:
        path, noise = f"/inbound-webhooks/{hook.id}", plot.plant(f"given to a test of {hook.kind}").text
        headers, query = hook.prove(b"", noise)
        given: dict[str, Any] = {"body": {"title": MARKER}, "headers": {"Cookie": noise, "X-Token": noise} | headers}
        given["query"] = {"token": noise} | query
        assert plot.call("POST", f"{path}/test", client=client, json={**given, "dry_run": True}).status_code == 200
        plot.call("POST", f"{path}/mapping/preview", client=client, json=given)
        plot.call("POST", f"{path}/filters/test", client=client, json=given)
        assert plot.call("POST", f"{path}/test", client=client, json=given).status_code == 200
        plot.call("GET", f"{path}/tests", client=client)
    path = f"/inbound-webhooks/{plot.hooks[-1].id}"
    assert plot.call("POST", f"{path}/capture-sample", client=client).status_code == 200
    headers, query = plot.hooks[-1].prove(body_of(99))
    assert plot.send(plot.hooks[-1].slug, body_of(99), headers, query) == 200
    eventually(
        lambda: plot.call("GET", path, client=client).json().get("has_sample_payload"),
        timeout_seconds=30,
        what="the captured sample",
    )


def use_people_and_keys(plot: Plot, client: httpx.Client) -> None:
    """A user with a password, a session, an API key; wrong passwords and a revoked key."""
    password, other = plot.plant("password"), plot.plant("changed password")
    user = {"email": "planted@demo.example", "username": "planted", "password": password.text}
    made = plot.call("POST", "/users", client=client, json=user)
    assert made.status_code == 201, made.text
    with httpx.Client(base_url=str(client.base_url), trust_env=False, timeout=20) as browser:
        who = {"tenant": plot.stack.ready.tenant_slug, "email": user["email"]}
        wrong = {**who, "password": plot.plant("wrong password").text}
        assert plot.call("POST", "/sessions", client=browser, json=wrong).status_code == 401
        cookies = ("session cookie", "browser cookie")
        answer = plot.call(
            "POST", "/sessions", *cookies, "csrf", client=browser, json={**who, "password": password.text}
        )
        assert answer.status_code == 201, answer.text
        plot.learn("session cookie", browser.cookies["hookline_session"])
        plot.learn("browser cookie", next(v for n, v in browser.cookies.items() if n != "hookline_session"))
        headers = {"X-CSRF-Token": answer.json()["csrf_token"]}
        for path in ("/sessions", "/sessions/current", "/users", "/roles"):
            plot.call("GET", path, client=browser)
        change = {"current_password": password.text, "new_password": other.text}
        changed = plot.call("PUT", "/users/me/password", client=browser, json=change, headers=headers)
        assert changed.status_code == 204, changed.text
        plot.call("DELETE", "/sessions/current", client=browser, headers=headers)
    key = plot.call("POST", "/api-keys", "api key", client=client, json={"name": "planted", "permissions": ["*"]})
    assert key.status_code == 201, key.text
    shown = {"Authorization": f"Bearer {plot.learn('api key', key.json()['key']).text}"}
    for path in ("/api-keys", f"/api-keys/{key.json()['id']}", "/audit", "/deliveries"):
        assert plot.call("GET", path, client=client, headers=shown).status_code == 200
    plot.call("DELETE", f"/api-keys/{key.json()['id']}", client=client)
    assert plot.call("GET", "/audit", client=client, headers=shown).status_code == 401


def call_everything_wrongly(plot: Plot, client: httpx.Client) -> None:
    """Every operation, and bodies with secrets in places and forms that are refused."""
    secret = plot.plant("in a refused body").text
    members = {"secret": secret, "token": secret, "password": secret, "key": secret, "unknown": secret}
    junk = members | {"auth_config": members, "new_password": secret, "current_password": secret, "name": 1}
    for operation in all_operations():
        path = operation.filled(dict.fromkeys(operation.parameters, str(uuid.uuid4())))
        body = None if operation.method in ("GET", "DELETE") else junk
        answer = plot.call(operation.method, path, client=client, json=body)
        assert answer.status_code < 500, answer.text
    short = plot.learn("too short", f"s{secrets.token_hex(7)}").text
    for kind, (member, config) in KINDS.items():
        for value in (short, [secret], {"a": secret}, secret * 100, f"{secret}\n", None):
            body = {"name": kind, "slug": "refused", "auth_type": kind, "handler_config": MAPPING}
            body["auth_config"] = {**config, member: value, "unknown": secret}
            answer = plot.call("POST", "/inbound-webhooks", client=client, json=body)
            assert answer.status_code == 400, answer.text
    path = f"/inbound-webhooks/{plot.hooks[0].id}/rotate-secret"
    for value in (short, [secret], secret * 100):
        assert plot.call("POST", path, client=client, json={"secret": value}).status_code == 400
    for value in ("", secret * 30, [secret], {"a": secret}):
        user = {"email": "x@demo.example", "username": "x", "password": value}
        assert plot.call("POST", "/users", client=client, json=user).status_code == 400


def look_at_everything(plot: Plot, client: httpx.Client) -> None:
    """What people look at afterwards."""
    reads = [one for one in all_operations() if one.method == "GET" and not one.path.startswith("/sessions")]
    deliveries = client.get("/deliveries", params={"per_page": 100}).json()["data"]
    paths = [one.path for one in reads if not one.parameters]
    of_webhooks = [one for one in reads if one.parameters == ("webhook_id",)]
    paths += [one.filled({"webhook_id": hook.id}) for one in of_webhooks for hook in plot.hooks]
    paths += [f"/deliveries/{delivery['delivery_id']}" for delivery in deliveries]
    for path in paths:
        if path.endswith("/stream"):
            continue  # it has no end, and says nothing that the deliveries do not say
        params = {"format": "jsonl"} if path.endswith("/export") else {"per_page": "100"}
        answer = plot.call("GET", path, client=client, params=params)
        assert answer.is_success, f"{path}: {answer.text}"
    ready = plot.stack.ready
    for url in (*ready.ready_urls.values(), f"{ready.management_url}/status", f"{ready.management_url}/metrics"):
        plot.keep(httpx.get(url, trust_env=False, timeout=20))
    plot.hookline("webhooks", "list", "--json")
    plot.hookline("webhooks", "get", "bearer")
    plot.hookline("status", "--json")


def rotate_master_key(plot: Plot) -> None:
    """Both keys are secrets: as text, as they are used, and in hexadecimal."""
    key_file = MasterKeyFile(StackFolder(plot.stack.data_dir).master_key_file)
    plot.hookline("keys", "rotate-master")
    for number, key in enumerate(key_file.read()):
        plot.learn(f"master key {number}", key)
        plot.learn(f"master key {number}, text", base64.urlsafe_b64encode(key).rstrip(b"="))


def run_everything(plot: Plot) -> None:
    with plot.stack.management() as client:
        make_hooks(plot, client)
        change_hooks(plot, client)
        accepted = send_requests(plot, client)
        try_webhooks(plot, client)
        use_people_and_keys(plot, client)
        call_everything_wrongly(plot, client)
        rotate_master_key(plot)
        settled = {"data": [{"dispatch_status": "pending"}], "meta": {"total": 0}}

        def is_settled() -> bool:
            settled.update(client.get("/deliveries", params={"per_page": 100}).json())
            statuses = [delivery["dispatch_status"] for delivery in settled["data"]]  # type: ignore[index]
            return len(statuses) >= accepted and "pending" not in statuses

        eventually(is_settled, timeout_seconds=60, what=f"{accepted} finished deliveries, not {settled}")
        look_at_everything(plot, client)


def in_answers(plot: Plot) -> list[Found]:
    """Secrets in answers that do not show them on purpose. Those that do are the control: there they are found."""
    search, names = Search(*plot.planted), {secret.name for secret in plot.planted}
    leaked: list[Found] = []
    for head, content, shown in plot.answers:
        found = search.in_bytes(content, head)
        assert shown & names <= {one.secret for one in found}, head
        leaked += [one for one in found if one.secret not in shown]
    return leaked


def test_no_planted_secret_is_in_anything_the_system_wrote(folder: Path) -> None:
    marker = Search(Secret("marker", MARKER.encode()))
    with running_stack(folder) as stack:
        plot = Plot(stack)
        run_everything(plot)
        ready = stack.ready
        delivery_id = uuid.UUID(stack_delivery(plot))
        written = read_topics(settings_of_stack(ready).kafka) | read_tables(ready.postgres_dsn)
        written["processes"] = b"\n".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in set(stack.pids.values()))
        written["printed"] = stack.output().encode()
        clickhouse = Path(ready.clickhouse)
        stack.stop(timeout_seconds=60)
    written["ClickHouse"] = read_clickhouse(clickhouse)
    written["RocksDB"] = read_rocksdb(folder)
    kept = StackFolder(folder)
    homes = frozenset({kept.master_key_file, kept.api_key_file, kept.database_password_file, kept.admin_password_file})
    assert_control(written, marker.in_files(folder), marker, delivery_id)
    search = Search(*plot.planted)
    assert in_answers(plot) == []
    assert search.in_parts(written) == []
    assert search.in_files(folder, but=homes) == []
    assert_only_at_home(plot, homes)


def stack_delivery(plot: Plot) -> str:
    """The delivery of the first request, which has an entry in a dedupe table."""
    with plot.stack.management() as client:
        found = client.get("/deliveries", params={"per_page": 100, "dispatch_status": "dispatched"}).json()["data"]
    return str(found[-1]["delivery_id"])


def assert_control(written: dict[str, bytes], in_files: list[Found], marker: Search, delivery_id: uuid.UUID) -> None:
    """A harmless word in the bodies is found by the same search wherever bodies belong, so it can find."""
    places = {found.place for found in marker.in_parts(written)}
    assert {"topic webhooks.request.received.v1", "topic actions.action.requested.v1"} <= places
    assert {"table tickets", "table webhooks", "table webhook_tests", "ClickHouse"} <= places
    assert {found.place.split(os.sep)[0] for found in in_files} >= {"kafka", "postgres"}
    assert delivery_id.bytes in written["topic webhooks.key.remembered.v1"] + written["RocksDB"]


def assert_only_at_home(plot: Plot, homes: frozenset[Path]) -> None:
    """What was chosen by us is not even there."""
    chosen = [secret for secret in plot.planted if not secret.name.startswith("master key")]
    assert [found for home in homes for found in Search(*chosen).in_bytes(home.read_bytes(), home.name)] == []
