"""A delivery then and now, as the API shows it."""

from infra.clock import rfc3339
from management.comparing.differences import Difference, Side
from management.comparing.requests import NotComparable
from management.comparing.showing import Shower
from management.replay_differences.comparing import Verdicts
from management.replay_differences.schemas import ComparedDelivery, DeliveryDifference
from management.replay_differences.selecting import Missing, Selected
from management.replaying.places import FoundRecord


def shown_difference(verdicts: Verdicts, found: Difference) -> DeliveryDifference:
    """One that could be compared."""
    shower = verdicts.shower
    return _plain(verdicts.selected).model_copy(
        update={
            "kinds": list(found.kinds),
            "then": _shown(verdicts.then, shower),
            "now": _shown(verdicts.now, shower),
            "fields": shower.fields(found.fields),
            "fields_unknown": verdicts.fields_unknown,
        }
    )


def shown_incomparable(selected: Selected, reason: NotComparable) -> DeliveryDifference:
    """One of which nothing can be said of now."""
    return _plain(selected).model_copy(update={"not_comparable": reason.reason})


def shown_missing(missing: Missing) -> DeliveryDifference:
    """What is not there."""
    return _empty(missing.delivery_id).model_copy(update={"place": missing.place, "not_comparable": missing.reason})


def _plain(selected: Selected) -> DeliveryDifference:
    row, found = selected
    if isinstance(found, FoundRecord):
        headers = found.headers
        return _empty(headers.delivery_id).model_copy(
            update={
                "webhook_id": headers.webhook_id,
                "received_at": rfc3339(headers.received_at_us),
                "place": str(found.place),
                "config_version": headers.config_version,
            }
        )
    if row is None:
        return _empty(None)
    place = None if row["raw_topic"] is None else f"{row['raw_topic']}:{row['raw_partition']}:{row['raw_offset']}"
    return _empty(str(row["delivery_id"])).model_copy(
        update={
            "webhook_id": str(row["webhook_id"]),
            "received_at": rfc3339(row["received_at_us"]),
            "place": place,
            "config_version": row["config_version"],
        }
    )


def _empty(delivery_id: str | None) -> DeliveryDifference:
    return DeliveryDifference(
        delivery_id=delivery_id,
        webhook_id=None,
        received_at=None,
        place=None,
        config_version=None,
        kinds=[],
        then=None,
        now=None,
        fields=[],
        fields_unknown=None,
        not_comparable=None,
    )


def _shown(side: Side, shower: Shower) -> ComparedDelivery:
    entity = side.entity
    return ComparedDelivery(
        outcome=side.outcome,
        rule=shower.rule(side.stopped_by),
        error=shower.failure(side.failure),
        action=side.action,
        entity_type=None if entity is None else entity.type,
        entity_id=None if entity is None else entity.id,
        effect=None if entity is None else entity.effect,
    )
