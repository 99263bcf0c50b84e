"""Webhooks to test for real: the management API, processors and actions on a broker and a database of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from hookline.embedded.kafka import start_kafka
from hookline.seed import seed_demo
from infra.actions.registry import ActionRegistry
from infra.clickhouse import ClickHouse
from infra.errors import KafkaUnavailableError
from infra.groups import group_readers
from infra.kafka import admin_client
from infra.migrations import migrate
from infra.settings import Settings
from sinks.actions.role import ActionsRole
from tests.support.actions import builtin_registry
from tests.support.analytics import make_topics
from tests.support.management import (
    KnownTenant,
    ManagementBase,
    make_tenant,
    management_settings,
    owner_of,
    running_management,
)
from tests.support.processors import Workers
from tests.support.stack import new_database
from tests.support.wait import eventually

READY_SECONDS = 90.0
#: Processors that have only joined, on a busy machine, may need longer for a test than people are let wait.
TEST_WAIT_SECONDS = 50
WORKER = "w0"
#: A ticket of an alert, with everything the demo tenant needs for one.
ALERT_MAPPING = {"title": "alert.message", "client_id": "client", "description": "'seen at ' & $delivery.received_at"}
ALERT = {"alert": {"id": "a-1", "message": "Disk full"}, "client": "Acme Ltd"}


@dataclass
class WebhookStage:
    """`base.tenant` is the demo tenant, whose tickets can be made."""

    base: ManagementBase
    workers: Workers

    def create(self, **settings: Any) -> dict[str, Any]:
        """A webhook that makes tickets, as the API shows it."""
        return create_webhook(self.base, **settings)

    def send(self, webhook: dict[str, Any], *, expected_status: int = 200, **given: Any) -> dict[str, Any]:
        """The answer to a test of the webhook."""
        return send_test(self.base, webhook, expected_status=expected_status, **given)

    def await_processors(self, *, members: int) -> None:
        """Until so many processes are in the group, none or more."""
        admin = admin_client(self.base.settings.kafka, "test")
        group_id = self.base.settings.processors.group_id

        def found() -> int | None:
            with suppress(KafkaUnavailableError):  # the broker is only beginning to look after the group
                return group_readers(admin, group_id, (), timeout_seconds=10).members
            return None

        eventually(lambda: found() == members, timeout_seconds=READY_SECONDS, what=f"{members} processors")


def create_webhook(base: ManagementBase, **settings: Any) -> dict[str, Any]:
    """A webhook of the base's tenant; `action`, `field_mapping` and options stand in `handler_config`."""
    slug = f"hook-{uuid4().hex[:10]}"
    body = {
        "name": slug,
        "slug": slug,
        "auth_type": "hmac_sha256",
        "auth_config": {"signature_header": "X-Proof"},
        "handler_type": "direct_action",
        "handler_config": {"action": "createTicket", "field_mapping": ALERT_MAPPING},
        **settings,
    }
    answer = base.call("POST", "/inbound-webhooks", json=body)
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def send_test(
    base: ManagementBase, webhook: dict[str, Any], *, expected_status: int = 200, **given: Any
) -> dict[str, Any]:
    """The answer to a test of the webhook, or to a dry run."""
    answer = base.call("POST", f"/inbound-webhooks/{webhook['id']}/test", json=given)
    assert answer.status_code == expected_status, answer.text
    found: dict[str, Any] = answer.json()
    return found


@contextmanager
def webhook_stage(
    postgres_dsn: str,
    clickhouse: ClickHouse,
    folder: Path,
    *,
    registry: ActionRegistry | None = None,
    kind: type[Workers] = Workers,
    processes: bool = True,
) -> Iterator[WebhookStage]:
    """The role, the action sink and one processors process, unless that is not to be started yet; it may not have
    joined yet."""
    with start_kafka(folder / "kafka") as broker, new_database(postgres_dsn) as dsn, owner_of(dsn) as owner:
        migrate(dsn)
        key_file = folder / "master.key"
        settings = management_settings(broker.bootstrap, dsn, key_file, test_wait_seconds=TEST_WAIT_SECONDS)
        make_topics(settings)
        demo = _demo_tenant(dsn)
        actions = ActionsRole(settings, registry or builtin_registry())
        workers = _workers(kind, settings, folder)
        with running_management(settings, clickhouse) as api:
            base = ManagementBase(dsn, owner, settings, api, demo, make_tenant(dsn, "globex"))
            base = replace(base, tenant=replace(demo, admin_key=base.new_key("*")))
            actions.start()
            if processes:
                workers.start(WORKER)
            try:
                yield WebhookStage(base, workers)
            finally:
                workers.stop_all()
                actions.stop(20)


def _demo_tenant(dsn: str) -> KnownTenant:
    seeded = seed_demo(dsn)
    return KnownTenant(seeded.tenant_id, seeded.slug, "", uuid4(), seeded.ids["admin"], "")


def _workers(kind: type[Workers], settings: Settings, folder: Path) -> Workers:
    assert settings.master_key_file is not None
    return kind(settings.kafka, folder, HOOKLINE_MASTER_KEY=settings.master_key_file.read_text().strip())
