"""A sender as data: one file of `presets/` is one `Preset`. There is no code per sender.

A preset says how the sender proves itself, how it introduces itself (handshakes), what names an event, what an admin
has to enter where, and shows real requests with their signatures.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.handshakes import HandshakeRule
from schemas.webhooks import HEADER_PATTERN, SECRET_LENGTH_MAX, SECRET_LENGTH_MIN, IdempotencySource

PRESET_NAME_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"
FIELD_NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
#: Members of `auth_config` that are not the preset's.
RESERVED_FIELDS = frozenset({"type", "preset", "ip_cidrs", "secrets"})
#: What `signed` may hold beside fixed text. `{form}`: names and values of a form's fields, sorted by name and then by
#: value, equal pairs once, joined without anything between; empty where the body is no form. `{url}`: the whole URL as
#: the sender knows it.
SIGNED_PLACEHOLDER_PATTERN = (
    r"\{(body|timestamp|id|method|path|query|url|form|body_sha256_hex|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+)\}"
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PresetField(_Frozen):
    """A member of `auth_config` that belongs to the preset. `generated`: Hookline makes one where it is left out.

    A secret is never shown and has its own bounds of length; `pattern` holds the whole of a value.
    """

    title: str
    description: str = ""
    secret: bool = False
    required: bool = True
    default: str | None = None
    generated: Literal["token", "whsec"] | None = None
    pattern: str | None = None
    length_min: int = Field(default=SECRET_LENGTH_MIN, ge=1)
    length_max: int = Field(default=SECRET_LENGTH_MAX, le=SECRET_LENGTH_MAX)


class SigningKey(_Frozen):
    """What of the field `field` is the key: `strip_prefix` is taken off, then `encoding` says what the rest is.

    sha256: the key is the SHA-256 of the text. For ed25519 the key is the public one.
    """

    field: str = "secret"
    strip_prefix: str = ""
    encoding: Literal["text", "base64", "hex", "sha256"] = "text"


class SignedTimestamp(_Frozen):
    """The time the sender claims: in a header of its own, or as `element` of the signature's header (`t=…`)."""

    header: str | None = Field(default=None, pattern=HEADER_PATTERN)
    element: str | None = None
    unit: Literal["seconds", "milliseconds", "rfc3339"] = "seconds"
    tolerance_seconds: int = Field(default=300, ge=1, le=86_400)

    @model_validator(mode="after")
    def _require_one(self) -> "SignedTimestamp":
        if (self.header is None) == (self.element is None):
            raise ValueError("one of header and element is required")
        return self


