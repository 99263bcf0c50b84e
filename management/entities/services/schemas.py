"""Services as the API takes and shows them."""

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Name, Search
from management.patching import PatchInput


class ServiceFilter(EntityFilter):
    """Which services a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    is_active: bool | None = None


class Service(EntityShown):
    """A service. Time entries need one, project tasks may have one."""

    name: str
    is_active: bool


class ServiceCreateInput(EntityInput):
    """A new service."""

    name: Name = Field(description="unique in the tenant, in any case of its letters")
    is_active: bool = True


class ServiceUpdateInput(PatchInput):
    """What to change of a service."""

    name: Name = ""
    is_active: bool = True
