"""Single replays: their rows and counts in Postgres, and what the log says of their origins; all for one tenant."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

from psycopg.types.json import Jsonb

from infra.clickhouse import ClickHouse
from infra.postgres import Connection, Pool, tenant_transaction
from infra.queries import load_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.configuration.records import read_records
from management.errors import ReplayRefusedError
from management.log_pages import SEARCH_SECONDS_MAX
from management.replaying.changes import Operation
from management.replaying.counts import count_replays
from management.replaying.done import Done, DoneDeliveries
from management.replaying.selections import ReplayMode
from schemas.webhooks import WebhookConfig

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")


@dataclass(frozen=True, slots=True)
class PlannedReplay:
    """A replay before it is published. `change` holds the operations of a patch, as far as they may be kept."""

    delivery_id: UUID
    webhook_id: UUID
    origin_id: UUID
    replay_id: UUID
    mode: ReplayMode
    reason: str | None
    replayed_at: datetime
    change_kind: str | None = None
    change: list[Operation] | None = field(default=None, repr=False)


class DeliveryReplayRepository:
    """Raises PostgresUnavailableError, and as `infra.clickhouse.ClickHouse` does."""

    def __init__(self, pool: Pool, clickhouse: ClickHouse) -> None:
        self._pool = pool
        self._clickhouse = clickhouse

    def webhook(self, tenant_id: UUID, webhook_id: UUID) -> WebhookConfig | None:
        """The webhook as it would be in force now, or None. Raises ReplayRefusedError for one without a proof."""
        parameters = {"tenant_id": tenant_id, "webhook_id": webhook_id}
        with tenant_transaction(self._pool, tenant_id) as connection:
            if connection.execute(_QUERIES["find_webhook"].encode(), parameters).fetchone() is None:
                return None
            config = read_records(connection, [(tenant_id, webhook_id)]).get((tenant_id, webhook_id))
        if config is None:
            message = "the webhook has no usable configuration: save it again, with a secret"
            raise ReplayRefusedError("webhook_inactive", message)
        return config

    def find_done(self, tenant_id: UUID, webhook_id: UUID, origin_id: UUID) -> Done | None:
        """What needs no filling; None: it does. Raises SearchTooWideError."""
        looking = DoneDeliveries(self._clickhouse, tenant_id, seconds_max=SEARCH_SECONDS_MAX)
        return looking.find({str(webhook_id)}, {str(origin_id)}).get(str(origin_id))

    def add(self, actor: Actor, replay: PlannedReplay, replays_max: int) -> None:
        """Count it and keep who asked for it, before it acts. Raises ReplayRefusedError past `replays_max`."""
        shown = ("delivery_id", "replay_id", "mode", "reason", "change_kind")
        after = {name: getattr(replay, name) for name in shown if getattr(replay, name) is not None}
        after |= {name: str(after[name]) for name in ("delivery_id", "replay_id")}
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            if not count_replays(connection, actor.tenant_id, {replay.origin_id: replays_max}):
                raise ReplayRefusedError("replay_limit", _over(replay.origin_id, replays_max))
            insert_replay(connection, actor, replay)
            write_audit_entry(connection, actor, "delivery.replayed", replay.origin_id, after=after)


def insert_replay(connection: Connection, actor: Actor, replay: PlannedReplay) -> None:
    """Have the log say of a replay who asked for it, why, and what was changed."""
    parameters = {
        "tenant_id": actor.tenant_id,
        "delivery_id": replay.delivery_id,
        "webhook_id": replay.webhook_id,
        "origin_id": replay.origin_id,
        "replay_id": replay.replay_id,
        "mode": replay.mode,
        "replayed_by": Jsonb(actor.as_json()),
        "replayed_at": replay.replayed_at,
        "reason": replay.reason,
        "change_kind": replay.change_kind,
        "change": None if replay.change is None else Jsonb(replay.change),
    }
    connection.execute(_QUERIES["insert_replay"].encode(), parameters)


def _over(origin_id: UUID, replays_max: int) -> str:
    if replays_max == 0:
        return "the webhook's replay_count_max is 0: its deliveries are never replayed"
    return f"delivery {origin_id} was replayed {replays_max} times already, which is its webhook's replay_count_max"
