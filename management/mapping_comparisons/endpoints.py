"""POST /inbound-webhooks/{webhook_id}/mapping/compare."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.mapping_comparisons.schemas import MappingComparison, MappingComparisonInput
from management.mapping_comparisons.service import MappingComparisonService

_UNUSABLE: dict[int | str, dict[str, Any]] = {409: {"description": "The webhook has no usable configuration"}}


def mapping_comparison_routes(service: MappingComparisonService, access: Access) -> APIRouter:
    """The route of the resource. It needs the right to update: who reads mapped fields reads bodies."""
    editor = Annotated[Actor, Depends(access.require("inbound_webhook:update", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["inbound webhooks"])

    @router.post("/inbound-webhooks/{webhook_id}/mapping/compare", responses=_UNUSABLE)
    def compare_mappings(webhook_id: UUID, given: MappingComparisonInput, actor: editor) -> MappingComparison:
        """What two configurations, saved or not, make of the webhook's last real requests; nothing is sent or saved."""
        return service.compare(actor, webhook_id, given)

    return router
