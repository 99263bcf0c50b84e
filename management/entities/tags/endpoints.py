"""GET and POST /tags, GET, PATCH and DELETE /tags/{tag_id}, and where a tag is: PUT and DELETE below it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from management.access import Access, Actor
from management.entities.routes import EntityRoutes, entity_routes
from management.entities.tags.schemas import Tag, TagCreateInput, TagFilter, TaggedType, TagUpdateInput
from management.entities.tags.service import TagService

_ROUTES = EntityRoutes(
    path="/tags",
    one="tag",
    many="tags",
    about="Tags, all of them or those of an entity. Deleting one takes it off everything.",
    shown=Tag,
    wanted=TagFilter,
    create=TagCreateInput,
    update=TagUpdateInput,
    clash="There is a tag of this text",
)
_LINK = "/tags/{tag_id}/entities/{entity_type}/{entity_id}"


def tag_routes(service: TagService, access: Access) -> APIRouter:
    """The routes of the resource."""
    router = entity_routes(_ROUTES, service, access)
    editor = Annotated[Actor, Depends(access.require("tag:update"))]

    @router.put(_LINK, status_code=204)
    def link_tag(tag_id: UUID, entity_type: TaggedType, entity_id: UUID, actor: editor) -> None:
        """Put a tag on an entity; nothing happens where it is on it already."""
        service.link(actor, tag_id, entity_type, entity_id)

    @router.delete(_LINK, status_code=204)
    def unlink_tag(tag_id: UUID, entity_type: TaggedType, entity_id: UUID, actor: editor) -> None:
        """Take a tag off an entity that it is on."""
        service.unlink(actor, tag_id, entity_type, entity_id)

    return router
