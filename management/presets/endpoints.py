"""GET /inbound-webhooks/presets and /presets/{preset_name}."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.paging import Page
from management.presets.schemas import InboundPreset
from management.presets.service import PresetService
from schemas.presets import PRESET_NAME_PATTERN

PresetName = Annotated[str, Path(pattern=PRESET_NAME_PATTERN)]


def preset_routes(service: PresetService, access: Access) -> APIRouter:
    """The routes of the resource. They go before the routes of /inbound-webhooks/{webhook_id}."""
    reader = Annotated[Actor, Depends(access.require("inbound_webhook:read", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["inbound webhooks"])

    @router.get("/inbound-webhooks/presets")
    def list_inbound_webhook_presets(_actor: reader) -> Page[InboundPreset]:
        """The senders that `auth_type` preset knows, all on one page, by name."""
        return service.page()

    @router.get("/inbound-webhooks/presets/{preset_name}")
    def get_inbound_webhook_preset(preset_name: PresetName, _actor: reader) -> InboundPreset:
        """One sender."""
        return service.get(preset_name)

    return router
