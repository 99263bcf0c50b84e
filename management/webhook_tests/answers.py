"""A test's delivery as the log will show it, put together before the log has it. Pure."""

from uuid import UUID

from infra.clock import rfc3339
from infra.enrichment.user_agents import parse_user_agent
from infra.requests.redaction import compile_redaction
from management.deliveries.schemas import DeliveredRequest, ShownError, UserAgent
from management.webhook_tests.records import RawRecord
from management.webhook_tests.repository import TestedWebhook
from management.webhook_tests.schemas import TestedDelivery
from schemas.records import DeliveryRecord, DispatchStatus


def tested_delivery(
    webhook: TestedWebhook, record: RawRecord, outcome: DeliveryRecord | None, waiting_for: list[str]
) -> TestedDelivery:
    """The delivery: pending, and `waiting_for` said in words, while there is no outcome."""
    config, headers, facts = webhook.config, record.headers, record.facts
    error = None if outcome is None or outcome.error is None else outcome.error
    shown = compile_redaction(tuple(facts.redact_paths)).show(record.value, facts.content_type)
    return TestedDelivery(
        delivery_id=UUID(headers.delivery_id),
        tenant_id=UUID(config.tenant_id),
        webhook_id=UUID(config.webhook_id),
        webhook_slug=config.slug,
        config_version=headers.config_version,
        received_at=rfc3339(headers.received_at_us),
        idempotency_key=headers.dedupe_key,
        request=DeliveredRequest(
            method=facts.method,
            path=facts.path,
            query=facts.query,
            headers=facts.headers,
            body=shown.body.decode(),
            body_encoding="text",
            body_bytes=len(record.value),
            body_truncated=False,
            body_redacted=shown.redacted,
            content_type=facts.content_type,
        ),
        source_ip=facts.source_ip,
        user_agent=UserAgent(raw=facts.user_agent, **parse_user_agent(facts.user_agent)._asdict()),
        location=None,
        metadata=(outcome.metadata or {}) if outcome is not None else {},
        dispatch_status=DispatchStatus.PENDING if outcome is None else outcome.dispatch_status,
        handler=None if outcome is None else outcome.handler,
        action=None if outcome is None else outcome.action,
        handler_outcome=None if outcome is None else outcome.handler_outcome,
        error=None if error is None else ShownError(code=error.code, message=error.message, path=error.path),
        duplicate_of=None if outcome is None or outcome.duplicate_of is None else UUID(outcome.duplicate_of),
        response_status=400 if facts.invalid_json else 200,
        ingress_ms=0.0,
        duration_ms=None if outcome is None else (outcome.recorded_at - headers.received_at_us) / 1_000,
        attempts=0 if outcome is None else outcome.attempts,
        priority=facts.priority,
        is_replay=False,
        replayed_from=None,
        replay_id=None,
        is_test=True,
        trace_id=None if headers.traceparent is None else headers.traceparent[3:35],
        webhook_is_active=webhook.is_active,
        waiting_for=waiting_for,
    )
