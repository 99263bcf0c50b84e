"""The documented example as its reader meets it: made over the API, sent to, looked up, tested and changed."""

from __future__ import annotations

import hmac
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from hookline.seed import DEMO_ADMIN_EMAIL
from hookline.stack_folder import StackFolder
from tests.support.assets import documented
from tests.support.commands import run
from tests.support.management import API, bearer
from tests.support.running_stack import RunningStack, new_stack_folder, running_stack
from tests.support.wait import eventually

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

EXAMPLE = documented("json")
SECRET = "replace-with-shared-secret"
WEBHOOKS = "/inbound-webhooks"
ORGANIZATION = "org-17"
SETTLED_SECONDS = 60.0
Json = dict[str, Any]


@dataclass
class Example:
    """The webhook of the example on a running stack; its organization is mapped to the demo tenant's client."""

    stack: RunningStack
    api: httpx.Client
    created: Json
    client_id: str

    @property
    def path(self) -> str:
        return f"{WEBHOOKS}/{self.created['id']}"

    def post(self, body: Json, secret: str = SECRET) -> httpx.Response:
        """What the sender's system does."""
        content = orjson.dumps(body)
        signature = hmac.new(secret.encode(), content, "sha256").hexdigest()
        headers = {"X-RMM-Signature": signature, "Content-Type": "application/json"}
        return httpx.post(self.created["receiver_url"], content=content, headers=headers, trust_env=False, timeout=20)

    def send(self, body: Json) -> Json:
        """Post and wait for the delivery to be in the log with its outcome."""
        answer = self.post(body)
        assert answer.status_code == 200, answer.text
        return self.delivery(answer.json()["delivery_id"])

    def delivery(self, delivery_id: str) -> Json:
        """From the log, once it has the request and the outcome, which come there on ways of their own."""

        def settled() -> Json | None:
            answer = self.api.get(f"/deliveries/{delivery_id}")
            delivery: Json = answer.json()
            is_whole = answer.status_code == 200 and delivery["response_status"] is not None
            return delivery if is_whole and delivery["dispatch_status"] != "pending" else None

        found = eventually(settled, timeout_seconds=SETTLED_SECONDS, what=f"delivery {delivery_id} to be settled")
        assert found is not None
        return found

    def shown(self) -> Json:
        """The webhook as the API shows it."""
        answer = self.api.get(self.path)
        assert answer.status_code == 200, answer.text
        webhook: Json = answer.json()
        return webhook

    def assets(self, external_id: str) -> list[Json]:
        """The assets that the sender's id is mapped to."""
        with self.stack.postgres() as connection:
            return connection.execute(
                "SELECT a.* FROM assets a JOIN external_entity_mappings m ON (m.tenant_id, m.entity_id) = "
                "(a.tenant_id, a.id) WHERE m.webhook_id = %s AND m.external_id = %s AND m.entity_type = 'asset'",
                (self.created["id"], external_id),
            ).fetchall()


@pytest.fixture(scope="module")
def example() -> Iterator[Example]:
    """Made as written, on a stack of its own; the receiver knows it."""
    folder = new_stack_folder()
    with running_stack(folder) as stack, stack.management() as api:
        answer = api.post(WEBHOOKS, content=EXAMPLE, headers={"Content-Type": "application/json"})
        assert answer.status_code == 201, answer.text
        made = Example(stack, api, answer.json(), _map_organization(stack, answer.json()))
        eventually(
            lambda: made.post(device_event("first")).status_code == 200,
            timeout_seconds=SETTLED_SECONDS,
            what="the receiver to know the webhook",
        )
        yield made
    shutil.rmtree(folder.parent, ignore_errors=True)


def _map_organization(stack: RunningStack, webhook: Json) -> str:
    with stack.postgres() as connection:
        client = connection.execute("SELECT tenant_id, id FROM clients WHERE name = 'Acme Ltd'").fetchone()
        assert client is not None
        connection.execute(
            "INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, "
            "entity_id) VALUES (%s, %s, %s, 'client', %s, %s)",
            (client["tenant_id"], uuid4(), webhook["id"], ORGANIZATION, client["id"]),
        )
        return str(client["id"])


def device_event(device_id: str, *, organization: str = ORGANIZATION, **device: Any) -> Json:
    """An event of the sender about one device."""
    return {
        "event": {"id": f"evt-{uuid4().hex}"},
        "device": {"id": device_id, "hostname": f"{device_id}.acme.example", "status": "online", **device},
        "organization": {"id": organization},
    }


def test_the_example_is_accepted_as_written(example: Example) -> None:
    written = orjson.loads(EXAMPLE)
    assert written["auth_config"].pop("secret") == SECRET
    shown = example.shown()
    for name, value in written.items():
        assert shown[name] == ({**shown[name], **value} if isinstance(value, dict) else value), name
    assert example.created["receiver_url"] == f"{example.stack.ready.ingress_url}/api/inbound/demo/{written['slug']}"
    assert SECRET not in str(example.created) + str(shown)


