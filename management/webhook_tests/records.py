"""A test as a record of the raw topic: what the receiver would have written, marked as a test. Pure."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from infra.jsonata import InputError, JsonataError
from infra.proofs.requests import SignedRequest
from infra.proofs.signed_ids import signed_id_of
from infra.requests.headers import stored_of
from infra.requests.keys import KeyOf, build_key, build_ordering_key, key_compiler
from infra.topics import request_topic
from schemas.bodies import BodyError, parse_body
from schemas.headers import DeliveryHeaders
from schemas.keys import request_key
from schemas.presets import Preset
from schemas.records import RequestFacts
from schemas.webhooks import WebhookConfig


class TriedRequest(NamedTuple):
    """A request as it would arrive. Header names are lower-case."""

    method: str
    headers: dict[str, str]
    query: dict[str, str]
    content_type: str
    body: bytes
    source_ip: str


class WorkedOut(NamedTuple):
    """What the receiver works out of a request; `warnings` say in words what it could not. `facts` are what a record
    keeps of it besides the body."""

    facts: RequestFacts
    dedupe_key: str | None
    ordering_key: str | None
    warnings: list[str]


class RawRecord(NamedTuple):
    """A record of the raw topic, before it is encoded. `partition` is None where the key says it."""

    topic: str
    key: bytes
    value: bytes
    headers: DeliveryHeaders
    facts: RequestFacts
    partition: int | None = None


def facts_json(facts: RequestFacts) -> bytes:
    """The facts as the receiver writes them: paths to be masked only where there are any."""
    return facts.model_dump_json(exclude=None if facts.redact_paths else {"redact_paths"}).encode()


def work_out(
    config: WebhookConfig,
    request: TriedRequest,
    presets: Mapping[str, Preset],
    *,
    at_us: int,
    timeout_seconds: float,
) -> WorkedOut:
    """Facts and keys, worked out as the receiver does: an expression that fails leaves the request without its key,
    but for the id that the sender signs."""
    facts = _facts(config, request, presets)
    try:
        body = parse_body(request.body, request.content_type)
    except BodyError:
        return WorkedOut(facts.model_copy(update={"invalid_json": True}), None, None, [])
    compile_key = key_compiler(timeout_seconds=timeout_seconds)
    warnings: list[str] = []

    def key(name: str, build: Callable[[], KeyOf | None]) -> str | None:
        try:
            key_of = build()
            found = None if key_of is None else key_of(request.headers, body, at_us // 1_000)
        except (JsonataError, InputError) as error:
            warnings.append(f"{name}: {error}")
            return None
        if key_of is not None and found is None:
            warnings.append(f"{name}: the request has no value for it")
        return found

    dedupe_key = key("idempotency_source", lambda: build_key(config.idempotency_source, compile_key))
    ordering_key = key("ordering_key", lambda: build_ordering_key(config.ordering_key, compile_key))
    return WorkedOut(facts, dedupe_key or _signed_id(config, request, presets), ordering_key, warnings)


def raw_record(
    config: WebhookConfig, request: TriedRequest, found: WorkedOut, *, delivery_id: str, at_us: int, traceparent: str
) -> RawRecord:
    """The record of a test."""
    source_key = found.ordering_key or found.dedupe_key or delivery_id
    return RawRecord(
        request_topic(config.priority),
        request_key(config.tenant_id, config.webhook_id, source_key),
        request.body,
        DeliveryHeaders(
            delivery_id,
            config.tenant_id,
            config.webhook_id,
            config.version,
            at_us,
            facts_json(found.facts),
            found.dedupe_key,
            traceparent,
            is_test=True,
        ),
        found.facts,
    )


def _facts(config: WebhookConfig, request: TriedRequest, presets: Mapping[str, Preset]) -> RequestFacts:
    stored = stored_of(config.auth_config, presets)
    return RequestFacts(
        method=request.method,
        path=f"/api/inbound/{config.tenant_slug}/{config.slug}",
        query=stored.pick_query(request.query),
        headers=stored.pick(request.headers),
        source_ip=request.source_ip,
        user_agent=request.headers.get("user-agent"),
        content_type=request.content_type,
        redact_paths=list(config.redact_paths),
        priority=config.priority,
    )


def _signed_id(config: WebhookConfig, request: TriedRequest, presets: Mapping[str, Preset]) -> str | None:
    id_of = signed_id_of(config.auth_config, presets)
    if id_of is None:
        return None
    return id_of(SignedRequest(request.method, "", "", request.headers, request.body, request.source_ip))
