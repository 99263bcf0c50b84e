"""What an action is: its target fields, its options and its handler, declared once and shared by every stage.

Processors coerce with the declaration, management shows it, the action sink runs the handler. Packages add actions
through the entry-point group `hookline.actions`: a definition, or a tuple of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from schemas.records import ErrorCode

PATH_PREFIX = "field_mapping."
DEFAULT_TEXT_LENGTH_MAX = 255


class FieldType(StrEnum):
    """Type of a target field. `ref` is text here (UUID or name); the sink resolves it."""

    STRING = "string"
    INT = "int"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ENUM = "enum"
    JSON = "json"
    REF = "ref"
    DATETIME = "datetime"


class RefEntityType(StrEnum):
    """What a `ref` field may point at."""

    USER = "user"
    TEAM = "team"
    SERVICE = "service"
    BOARD = "board"
    TICKET_STATUS = "ticket_status"
    TICKET_PRIORITY = "ticket_priority"
    TICKET_CATEGORY = "ticket_category"
    TICKET_SUBCATEGORY = "ticket_subcategory"
    CLIENT = "client"
    CLIENT_LOCATION = "client_location"
    CONTACT = "contact"
    ASSET = "asset"
    WORK_ITEM = "work_item"
    PROJECT = "project"
    PROJECT_PHASE = "project_phase"
    PROJECT_STATUS = "project_status"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetField:
    """One field a mapping may fill.

    `required`: must be mapped, with a value. `required_on_create`: checked by the handler before its insert.
    `max_length` counts characters (json: bytes of its JSON text). `json_object`: a json field that takes objects only.
    """

    name: str
    type: FieldType
    description: str
    required: bool = False
    required_on_create: bool = False
    enum_values: tuple[str, ...] = ()
    ref_entity_type: RefEntityType | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    json_object: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionOption:
    """One member of `handler_config` beside the mapping. Without `enum_values` it takes a webhook id (UUID text)."""

    name: str
    enum_values: tuple[str, ...] = ()
    default: str | None = None


ON_EXISTING = ActionOption(name="on_existing", enum_values=("fail", "update", "ignore"), default="fail")
ON_DUPLICATE = ActionOption(name="on_duplicate", enum_values=("fail", "link"), default="fail")
EXTERNAL_IDS_OF = ActionOption(name="external_ids_of")


class ActionError(Exception):
    """An action that fails for good. `field` is the target field (without `field_mapping.`), if one is at fault."""

    def __init__(self, code: ErrorCode, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field

    @property
    def path(self) -> str | None:
        """The field as error details name it."""
        return None if self.field is None else PATH_PREFIX + self.field


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """What an action did. `created` and `changed` are both false when there was nothing to do.

    `entity_id` is None when that was because there is no such entity.
    """

    entity_type: str
    entity_id: UUID | None
    external_id: str | None = None
    created: bool = False
    changed: bool = True
    message: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Transaction(Protocol):
    """The open transaction of a command: the tenant is set for row-level security; no commit, no rollback.

    `sql` takes named parameters (`%(name)s`); rows come as dictionaries by column name.
    """

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]: ...

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> int: ...


class ActionContext(Protocol):
    """A handler's whole world: no network, clock, randomness or commit beside it.

    `namespace_id` is the webhook whose external ids are meant; `now` is the same for all of a command.
    """

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def webhook_id(self) -> UUID: ...
    @property
    def namespace_id(self) -> UUID: ...
    @property
    def delivery_id(self) -> UUID: ...
    @property
    def command_id(self) -> UUID: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def now(self) -> datetime: ...
    @property
    def hops(self) -> int: ...
    @property
    def trace_id(self) -> str | None: ...
    @property
    def options(self) -> Mapping[str, str]: ...
    @property
    def tx(self) -> Transaction: ...

    def find(self, entity_type: str, external_id: str) -> UUID | None:
        """The entity that `external_id` is mapped to in the namespace; its mapping rows are locked. None: unmapped.

        Read without a realm: the one of realm '', else the only one. Raises ActionError when there are several.
        """
        ...

    def link(self, entity_type: str, external_id: str, entity_id: UUID, *, realm: str = "") -> None:
        """Map `external_id` to the entity in `realm`. Raises ActionError CONFLICT when either is mapped already."""
        ...

    def emit(
        self,
        event_type: str,
        entity_type: str,
        entity_id: UUID,
        *,
        data: Mapping[str, Any],
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a domain event with the command; `data` is the entity after it, JSON types only."""
        ...

    def new_id(self) -> UUID:
        """A new time-ordered id; the same command at the same `now` gets the same ids again."""
        ...


Command = tuple[ActionContext, Mapping[str, Any]]
Handler = Callable[[ActionContext, Mapping[str, Any]], ActionResult]
BulkHandler = Callable[[Sequence[Command]], list[ActionResult | ActionError]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDefinition:
    """One action.

    `handle(context, values)` runs in one open transaction and returns a result or raises ActionError. Members of
    `values`: absent = not mapped, None = cleared, else typed (datetime as RFC 3339 text in UTC).
    `handle_many`, if there, does the same for commands of one tenant that touch different entities, with one answer
    each; an exception it raises makes the sink split the set, so it need not care for a bad neighbour.
    Each group of `required_one_of` needs a value in at least one of its fields.
    """

    name: str
    entity_type: str
    display_name: str
    description: str
    target_fields: tuple[TargetField, ...]
    handle: Handler
    handle_many: BulkHandler | None = None
    required_one_of: tuple[tuple[str, ...], ...] = ()
    options: tuple[ActionOption, ...] = ()