class BodyDigest(_Frozen):
    """A digest of the body in the query, for senders that sign the URL. Required of any body that is no form."""

    query: str
    algorithm: Literal["sha256"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"


class SignatureProof(_Frozen):
    """A signature in `header` over `signed` (a template, SIGNED_PLACEHOLDER_PATTERN).

    `separator`: the header holds several values, of which those that begin with `prefix` are signatures; without it
    the whole header is one. `id_header`: the event's id where `signed` covers it, which then guards against replays.
    """

    kind: Literal["signature"]
    header: str = Field(pattern=HEADER_PATTERN)
    algorithm: Literal["hmac_sha1", "hmac_sha256", "hmac_sha512", "ed25519"]
    encoding: Literal["hex", "base64", "base64url"]
    prefix: str = ""
    separator: Literal[",", " "] | None = None
    signed: str = "{body}"
    key: SigningKey = SigningKey()
    timestamp: SignedTimestamp | None = None
    id_header: str | None = Field(default=None, pattern=HEADER_PATTERN)
    body_digest: BodyDigest | None = None

    @model_validator(mode="after")
    def _require_that_it_is_signed(self) -> "SignatureProof":
        """What is trusted of a request is covered: its body always, and its time and its id where it has them."""
        parts = re.findall(r"\{[^{}]*\}", self.signed)
        for part in parts:
            if re.fullmatch(SIGNED_PLACEHOLDER_PATTERN, part) is None:
                raise ValueError(f"signed: {part} is no placeholder")
        signed = {part.lower() for part in parts}
        if self.body_digest is not None:
            if "{form}" not in signed or not signed & {"{url}", "{query}"}:
                raise ValueError("signed: with body_digest it has to hold {form}, and {url} or {query}")
        elif not signed & {"{body}", "{body_sha256_hex}"}:
            raise ValueError("signed does not cover the body: {body}, {body_sha256_hex}, or body_digest, is missing")
        time = self.timestamp
        if time is not None and not signed & {"{timestamp}", f"{{header:{time.header}}}".lower()}:
            raise ValueError("signed does not cover the timestamp")
        if self.id_header is not None and not signed & {"{id}", f"{{header:{self.id_header}}}".lower()}:
            raise ValueError("signed does not cover id_header, which guards against replays")
        return self


class TokenProof(_Frozen):
    """A secret of the field `field` that comes with every request.

    `name` is the header, query parameter, user name or path in the body (`$.value[*].clientState`: there must be one,
    and all must be right). `name_field`: the field that says it instead. Not for bearer, which has none.
    """

    kind: Literal["token"]
    place: Literal["header", "bearer", "basic", "query", "body"]
    field: str = "secret"
    name: str | None = None
    name_field: str | None = None
    prefix: str = ""

    @model_validator(mode="after")
    def _require_name(self) -> "TokenProof":
        wanted = 0 if self.place == "bearer" else 1
        if sum(value is not None for value in (self.name, self.name_field)) != wanted:
            raise ValueError("bearer has neither name nor name_field, every other place has one of them")
        return self


Proof = Annotated[SignatureProof | TokenProof, Field(discriminator="kind")]


class EventTypeSource(_Frozen):
    """Where the sender says what happened: a header, or JSONata over the body."""

    header: str | None = Field(default=None, pattern=HEADER_PATTERN)
    jsonata: str | None = Field(default=None, min_length=1, max_length=1_024)

    @model_validator(mode="after")
    def _require_one(self) -> "EventTypeSource":
        if (self.header is None) == (self.jsonata is None):
            raise ValueError("one of header and jsonata is required")
        return self


class SuggestedHandler(_Frozen):
    """A direct action to begin with: JSONata per field. `on_existing` says what a known external id means."""

    action: str
    field_mapping: dict[str, str]
    on_existing: Literal["update", "ignore"] | None = None


class DeviceSample(_Frozen):
    """A body that tells of one device. It is proven as events are."""

    name: str
    source: Literal["documentation", "library", "made"]
    body: str


class DeviceReports(_Frozen):
    """Devices of a sender as assets, through a webhook of their own beside the one for its events.

    `notes` say where such a body comes from and what its shape rests on. `idempotency_source` is what that webhook
    takes: the id of a device names no report, so it is none but for senders whose reports have ids.
    """

    notes: str
    documentation: tuple[str, ...] = Field(min_length=1)
    documented: bool
    setup: tuple[str, ...] = Field(min_length=1)
    idempotency_source: IdempotencySource | None = None
    handler: SuggestedHandler
    sample: DeviceSample


class AcceptedAnswer(_Frozen):
    """The body of the 200 that an accepted event is answered with, for senders that take no other; it may be empty."""

    text: str = Field(default="", max_length=1_024)
    content_type: str = Field(
        default="text/plain; charset=utf-8", pattern=r"^[\x21-\x7e]+/[\x20-\x7e]+$", max_length=255
    )


class SampleAnswer(_Frozen):
    """What a handshake sample is answered: `text`, or `json` as a value."""

    status: int = 200
    text: str | None = None
    json_value: Any = Field(default=None, alias="json")


class PresetSample(_Frozen):
    """A request as it arrives, proof included. `source` says where it is from; `fields` are what it is proven with.

    `at` is the time it is verified at (seconds since the epoch). `answer` makes it a handshake; otherwise
    `event_type` and `idempotency_key` are what the preset reads from it. `url` is the sender's, where it is signed.
    """

    name: str
    source: Literal["documentation", "library", "made"]
    fields: dict[str, str]
    at: int
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH"] = "POST"
    url: str = "https://hooks.example.com/api/inbound/acme/alerts"
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = ""
    answer: SampleAnswer | None = None
    event_type: str | None = None
    idempotency_key: str | None = None


class Preset(_Frozen):
    """`documented`: whether the sender documents its scheme in public; `notes` says what is known where it does not.

    `accepted` is None for senders that take a delivery id as an answer. `idempotency_source` is what a webhook takes
    that says nothing else. `suggested` is for the sender's events, `devices` for what it knows of devices.
    """

    name: str = Field(pattern=PRESET_NAME_PATTERN)
    title: str
    category: Literal[
        "standard", "development", "payment", "commerce", "communication", "identity", "cloud", "rmm", "psa", "security"
    ]
    summary: str
    documentation: tuple[str, ...]
    documented: bool
    notes: str = ""
    fields: dict[Annotated[str, Field(pattern=FIELD_NAME_PATTERN)], PresetField]
    proof: Proof
    handshakes: tuple[HandshakeRule, ...] = ()
    accepted: AcceptedAnswer | None = None
    idempotency_source: IdempotencySource | None = None
    event_type: EventTypeSource | None = None
    setup: tuple[str, ...] = Field(min_length=1)
    suggested: SuggestedHandler | None = None
    devices: DeviceReports | None = None
    samples: tuple[PresetSample, ...] = Field(min_length=1)

    @property
    def key_field(self) -> str:
        """The field that proves: a secret, or a public key."""
        return self.proof.key.field if isinstance(self.proof, SignatureProof) else self.proof.field

    @property
    def secret_field(self) -> str | None:
        """The field that is a secret; None for a public key."""
        return self.key_field if self.fields[self.key_field].secret else None

    @model_validator(mode="after")
    def _require_fields(self) -> "Preset":
        named = {self.key_field}
        if isinstance(self.proof, TokenProof) and self.proof.name_field is not None:
            named.add(self.proof.name_field)
        for name in sorted(named - self.fields.keys()):
            raise ValueError(f"the proof names the field {name}, which is not among fields")
        for name in sorted(RESERVED_FIELDS & self.fields.keys()):
            raise ValueError(f"{name} cannot be a field")
        if [name for name, field in self.fields.items() if field.secret] not in ([], [self.key_field]):
            raise ValueError("the only secret can be the field the proof is made with")
        return self
