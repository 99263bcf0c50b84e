"""The fields of the ticket actions, and which of them name another entity."""

from dataclasses import replace

from schemas.actions import FieldType, RefEntityType, TargetField
from sinks.actions.fields import ref_field, text_field
from sinks.actions.references import FieldTypes
from sinks.actions.values import OBJECT_BYTES_MAX

TEXT_LENGTH_MAX = 100_000

_EXTERNAL_ID = text_field("external_id", "The sender's id of the ticket", required=True)
_TITLE = text_field("title", "Short summary", max_length=500)
_SHARED_FIELDS = (
    ref_field("client_id", RefEntityType.CLIENT, "The client, by id or name"),
    text_field("client_external_id", "The client, by the sender's id"),
    ref_field("board_id", RefEntityType.BOARD, "The board; else the tenant's default board"),
    ref_field("status_id", RefEntityType.TICKET_STATUS, "A status of the board; else the board's default"),
    ref_field(
        "priority_id", RefEntityType.TICKET_PRIORITY, "The priority; else the board's, else the tenant's default"
    ),
    text_field("description", "Full text", max_length=TEXT_LENGTH_MAX),
    TargetField(name="due_date", type=FieldType.DATETIME, description="When it is due"),
    ref_field("assigned_to", RefEntityType.USER, "The user who works on it, by id, e-mail or username"),
    ref_field("assigned_team_id", RefEntityType.TEAM, "The team that works on it"),
    ref_field("location_id", RefEntityType.CLIENT_LOCATION, "A location of the client"),
    ref_field("category_id", RefEntityType.TICKET_CATEGORY, "A category of the board"),
    ref_field("subcategory_id", RefEntityType.TICKET_SUBCATEGORY, "A subcategory of the category"),
    ref_field("contact_id", RefEntityType.CONTACT, "A contact of the client, by id or e-mail"),
    ref_field("asset_id", RefEntityType.ASSET, "An asset of the client to link, by id, tag or name"),
    text_field("asset_external_id", "The asset to link, by the sender's id"),
    TargetField(
        name="attributes",
        type=FieldType.JSON,
        description="Free members; merged on update",
        max_length=OBJECT_BYTES_MAX,
        json_object=True,
    ),
)
_ON_UPDATE = {
    "board_id": "The board to move the ticket to",
    "status_id": "A status of the board; on another board else the one of the same name, or its default",
    "priority_id": "The priority",
}

CREATE_FIELDS = (
    text_field("external_id", "The sender's id; later requests find it by it"),
    replace(_TITLE, required=True),
    *_SHARED_FIELDS,
)
UPDATE_FIELDS = (
    _EXTERNAL_ID,
    _TITLE,
    *(replace(field, description=_ON_UPDATE.get(field.name, field.description)) for field in _SHARED_FIELDS),
)
COMMENT_FIELDS = (
    _EXTERNAL_ID,
    text_field("content", "Text of the comment", required=True, max_length=TEXT_LENGTH_MAX),
    ref_field("author_id", RefEntityType.USER, "The user who wrote it; the webhook if nobody is named"),
    ref_field("contact_id", RefEntityType.CONTACT, "The contact of the ticket's client who wrote it, and no user"),
    TargetField(
        name="is_internal",
        type=FieldType.BOOLEAN,
        description="Whether the client must not see it; yes unless mapped, but never where a contact wrote it",
    ),
    TargetField(
        name="is_resolution", type=FieldType.BOOLEAN, description="Whether it tells the solution; no unless mapped"
    ),
)
STATUS_FIELDS = (
    _EXTERNAL_ID,
    ref_field("status_id", RefEntityType.TICKET_STATUS, "A status of the board", required=True),
    ref_field("board_id", RefEntityType.BOARD, _ON_UPDATE["board_id"]),
)


def _types(fields: tuple[TargetField, ...], external_ids: dict[str, str]) -> FieldTypes:
    return FieldTypes({f.name: f.ref_entity_type for f in fields if f.ref_entity_type is not None}, external_ids)


TICKET_TYPES = _types(
    CREATE_FIELDS, {"client_external_id": RefEntityType.CLIENT, "asset_external_id": RefEntityType.ASSET}
)
COMMENT_TYPES = _types(COMMENT_FIELDS, {})
