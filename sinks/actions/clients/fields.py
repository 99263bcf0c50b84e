"""The fields a client can be given."""

import re
from types import MappingProxyType

from infra.entities.patterns import CURRENCY_PATTERN, EMAIL_PATTERN
from schemas.actions import FieldType, TargetField
from sinks.actions.fields import text_field
from sinks.actions.values import OBJECT_BYTES_MAX

EXTERNAL_ID_FIELD = text_field(
    "external_id", "The sender's id of the client; later requests find it by it", required=True
)
UPSERT_FIELDS = (
    EXTERNAL_ID_FIELD,
    TargetField(
        name="client_name",
        type=FieldType.STRING,
        description="Its name, unique among the tenant's clients in any case of its letters",
        required_on_create=True,
    ),
    TargetField(
        name="client_type",
        type=FieldType.ENUM,
        description="What it is; else company",
        enum_values=("company", "individual"),
    ),
    text_field("url", "Its website", max_length=1_024),
    text_field("phone_no", "Its telephone number"),
    text_field("email", "Its e-mail address"),
    text_field("address", "Street and number"),
    text_field("address_2", "What else the address has"),
    text_field("city", "The city"),
    text_field("state", "The state or region"),
    text_field("zip", "The postal code"),
    text_field("country", "The country"),
    text_field("default_currency_code", "The currency of its invoices, as three letters: EUR", max_length=3),
    text_field("notes", "What is to be known of it", max_length=20_000),
    TargetField(name="is_inactive", type=FieldType.BOOLEAN, description="Whether it is out of service; else false"),
    TargetField(
        name="properties",
        type=FieldType.JSON,
        description="Free members; merged into those that are there",
        max_length=OBJECT_BYTES_MAX,
        json_object=True,
    ),
)
SET_ACTIVE_FIELDS = (
    EXTERNAL_ID_FIELD,
    TargetField(name="active", type=FieldType.BOOLEAN, description="Whether the client is in service", required=True),
)
#: Fields that are columns of a client as they come.
PLAIN_FIELDS = (
    *("client_type", "url", "phone_no", "email", "address", "address_2", "city", "state", "zip", "country"),
    *("default_currency_code", "notes", "is_inactive"),
)
#: What a new client has where nothing is mapped, and any client where null is. Other columns are null.
DEFAULTS = MappingProxyType({"client_type": "company", "is_inactive": False})

EMAIL = re.compile(EMAIL_PATTERN)
CURRENCY = re.compile(CURRENCY_PATTERN)
