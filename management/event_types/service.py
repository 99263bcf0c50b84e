"""Event types: Hookline's own, and those that a tenant declares for its senders."""

from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel

from infra.clock import rfc3339_of
from infra.event_schemas.checks import find_problems
from infra.event_schemas.compatibility import find_differences
from infra.postgres import Row
from management.access import Actor
from management.errors import ConflictError, NotFoundError, Problem
from management.event_types.repository import EventTypeRepository
from management.event_types.schemas import (
    EventType,
    EventTypeAuthor,
    EventTypeCreateInput,
    EventTypeFilter,
    EventTypeVersion,
    EventTypeVersionCreateInput,
    EventTypeWithVersions,
    Json,
)
from management.inbound_webhooks.rules.problems import Problems, check_numbers, check_shape, joined
from management.paging import Page, PageMeta
from schemas.event_types import CoreEventType, core_event_types, is_reserved

_SCHEMA = "json_schema"
Input = TypeVar("Input", bound=BaseModel)


class EventTypeService:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, repository: EventTypeRepository) -> None:
        self._repository = repository

    def page(self, tenant_id: UUID, wanted: EventTypeFilter) -> Page[EventType]:
        """A page: first Hookline's own, then the tenant's, each by name."""
        core = [] if wanted.origin == "declared" else _matching(wanted.search)
        first = (wanted.page - 1) * wanted.per_page
        shown = [_core_listed(one) for one in core[first : first + wanted.per_page]]
        total = len(core)
        if wanted.origin != "core":
            offset, limit = max(0, first - len(core)), wanted.per_page - len(shown)
            rows, declared = self._repository.page(tenant_id, wanted.search, limit=limit, offset=offset)
            shown += [_listed(row) for row in rows]
            total += declared
        return Page(data=shown, meta=PageMeta(page=wanted.page, per_page=wanted.per_page, total=total))

    def get(self, tenant_id: UUID, name: str) -> EventTypeWithVersions:
        """One type. Raises NotFoundError, also for another tenant's."""
        core = core_event_types().get(name)
        if core is not None:
            return _core_with_versions(core)
        versions, newest = self._repository.versions(tenant_id, name)
        return EventTypeWithVersions(
            name=name,
            origin="declared",
            description=newest["description"],
            version=newest["version"],
            created_at=rfc3339_of(versions[-1]["created_at"]),
            updated_at=rfc3339_of(newest["created_at"]),
            json_schema=newest["schema"],
            versions=[row["version"] for row in versions],
        )

    def version(self, tenant_id: UUID, name: str, version: int) -> EventTypeVersion:
        """One version. Raises NotFoundError."""
        core = core_event_types().get(name)
        if core is None:
            return _shown(name, self._repository.version(tenant_id, name, version))
        found = next((one for one in core if one.version == version), None)
        if found is None:
            raise NotFoundError(f"no version {version} of an event type {name}")
        return _core_version(found)

    def create(self, actor: Actor, body: Json) -> EventTypeVersion:
        """Declare a type. Raises ValidationFailedError with every problem, and ConflictError."""
        problems = Problems()
        name = body.get("name")
        if isinstance(name, str) and is_reserved(name):
            problems.add("name", f"name: {name.partition('.')[0]} is kept for Hookline's own events")
        wanted = _checked(EventTypeCreateInput, body, problems)
        return _shown(wanted.name, self._repository.create(actor, wanted.name, wanted.model_dump(exclude={"name"})))

    def add_version(self, actor: Actor, name: str, body: Json) -> EventTypeVersion:
        """Make the next version. Raises ValidationFailedError, NotFoundError, ConflictError with every difference."""
        _refuse_core(name)
        wanted = _checked(EventTypeVersionCreateInput, body, Problems())

        def check(newest: Row) -> None:
            if wanted.compatibility == "backward":
                _require_compatibility(newest, wanted.json_schema)

        return _shown(name, self._repository.add_version(actor, name, wanted.model_dump(), check))

    def delete(self, actor: Actor, name: str) -> None:
        """Delete a type that no webhook validates against. Raises NotFoundError, ConflictError."""
        _refuse_core(name)
        self._repository.delete(actor, name)


def _checked(model: type[Input], body: Json, problems: Problems) -> Input:
    """The body as `model`. Raises ValidationFailedError with all that is wrong, within the schema too."""
    check_numbers(body)
    wanted = check_shape(model, body, "", problems)
    json_schema = body.get(_SCHEMA)
    if isinstance(json_schema, dict):
        for path, message in find_problems(json_schema):
            problems.add(joined(_SCHEMA, *path), message)
    problems.raise_if_any()
    assert wanted is not None  # noqa: S101 - else there was a problem
    return wanted


def _require_compatibility(newest: Row, json_schema: Json) -> None:
    differences = find_differences(newest["schema"], json_schema)
    if differences:
        details = [Problem(joined(_SCHEMA, *path), message) for path, message in differences]
        message = (
            f"it cannot be shown that everything version {newest['version']} accepts is accepted; "
            'if that is meant, say "compatibility": "none"'
        )
        raise ConflictError(message, details=details)


def _refuse_core(name: str) -> None:
    if name in core_event_types():
        raise ConflictError(f"{name} is one of Hookline's own event types, which only a release of Hookline changes")


def _matching(search: str) -> list[CoreEventType]:
    """The newest version of each of Hookline's own types that `search` is part of the name or description of."""
    newest = [versions[-1] for versions in core_event_types().values()]
    return [one for one in newest if search.lower() in one.name or search.lower() in one.description.lower()]


def _core_listed(found: CoreEventType) -> EventType:
    return EventType(
        name=found.name,
        origin="core",
        description=found.description,
        version=found.version,
        created_at=None,
        updated_at=None,
    )


def _listed(row: Row) -> EventType:
    return EventType(
        name=row["name"],
        origin="declared",
        description=row["description"],
        version=row["version"],
        created_at=rfc3339_of(row["created_at"]),
        updated_at=rfc3339_of(row["updated_at"]),
    )


def _shown(name: str, row: Row) -> EventTypeVersion:
    return EventTypeVersion(
        name=name,
        origin="declared",
        version=row["version"],
        description=row["description"],
        json_schema=row["schema"],
        created_by=EventTypeAuthor.model_validate(row["created_by"]),
        created_at=rfc3339_of(row["created_at"]),
    )


def _core_version(found: CoreEventType) -> EventTypeVersion:
    return EventTypeVersion(
        name=found.name,
        origin="core",
        version=found.version,
        description=found.description,
        json_schema=found.json_schema,
        created_by=None,
        created_at=None,
    )


def _core_with_versions(versions: tuple[CoreEventType, ...]) -> EventTypeWithVersions:
    newest: dict[str, Any] = _core_version(versions[-1]).model_dump(exclude={"created_by"})
    numbers = [one.version for one in reversed(versions)]
    return EventTypeWithVersions.model_validate({**newest, "updated_at": None, "versions": numbers})
