"""POST …/deliveries/{delivery_id}/replay of a webhook, and /events/{delivery_id}/replay of whichever."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.delivery_replays.schemas import DeliveryReplay, DeliveryReplayInput
from management.delivery_replays.service import DeliveryReplayService

_ANSWERS: dict[int | str, dict[str, Any]] = {
    409: {
        "description": "Refused; `code` is `webhook_inactive`, `invalid_json`, `replay_limit`, `already_done` or "
        "`conflict`"
    },
    410: {"description": "Neither Kafka nor the log has the request any more; the message says why"},
    503: {"description": "Kafka, or a store, is away"},
}
_NOTHING = DeliveryReplayInput()


def delivery_replay_routes(service: DeliveryReplayService, access: Access) -> APIRouter:
    """The routes of the resource."""
    replayer = Annotated[Actor, Depends(access.require("inbound_webhook:replay", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["replays"])

    @router.post("/inbound-webhooks/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202, responses=_ANSWERS)
    def replay_inbound_webhook_delivery(
        webhook_id: UUID, delivery_id: UUID, actor: replayer, given: DeliveryReplayInput = _NOTHING
    ) -> DeliveryReplay:
        """Publish a webhook's delivery again, as it came or with another body, under the configuration of now."""
        return service.replay(actor, webhook_id, delivery_id, given)

    @router.post("/events/{delivery_id}/replay", status_code=202, responses=_ANSWERS)
    def replay_event(delivery_id: UUID, actor: replayer, given: DeliveryReplayInput = _NOTHING) -> DeliveryReplay:
        """The same by the delivery's id alone, whichever webhook took it."""
        return service.replay(actor, None, delivery_id, given)

    return router
