"""The fields a contact can be given, and which of them name its client."""

import re
from types import MappingProxyType

from infra.entities.patterns import EMAIL_PATTERN
from schemas.actions import FieldType, RefEntityType, TargetField
from sinks.actions.fields import ref_field, text_field
from sinks.actions.references import FieldTypes

UPSERT_FIELDS = (
    text_field("external_id", "The sender's id of the contact; later requests find it by it", required=True),
    TargetField(name="full_name", type=FieldType.STRING, description="First and last name", required_on_create=True),
    TargetField(
        name="email",
        type=FieldType.STRING,
        description="The e-mail address, unique among the tenant's contacts in any case of its letters",
        required_on_create=True,
    ),
    ref_field(
        "client_id", RefEntityType.CLIENT, "The client, by id or name; a new contact needs one, another one moves it"
    ),
    text_field("client_external_id", "The client, by the sender's id"),
    text_field("role", "What the contact is at the client"),
    text_field("phone", "The telephone number at work"),
    text_field("notes", "What is to be known of the contact", max_length=20_000),
    TargetField(name="is_inactive", type=FieldType.BOOLEAN, description="Whether it is out of service; else false"),
)
REFERENCES = FieldTypes({"client_id": RefEntityType.CLIENT}, {"client_external_id": RefEntityType.CLIENT})
#: Fields that are columns of a contact as they come.
PLAIN_FIELDS = ("full_name", "email", "role", "phone", "notes", "is_inactive")
#: What a new contact has where nothing is mapped, and any contact where null is. Other columns are null.
DEFAULTS = MappingProxyType({"is_inactive": False})

EMAIL = re.compile(EMAIL_PATTERN)
