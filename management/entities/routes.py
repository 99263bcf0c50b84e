"""The routes of a kind of entity: list, create, get, update, delete, each with its permission.

FastAPI reads a route off the signature of its function. The functions here are one for every kind, so each is given the
signature that its kind would have had it write.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.entities.schemas import EntityFilter, EntityInput, Identified
from management.entities.service import EntityService
from management.paging import Page
from management.patching import PatchInput

_KEYWORD = Parameter.KEYWORD_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRoutes:
    """`path` is below /api/v1; `one` and `many` are the kind's names, `about` says what it is, for the documentation.

    A kind without `create` or `update` cannot be made or changed through the API, and one with `deletes` false stays.
    `deletion` says what deleting does where it is another thing than usual.
    """

    path: str
    one: str
    many: str
    about: str
    shown: type[Identified]
    wanted: type[EntityFilter]
    create: type[EntityInput] | None = None
    update: type[PatchInput] | None = None
    deletes: bool = True
    clash: str = "The name is taken"
    in_use: str = "Something refers to it"
    deletion: str = ""

    @property
    def id_name(self) -> str:
        """The name of its id in paths."""
        return f"{self.one}_id"

    @property
    def words(self) -> str:
        """Its name in sentences."""
        return self.one.replace("_", " ")

    @property
    def one_of_it(self) -> str:
        """Its name with an article."""
        return f"{'an' if self.one[0] in 'aeiou' else 'a'} {self.words}"


def entity_routes(kind: EntityRoutes, service: EntityService[Any], access: Access) -> APIRouter:
    """The routes of a kind."""
    router = APIRouter(tags=[kind.many.replace("_", " ")])
    one_path = f"{kind.path}/{{{kind.id_name}}}"
    router.add_api_route(kind.path, _list(kind, service, access), methods=["GET"])
    if kind.create is not None:
        endpoint = _create(kind, kind.create, service, access)
        router.add_api_route(kind.path, endpoint, methods=["POST"], status_code=201, responses=_conflict(kind.clash))
    router.add_api_route(one_path, _get(kind, service, access), methods=["GET"])
    if kind.update is not None:
        endpoint = _update(kind, kind.update, service, access)
        router.add_api_route(one_path, endpoint, methods=["PATCH"], responses=_conflict(kind.clash))
    if kind.deletes:
        endpoint = _delete(kind, service, access)
        router.add_api_route(one_path, endpoint, methods=["DELETE"], status_code=204, responses=_conflict(kind.in_use))
    return router


def _list(kind: EntityRoutes, service: EntityService[Any], access: Access) -> Callable[..., Any]:
    def call(*, wanted: EntityFilter, actor: Actor) -> Any:
        return service.page(actor.tenant_id, wanted)

    shape = {"wanted": Annotated[kind.wanted, Query()], "actor": _actor(kind, access, "read")}
    return _shaped(call, f"list_{kind.many}", f"{kind.about} Newest first.", shape, Page[kind.shown])  # type: ignore[name-defined]


def _create(
    kind: EntityRoutes, model: type[EntityInput], service: EntityService[Any], access: Access
) -> Callable[..., Any]:
    def call(*, wanted: EntityInput, actor: Actor) -> Any:
        return service.create(actor, wanted)

    shape = {"wanted": model, "actor": _actor(kind, access, "create")}
    return _shaped(call, f"create_{kind.one}", f"Make {kind.one_of_it}.", shape, kind.shown)


def _get(kind: EntityRoutes, service: EntityService[Any], access: Access) -> Callable[..., Any]:
    def call(*, actor: Actor, **ids: UUID) -> Any:
        return service.get(actor.tenant_id, ids[kind.id_name])

    shape = {kind.id_name: UUID, "actor": _actor(kind, access, "read")}
    return _shaped(call, f"get_{kind.one}", f"One {kind.words}.", shape, kind.shown)


def _update(
    kind: EntityRoutes, model: type[PatchInput], service: EntityService[Any], access: Access
) -> Callable[..., Any]:
    def call(*, wanted: PatchInput, actor: Actor, **ids: UUID) -> Any:
        return service.update(actor, ids[kind.id_name], wanted)

    shape = {kind.id_name: UUID, "wanted": model, "actor": _actor(kind, access, "update")}
    words = f"Change {kind.one_of_it}: members that are not there stay as they are."
    return _shaped(call, f"update_{kind.one}", words, shape, kind.shown)


def _delete(kind: EntityRoutes, service: EntityService[Any], access: Access) -> Callable[..., Any]:
    def call(*, actor: Actor, **ids: UUID) -> None:
        service.delete(actor, ids[kind.id_name])

    shape = {kind.id_name: UUID, "actor": _actor(kind, access, "delete")}
    words = kind.deletion or f"Delete {kind.one_of_it} that nothing refers to, with its external ids."
    return _shaped(call, f"delete_{kind.one}", words, shape, None)


def _actor(kind: EntityRoutes, access: Access, operation: str) -> Any:
    return Annotated[Actor, Depends(access.require(f"{kind.one}:{operation}"))]


def _shaped(
    call: Callable[..., Any], name: str, documentation: str, shape: Mapping[str, Any], answer: Any
) -> Callable[..., Any]:
    """`call` as a function of this name, documentation and shape."""
    parameters = [Parameter(parameter, _KEYWORD, annotation=annotation) for parameter, annotation in shape.items()]
    call.__signature__ = Signature(parameters, return_annotation=answer)  # type: ignore[attr-defined]
    call.__name__, call.__doc__ = name, documentation
    return call


def _conflict(description: str) -> dict[int | str, dict[str, Any]]:
    return {409: {"description": description}}