def test_the_action_and_its_fields_are_discovered_by_their_names(example: Example) -> None:
    handler = orjson.loads(EXAMPLE)["handler_config"]
    found = example.api.get(f"{WEBHOOKS}/actions").json()["data"]
    [action] = [action for action in found if action["name"] == handler["action"]]
    assert handler["field_mapping"].keys() <= {target["name"] for target in action["target_fields"]}


def test_a_signed_request_makes_the_asset_of_the_mapped_client_and_a_repeat_nothing(example: Example) -> None:
    event = device_event("d-1")
    delivery = example.send(event)
    assert delivery["dispatch_status"] == "dispatched"
    assert (delivery["auth_status"], delivery["response_status"]) == ("verified", 200)
    assert delivery["idempotency_key"] == event["event"]["id"]
    [asset] = example.assets("d-1")
    assert delivery["handler_outcome"]["entity_id"] == str(asset["id"])
    assert str(asset["client_id"]) == example.client_id
    assert (asset["asset_type"], asset["name"], asset["status"]) == ("workstation", "d-1.acme.example", "online")
    repeat = example.send(event)
    assert (repeat["dispatch_status"], repeat["duplicate_of"]) == ("duplicate", delivery["delivery_id"])
    listed = example.api.get(f"{example.path}/deliveries").json()["data"]
    assert [found["delivery_id"] for found in listed[:2]] == [repeat["delivery_id"], delivery["delivery_id"]]
    shown = example.api.get(f"{example.path}/deliveries/{delivery['delivery_id']}").json()
    assert [one["delivery_id"] for one in shown.pop("duplicates")] == [repeat["delivery_id"]]
    assert shown == {name: value for name, value in delivery.items() if name != "duplicates"}
    assert example.assets("d-1") == [asset]
    assert example.send(device_event("d-1", status="offline"))["dispatch_status"] == "dispatched"
    [changed] = example.assets("d-1")
    assert (changed["id"], changed["status"]) == (asset["id"], "offline")


def test_an_organization_that_is_not_mapped_fails_with_its_field_and_the_sender_may_retry(example: Example) -> None:
    event = device_event("d-2", organization="org-unknown")
    failed = example.send(event)
    assert (failed["dispatch_status"], failed["error"]["code"]) == ("failed", "LOOKUP_MISS")
    assert failed["error"]["path"] == "field_mapping.client_external_id"
    assert example.assets("d-2") == []
    eventually(
        lambda: example.send(event)["dispatch_status"] == "failed",
        timeout_seconds=SETTLED_SECONDS,
        what="the same event to be tried again, and not to be a duplicate",
    )


def test_a_wrong_signature_is_refused_and_kept_without_its_body(example: Example) -> None:
    answer = example.post(device_event("d-3"), secret="not-the-secret-of-the-webhook")
    assert (answer.status_code, answer.content) == (401, b"")

    def rejections() -> list[Json]:
        found: list[Json] = example.api.get("/rejections", params={"webhook_id": example.created["id"]}).json()["data"]
        return [rejection for rejection in found if rejection["reason"] == "rejected_signature"]

    [rejection] = eventually(rejections, timeout_seconds=SETTLED_SECONDS, what="the rejection to be in the log")
    assert "x-rmm-signature" not in rejection["headers"]


def test_a_test_runs_the_current_configuration_for_real(example: Example) -> None:
    answer = example.api.post(f"{example.path}/test", json={"body": device_event("d-4")})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["dispatch_status"], answer.json()["is_test"]) == ("dispatched", True)
    [asset] = example.assets("d-4")
    assert answer.json()["handler_outcome"]["entity_id"] == str(asset["id"])
    assert example.delivery(answer.json()["delivery_id"])["is_test"] is True
    dry = example.api.post(f"{example.path}/test", json={"body": device_event("d-5"), "dry_run": True}).json()
    assert dry["valid"] is True
    assert (dry["fields"]["external_id"], dry["fields"]["client_external_id"]) == ("d-5", ORGANIZATION)
    assert example.assets("d-5") == []


def test_a_sample_is_captured_from_the_next_request_and_cleared(example: Example) -> None:
    assert example.api.post(f"{example.path}/capture-sample").status_code == 200
    event = device_event("d-6")
    example.send(event)
    shown = eventually(
        lambda: example.shown() if example.shown()["has_sample_payload"] else None,
        timeout_seconds=SETTLED_SECONDS,
        what="the sample to be captured",
    )
    assert shown is not None
    assert (shown["sample_payload"], shown["warnings"]) == (event, [])
    preview = example.api.post(f"{example.path}/mapping/preview", json={}).json()
    assert preview["fields"]["external_id"]["value"] == "d-6"
    assert preview["problems"] == []
    assert example.api.delete(f"{example.path}/capture-sample").status_code == 204
    assert example.shown()["has_sample_payload"] is False


