"""GET and POST /assets, GET, PATCH and DELETE /assets/{asset_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.assets.schemas import Asset, AssetCreateInput, AssetFilter, AssetUpdateInput
from management.entities.assets.service import AssetService
from management.entities.routes import EntityRoutes, entity_routes

_ASSETS = EntityRoutes(
    path="/assets",
    one="asset",
    many="assets",
    about="Assets: what clients have, with what device snapshots told of it.",
    shown=Asset,
    wanted=AssetFilter,
    create=AssetCreateInput,
    update=AssetUpdateInput,
    clash="The asset tag is taken",
)


def asset_routes(service: AssetService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ASSETS, service, access)
