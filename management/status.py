"""GET /status: every part of this process, and every consumer group of the system, wherever its members run."""

import threading
from collections.abc import Sequence
from typing import Any

from confluent_kafka.admin import AdminClient
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from infra.clock import rfc3339
from infra.errors import KafkaUnavailableError
from infra.groups import ConsumerGroup, consumer_groups, group_readers
from infra.kafka import admin_client
from infra.lag import LagReader
from infra.role import PartHealth, Role
from infra.settings import Settings

_ANSWER_SECONDS_MAX = 5.0


class SystemStatus:
    """Asks the broker about every group. One question at a time: the readers are not shared between threads."""

    def __init__(self, settings: Settings, parts: Sequence[Role]) -> None:
        self._parts = parts
        self._admin = admin_client(settings.kafka, "hookline-management")
        self._readers = {
            group: LagReader(settings.kafka, group.group_id, group.topics) for group in consumer_groups(settings)
        }
        self._asking = threading.Lock()

    def routes(self) -> APIRouter:
        """200 when every part here is ready and every group has members, else 503."""
        router = APIRouter()

        @router.get("/status", include_in_schema=False)
        def status() -> JSONResponse:
            hosted = [_part(part.health()) for part in self._parts]
            with self._asking:
                groups = [_group(self._admin, group, reader) for group, reader in self._readers.items()]
            ready = all(entry["ready"] for entry in (*hosted, *groups))
            return JSONResponse({"ready": ready, "parts": hosted, "groups": groups}, status_code=200 if ready else 503)

        return router

    def close(self) -> None:
        """Let the connections go."""
        with self._asking:
            for reader in self._readers.values():
                reader.close()


def _part(state: PartHealth) -> dict[str, Any]:
    last_commit_at = None if state.last_commit_at_us is None else rfc3339(state.last_commit_at_us)
    return {
        "name": state.name,
        "ready": state.ready,
        "reasons": list(state.reasons),
        "lag_records": state.lag_records,
        "last_commit_at": last_commit_at,
        "details": dict(state.details),
    }


def _group(admin: AdminClient, group: ConsumerGroup, reader: LagReader) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": group.role, "group_id": group.group_id, "members": None, "lag_records": None}
    try:
        lag = reader.by_topic(timeout_seconds=_ANSWER_SECONDS_MAX)
        readers = group_readers(admin, group.group_id, group.topics, timeout_seconds=_ANSWER_SECONDS_MAX)
    except KafkaUnavailableError as error:
        return {**shown, "ready": False, "reasons": [f"Kafka: {error}"], "lag_by_topic": {}}
    reasons = [] if readers.members else ["no member: the role runs nowhere, or it has not joined yet"]
    if readers.members:
        reasons += [f"{topic}: no member reads it" for topic in readers.unread or ()]
    return {
        **shown,
        "ready": not reasons,
        "reasons": reasons,
        "members": readers.members,
        "lag_records": sum(lag.values()),
        "lag_by_topic": lag,
    }
