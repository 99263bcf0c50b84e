"""A test as a record of the raw topic: what the receiver would have written, marked as a test. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from infra.jsonata import InputError, JsonataError
from infra.requests.headers import stored_of
from infra.requests.keys import KeyOf, build_key, build_ordering_key, key_compiler
from infra.topics import request_topic
from schemas.bodies import BodyError, parse_body
from schemas.headers import DeliveryHeaders
from schemas.keys import request_key
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

    def facts(self, config: WebhookConfig, *, invalid_json: bool) -> RequestFacts:
        """What a record keeps of it besides the body."""
        stored = stored_of(config.auth_config)
        return RequestFacts(
            method=self.method,
            path=f"/api/inbound/{config.tenant_slug}/{config.slug}",
            query=stored.pick_query(self.query),
            headers=stored.pick(self.headers),
            source_ip=self.source_ip,
            user_agent=self.headers.get("user-agent"),
            content_type=self.content_type,
            invalid_json=invalid_json,
        )


class RequestKeys(NamedTuple):
    """What the receiver works out of a request; `warnings` say in words what it could not."""

    dedupe_key: str | None
    ordering_key: str | None
    warnings: list[str]
    invalid_json: bool


class RawRecord(NamedTuple):
    """A record of the raw topic, before it is encoded."""

    topic: str
    key: bytes
    value: bytes
    headers: DeliveryHeaders
    facts: RequestFacts


def request_keys(config: WebhookConfig, request: TriedRequest, *, at_us: int, timeout_seconds: float) -> RequestKeys:
    """The keys, worked out as the receiver does: an expression that fails leaves the request without its key."""
    try:
        body = parse_body(request.body, request.content_type)
    except BodyError:
        return RequestKeys(None, None, [], invalid_json=True)
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
    return RequestKeys(dedupe_key, ordering_key, warnings, invalid_json=False)


def raw_record(
    config: WebhookConfig, request: TriedRequest, keys: RequestKeys, *, delivery_id: str, at_us: int, traceparent: str
) -> RawRecord:
    """The record of a test."""
    facts = request.facts(config, invalid_json=keys.invalid_json)
    source_key = keys.ordering_key or keys.dedupe_key or delivery_id
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
            facts.model_dump_json().encode(),
            keys.dedupe_key,
            traceparent,
            is_test=True,
        ),
        facts,
    )
