"""The two kinds of target field that every action has, in fewer words."""

from schemas.actions import FieldType, RefEntityType, TargetField


def text_field(name: str, description: str, *, required: bool = False, max_length: int | None = None) -> TargetField:
    """A string; of 255 characters unless `max_length` says otherwise."""
    return TargetField(
        name=name, type=FieldType.STRING, description=description, required=required, max_length=max_length
    )


def ref_field(name: str, entity_type: RefEntityType, description: str, *, required: bool = False) -> TargetField:
    """An entity of the tenant, by id or name."""
    return TargetField(
        name=name, type=FieldType.REF, description=description, required=required, ref_entity_type=entity_type
    )
