"""What became of a delivery, from its row in the log. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from infra.clickhouse import Row
from infra.requests.filters import StoppedBy
from management.comparing.differences import Entity, Failure, Side


def side_then(row: Row | None, fields: Mapping[str, Any] | None) -> Side:
    """`row` is None while it is on its way to the log; `fields` are those that were mapped, where they are known."""
    if row is None:
        return Side("pending", fields)
    failure = None
    if row["error_code"]:
        in_action = row["handled_status"] == "failed"
        failure = Failure(row["error_code"], row["error_message"], row["error_path"] or None, in_action)
    entity = Entity(row["entity_type"], row["entity_id"] or None) if row["entity_type"] else None
    return Side(
        row["dispatch_status"],
        fields,
        stopped_by=_stopped_by(row),
        failure=failure,
        action=row["action"] or None,
        entity=entity,
    )


def _stopped_by(row: Row) -> StoppedBy | None:
    if row["dispatch_status"] != "filtered" or not row["handler_outcome"]:
        return None
    found = orjson.loads(row["handler_outcome"]).get("stopped_by")
    return None if found is None else StoppedBy(found["path"], found["rule"])