def test_a_rotation_keeps_the_senders_going_until_it_is_finalised(example: Example) -> None:
    rotated = example.api.post(f"{example.path}/rotate-secret").json()["secret"]
    eventually(
        lambda: example.post(device_event("d-7"), secret=rotated).status_code == 200,
        timeout_seconds=SETTLED_SECONDS,
        what="the new secret to be good",
    )
    assert example.post(device_event("d-7")).status_code == 200
    assert example.api.post(f"{example.path}/finalise-rotation").status_code == 200
    eventually(
        lambda: example.post(device_event("d-7")).status_code == 401,
        timeout_seconds=SETTLED_SECONDS,
        what="the old secret to be refused",
    )
    back = example.api.post(f"{example.path}/rotate-secret", json={"secret": SECRET, "rotation_overlap_seconds": 0})
    assert back.status_code == 200, back.text
    eventually(
        lambda: example.post(device_event("d-7")).status_code == 200,
        timeout_seconds=SETTLED_SECONDS,
        what="the documented secret to be good again",
    )


def test_what_get_shows_can_be_put_back(example: Example) -> None:
    shown = example.shown()
    answer = example.api.put(example.path, json=shown)
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == shown["version"]


def test_a_key_without_the_permission_is_refused_by_its_name(example: Example) -> None:
    wanted = {"name": "reader", "permissions": ["inbound_webhook:read"]}
    made = example.api.post("/api-keys", json=wanted)
    assert made.status_code == 201, made.text
    headers = bearer(made.json()["key"])
    assert example.api.get(example.path, headers=headers).status_code == 200
    for method, path, permission in (
        ("POST", WEBHOOKS, "inbound_webhook:create"),
        ("PUT", example.path, "inbound_webhook:update"),
        ("POST", f"{example.path}/test", "inbound_webhook:update"),
        ("DELETE", example.path, "inbound_webhook:delete"),
        ("GET", "/deliveries", "delivery:read"),
    ):
        refused = example.api.request(method, path, headers=headers, json={} if method != "GET" else None)
        assert refused.status_code == 403, refused.text
        assert permission in refused.json()["error"]["message"]


def test_the_command_reaches_the_stack_by_its_data_folder(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOOKLINE_API_URL", raising=False)
    monkeypatch.delenv("HOOKLINE_API_KEY", raising=False)
    stack, slug = ("--data-dir", example.stack.data_dir), example.created["slug"]
    file = tmp_path / "webhook.yaml"
    file.write_text(run("webhooks", "get", slug, *stack).output)
    applied = run("apply", "-f", file, *stack)
    assert (applied.code, applied.output) == (0, f"  {slug}: as declared\n"), applied.error
    (tmp_path / "event.json").write_bytes(orjson.dumps(device_event("d-8")))
    tested = run("webhooks", "test", slug, "-f", tmp_path / "event.json", *stack)
    assert (tested.code, tested.json["dispatch_status"]) == (0, "dispatched"), tested.output
    [asset] = example.assets("d-8")
    assert tested.json["handler_outcome"]["entity_id"] == str(asset["id"])
    (tmp_path / "event.json").write_bytes(orjson.dumps(device_event("d-9", organization="org-unknown")))
    failed = run("webhooks", "test", slug, "-f", tmp_path / "event.json", *stack)
    assert (failed.code, failed.json["error"]["code"]) == (1, "LOOKUP_MISS")
    assert {found["slug"] for found in run("webhooks", "list", "--json", *stack).json} == {slug, "rmm-alerts"}


def test_the_admin_signs_in_with_the_password_of_the_first_start_and_sees_the_webhooks(example: Example) -> None:
    password = StackFolder(example.stack.data_dir).admin_password_file.read_text().strip()
    account = {"tenant": "demo", "email": DEMO_ADMIN_EMAIL}
    with httpx.Client(base_url=example.stack.ready.management_url + API, trust_env=False, timeout=20) as browser:
        assert browser.post("/sessions", json={**account, "password": "not it"}).status_code == 401
        signed_in = browser.post("/sessions", json={**account, "password": password})
        assert signed_in.status_code == 201, signed_in.text
        assert signed_in.json()["is_admin"] is True
        listed = browser.get(WEBHOOKS).json()["data"]
        assert {webhook["slug"] for webhook in listed} == {example.created["slug"], "rmm-alerts"}
        [demo] = [webhook for webhook in listed if webhook["slug"] == "rmm-alerts"]
        assert browser.get(f"{WEBHOOKS}/{demo['id']}").json()["handler_config"]["action"] == "createTicket"
        assert browser.post(f"{WEBHOOKS}/{demo['id']}/disable").status_code == 403
        token = {"X-CSRF-Token": signed_in.json()["csrf_token"]}
        for operation, is_active in (("disable", False), ("enable", True)):
            switched = browser.post(f"{WEBHOOKS}/{demo['id']}/{operation}", headers=token)
            assert (switched.status_code, switched.json()["is_active"]) == (200, is_active), switched.text
