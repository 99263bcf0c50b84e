"""GET and POST /non-billable-categories, GET, PATCH and DELETE /non-billable-categories/{non_billable_category_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.non_billable_categories.schemas import (
    NonBillableCategory,
    NonBillableCategoryCreateInput,
    NonBillableCategoryFilter,
    NonBillableCategoryUpdateInput,
)
from management.entities.non_billable_categories.service import NonBillableCategoryService
from management.entities.routes import EntityRoutes, entity_routes

_ROUTES = EntityRoutes(
    path="/non-billable-categories",
    one="non_billable_category",
    many="non_billable_categories",
    about="Non-billable categories: what work is for that no client is billed for.",
    shown=NonBillableCategory,
    wanted=NonBillableCategoryFilter,
    create=NonBillableCategoryCreateInput,
    update=NonBillableCategoryUpdateInput,
    in_use="Time entries are of it",
)


def non_billable_category_routes(service: NonBillableCategoryService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
