"""The fields an asset can be given."""

from schemas.actions import FieldType, RefEntityType, TargetField


def _text(name: str, description: str) -> TargetField:
    return TargetField(name=name, type=FieldType.STRING, description=description)


UPSERT_FIELDS = (
    TargetField(
        name="external_id",
        type=FieldType.STRING,
        description="The sender's id of the asset; later requests find it by it",
        required=True,
    ),
    TargetField(
        name="client_id",
        type=FieldType.REF,
        description="The owner, by id or name; a new asset needs one, else the client that its scope is mapped to",
        ref_entity_type=RefEntityType.CLIENT,
    ),
    _text("client_external_id", "The owner, by the sender's id"),
    _text("asset_type", "What it is; else unknown"),
    _text("name", "Its name; else the snapshot's display name or host name, else the external id"),
    _text("asset_tag", "The tag on it, unique among the tenant's assets"),
    _text("serial_number", "The maker's serial number"),
    _text("status", "Its status in the sender's words; else active"),
    _text("location", "Where it stands"),
    TargetField(
        name="rmm_snapshot",
        type=FieldType.JSON,
        description="A device snapshot; another object, such as a raw body, is passed over with a warning",
        json_object=True,
    ),
    _text("external_scope_id", "The sender's organization or site of the device; else the snapshot's, else default"),
)
#: Fields that are columns of an asset as they come.
PLAIN_FIELDS = ("asset_type", "name", "asset_tag", "serial_number", "status", "location")
