"""External entity mappings as the API takes and shows them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, ExternalId, Identified, JsonObject, Time
from management.patching import PatchInput

MappedType = Literal["client", "contact", "asset", "ticket", "invoice", "project", "project_task", "time_entry"]
SyncStatus = Literal["synced", "deleted"]
RealmId = Annotated[str, Field(max_length=255, description="the scope that the id is of, where a sender has several")]


class ExternalEntityMappingFilter(EntityFilter):
    """Which mappings a list shows; the time window is of `last_synced_at`: since ≤ t < until."""

    webhook_id: UUID | None = None
    entity_type: MappedType | None = None
    external_id: ExternalId | None = None
    entity_id: UUID | None = None
    sync_status: SyncStatus | None = None


class ExternalEntityMapping(Identified):
    """An external id and the entity it means. An entity has one external id at most of each webhook."""

    webhook_id: UUID = Field(description="whose external ids are meant")
    entity_type: MappedType
    external_id: str
    realm_id: str
    entity_id: UUID
    sync_status: SyncStatus = Field(description="deleted: the sender has it no more")
    metadata: dict[str, Any]
    delivery_id: UUID | None = Field(description="the delivery that made it; null: it was made through the API")
    last_synced_at: Time = Field(description="when it was last written")


class ExternalEntityMappingCreateInput(EntityInput):
    """A new mapping of an entity that is there."""

    webhook_id: UUID = Field(description="the webhook whose actions are to find the entity by the id")
    entity_type: MappedType
    external_id: ExternalId = Field(description="the sender's id, in its own case")
    entity_id: UUID
    realm_id: RealmId = ""
    metadata: JsonObject = Field(default_factory=dict, description="free members, 64 KiB at most")


class ExternalEntityMappingUpdateInput(PatchInput):
    """What to change of a mapping; for another entity, delete it and make another."""

    external_id: ExternalId = ""
    realm_id: RealmId = ""
    metadata: JsonObject | None = Field(default=None, description="merged into those there are; null clears them")
    sync_status: SyncStatus = "synced"
