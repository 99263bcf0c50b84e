"""The fields a ticket can be given, and which of them name another entity."""

from schemas.actions import FieldType, RefEntityType, TargetField

ATTRIBUTES_BYTES_MAX = 65_536


def _ref(name: str, entity_type: RefEntityType, description: str) -> TargetField:
    return TargetField(name=name, type=FieldType.REF, description=description, ref_entity_type=entity_type)


CREATE_FIELDS = (
    TargetField(name="external_id", type=FieldType.STRING, description="The sender's id; later requests find it by it"),
    TargetField(name="title", type=FieldType.STRING, description="Short summary", required=True, max_length=500),
    _ref("client_id", RefEntityType.CLIENT, "The client, by id or name"),
    TargetField(name="client_external_id", type=FieldType.STRING, description="The client, by the sender's id"),
    _ref("board_id", RefEntityType.BOARD, "The board; else the tenant's default board"),
    _ref("status_id", RefEntityType.TICKET_STATUS, "A status of the board; else the board's default"),
    _ref("priority_id", RefEntityType.TICKET_PRIORITY, "The priority; else the board's, else the tenant's default"),
    TargetField(name="description", type=FieldType.STRING, description="Full text", max_length=100_000),
    TargetField(name="due_date", type=FieldType.DATETIME, description="When it is due"),
    _ref("assigned_to", RefEntityType.USER, "The user who works on it, by id, e-mail or username"),
    _ref("assigned_team_id", RefEntityType.TEAM, "The team that works on it"),
    _ref("location_id", RefEntityType.CLIENT_LOCATION, "A location of the client"),
    _ref("category_id", RefEntityType.TICKET_CATEGORY, "A category of the board"),
    _ref("subcategory_id", RefEntityType.TICKET_SUBCATEGORY, "A subcategory of the category"),
    _ref("contact_id", RefEntityType.CONTACT, "A contact of the client, by id or e-mail"),
    _ref("asset_id", RefEntityType.ASSET, "An asset of the client to link, by id, tag or name"),
    TargetField(name="asset_external_id", type=FieldType.STRING, description="The asset to link, by the sender's id"),
    TargetField(
        name="attributes",
        type=FieldType.JSON,
        description="Free members; merged on update",
        max_length=ATTRIBUTES_BYTES_MAX,
        json_object=True,
    ),
)
REF_TYPES = {field.name: field.ref_entity_type for field in CREATE_FIELDS if field.ref_entity_type is not None}
EXTERNAL_REF_TYPES = {"client_external_id": RefEntityType.CLIENT, "asset_external_id": RefEntityType.ASSET}
