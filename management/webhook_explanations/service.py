"""Explaining a request: what the receiver would say to it, step by step in its own order, and why."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from infra.addresses import parse_address
from infra.clock import now_us
from infra.jsonata import InputError, JsonataError
from infra.postgres import Pool, tenant_transaction
from infra.proofs.errors import ProofError
from infra.proofs.explain import explain
from infra.proofs.handshakes import HandshakeAnswer, compile_handshakes, handshake_rules
from infra.proofs.requests import Secret, SignedRequest
from infra.requests.keys import key_compiler, key_text
from infra.settings import Settings
from management.access import Actor
from management.configuration.records import read_records
from management.errors import ConflictError, Problem, ValidationFailedError
from management.inbound_webhooks.repository import load_webhook
from management.inbound_webhooks.sealed_secrets import SealedSecrets
from management.inbound_webhooks.stored import StoredWebhook
from management.paging import microseconds
from management.rejections.words import explanation
from management.webhook_explanations.schemas import Explanation, HandshakeShown, RequestToExplain
from management.webhook_tests.records import TriedRequest, WorkedOut, work_out
from schemas.bodies import BodyError, parse_body
from schemas.presets import Preset
from schemas.webhooks import PresetAuth, WebhookConfig

_BODILESS = frozenset({"GET", "HEAD"})


class _Verdict(NamedTuple):
    """What the receiver would do; `reason` is that of a rejection."""

    reason: str | None
    words: str
    hints: Sequence[str] = ()
    handshake: HandshakeAnswer | None = None

    @property
    def name(self) -> str:
        if self.handshake is not None:
            return "handshake"
        return "accepted" if self.reason is None else "refused"


class _Read(NamedTuple):
    """What the request has for itself."""

    idempotency_key: str | None = None
    ordering_key: str | None = None
    event_type: str | None = None
    warnings: Sequence[str] = ()


class ExplanationService:
    """Sends, keeps and logs nothing. Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool, secrets: SealedSecrets, presets: Mapping[str, Preset], settings: Settings) -> None:
        self._pool = pool
        self._secrets = secrets
        self._presets = presets
        self._base_url = settings.ingress.public_base_url
        self._receiver_base_url = _base_of(urlsplit(settings.management.receiver_base_url))
        self._key_timeout_seconds = settings.ingress.key_timeout_milliseconds / 1_000

    def explain(self, actor: Actor, webhook_id: UUID, given: RequestToExplain) -> Explanation:
        """Raises NotFoundError, ConflictError for a webhook that cannot be in force, ValidationFailedError."""
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            stored = load_webhook(connection, actor.tenant_id, webhook_id)
            key = actor.tenant_id, webhook_id
            config = read_records(connection, [key]).get(key)
        if config is None:
            raise ConflictError("the webhook has no usable configuration: save it again, with a secret")
        request = _signed_request(given, config)
        base_url = self._base_url or request.base_url or self._receiver_base_url
        request = request._replace(base_url=base_url)
        at_us = now_us() if given.received_at is None else microseconds(given.received_at)
        if isinstance(config.auth_config, PresetAuth) and config.auth_config.preset not in self._presets:
            return _explanation(self._refused("unknown_preset", stored), _Read())
        verdict = self._verdict(stored, config, request, at_us)
        found = self._worked_out(config, request, at_us)
        event_type, trouble = self._event_type(config, request, at_us)
        read = _Read(found.dedupe_key, found.ordering_key, event_type, (*found.warnings, *trouble))
        return _explanation(verdict, read)

    def _verdict(self, stored: StoredWebhook, config: WebhookConfig, request: SignedRequest, at_us: int) -> _Verdict:
        """In the receiver's order: cap, switch, proof, handshake."""
        if len(request.body) > config.max_body_bytes:
            return self._refused("body_too_large", stored)
        if not config.is_active:
            return self._refused("disabled_webhook", stored)
        secrets = self._secrets.opened(stored)
        try:
            found = explain(config.auth_config, secrets, request, at_us, self._presets)
        except ProofError:
            return self._refused("unusable_proof", stored)
        handshake = self._handshake(config, secrets, request, at_us, proven=found.reason is None)
        if handshake is None and found.reason is None and request.method in _BODILESS:
            return self._refused("no_handshake_rule", stored)
        if handshake is not None and found.reason is not None:
            words = "The request is a handshake, which this sender makes without a proof: it is answered at once."
            return _Verdict(None, words, (), handshake)
        return _Verdict(found.reason, found.words, found.hints, handshake)

    def _refused(self, reason: str, stored: StoredWebhook) -> _Verdict:
        return _Verdict(reason, explanation(reason, stored.settings, self._presets))

    def _handshake(
        self, config: WebhookConfig, secrets: Sequence[Secret], request: SignedRequest, at_us: int, *, proven: bool
    ) -> HandshakeAnswer | None:
        rules = handshake_rules(config.auth_config, config.handshake, self._presets)
        return compile_handshakes(rules, secrets).find(request, proven=proven, now_us=at_us)

    def _worked_out(self, config: WebhookConfig, request: SignedRequest, at_us: int) -> WorkedOut:
        tried = TriedRequest(
            method=request.method,
            headers=dict(request.headers),
            query={},
            content_type=request.headers.get("content-type", ""),
            body=request.body,
            source_ip=request.source_ip,
        )
        found = work_out(config, tried, self._presets, at_us=at_us, timeout_seconds=self._key_timeout_seconds)
        if not found.facts.invalid_json:
            return found
        words = "the body is not JSON: a sender with a right proof is answered 400, and the delivery fails"
        return found._replace(warnings=[*found.warnings, words])

    def _event_type(self, config: WebhookConfig, request: SignedRequest, at_us: int) -> tuple[str | None, list[str]]:
        """What the preset reads for one, and why not where that fails."""
        auth = config.auth_config
        preset = self._presets.get(auth.preset) if isinstance(auth, PresetAuth) else None
        source = None if preset is None else preset.event_type
        if source is None:
            return None, []
        if source.header is not None:
            return request.headers.get(source.header.lower()), []
        try:
            evaluate = key_compiler(timeout_seconds=self._key_timeout_seconds)(source.jsonata or "")
            body = parse_body(request.body, request.headers.get("content-type"))
            return key_text(evaluate(body, at_us // 1_000)), []
        except BodyError:
            return None, []
        except (JsonataError, InputError) as error:
            return None, [f"event_type: {error}"]


def _explanation(verdict: _Verdict, read: _Read) -> Explanation:
    return Explanation(
        verdict=verdict.name,
        reason=verdict.reason,
        words=verdict.words,
        hints=list(verdict.hints),
        handshake=None if verdict.handshake is None else _shown(verdict.handshake),
        idempotency_key=read.idempotency_key,
        ordering_key=read.ordering_key,
        event_type=read.event_type,
        warnings=list(read.warnings),
    )


def _signed_request(given: RequestToExplain, config: WebhookConfig) -> SignedRequest:
    """The request as it was sent; no `base_url` where no URL is given. Raises ValidationFailedError."""
    problems: list[Problem] = []
    url = _url(given, problems)
    if config.auth_config.ip_cidrs and given.source_ip is None:
        problems.append(Problem("source_ip", "source_ip is required: the webhook looks at the sender's address"))
    if given.source_ip is not None and parse_address(given.source_ip) is None:
        problems.append(Problem("source_ip", "source_ip must be an address, v4 or v6"))
    body = _body(given, problems)
    if problems:
        raise ValidationFailedError(problems)
    headers: dict[str, str] = {}
    for name, value in given.headers.items():
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
    return SignedRequest(
        given.method,
        url.path or f"/api/inbound/{config.tenant_slug}/{config.slug}",
        url.query if given.query is None else given.query,
        headers,
        body,
        given.source_ip or "",
        _base_of(url),
    )


def _base_of(url: SplitResult) -> str:
    return f"{url.scheme}://{url.netloc}" if url.netloc else ""


def _url(given: RequestToExplain, problems: list[Problem]) -> SplitResult:
    if given.url is not None and given.query is not None:
        problems.append(Problem("query", "give url or query, not both"))
    try:
        return urlsplit(given.url or "")
    except ValueError as error:
        problems.append(Problem("url", f"url cannot be read: {error}"))
        return urlsplit("")


def _body(given: RequestToExplain, problems: list[Problem]) -> bytes:
    if given.body is not None and given.body_base64 is not None:
        problems.append(Problem("body_base64", "give body or body_base64, not both"))
    if given.body_base64 is None:
        return (given.body or "").encode()
    try:
        return base64.b64decode(given.body_base64, validate=True)
    except (binascii.Error, ValueError):
        problems.append(Problem("body_base64", "body_base64 must be base64 with its padding"))
        return b""


def _shown(answer: HandshakeAnswer) -> HandshakeShown:
    return HandshakeShown(
        status=answer.status, content_type=answer.content_type, body=answer.body.decode("utf-8", "replace")
    )
