"""Tests, dry runs and previews of a webhook as it is stored."""

import asyncio
import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from typing import NamedTuple
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from infra.clock import now_us, rfc3339_of
from infra.errors import KafkaUnavailableError, PostgresUnavailableError
from infra.ids import uuid7_text
from infra.log import get_logger
from infra.postgres import Row
from infra.proofs.errors import UnknownPresetError
from infra.settings import Settings
from management.access import Actor
from management.errors import ConflictError, Problem, TooManyRequestsError, UnavailableError, ValidationFailedError
from management.paging import Page, PageMeta
from management.replaying.places import Place
from management.replaying.publishing import RecordPublisher
from management.webhook_tests.answers import tested_delivery
from management.webhook_tests.outcomes import OutcomeWatcher
from management.webhook_tests.previews import Previewer, Trial
from management.webhook_tests.records import RawRecord, TriedRequest, raw_record, work_out
from management.webhook_tests.repository import NewTest, TestedWebhook, WebhookTestRepository
from management.webhook_tests.schemas import (
    JSON_CONTENT,
    KEPT_BODY_BYTES_MAX,
    KEPT_TESTS_MAX,
    DryRun,
    FilterTestInput,
    FilterVerdict,
    GivenRequest,
    Json,
    KeptTest,
    MappingPreview,
    MappingPreviewInput,
    TestedDelivery,
    WebhookTestInput,
)
from management.webhook_tests.waiting import PendingReasons
from schemas.encoding import record_bytes
from schemas.presets import Preset
from schemas.records import DeliveryRecord, DispatchStatus

#: Tests of one tenant that wait for their outcome at the same time, in one process.
_WAITING_TESTS_MAX = 5
_CLIENT_ID = "hookline-management-tests"
_log = get_logger(__name__)


class _Sent(NamedTuple):
    """A test on its way."""

    test: NewTest
    webhook: TestedWebhook
    record: RawRecord
    place: Place
    outcome: Future[DeliveryRecord]


class WebhookTestService:
    """Raises NotFoundError, ConflictError, ValidationFailedError, and as the repository does."""

    def __init__(
        self,
        repository: WebhookTestRepository,
        previewer: Previewer,
        settings: Settings,
        presets: Mapping[str, Preset],
    ) -> None:
        self._presets = presets
        self._repository = repository
        self._previewer = previewer
        self._wait_seconds = settings.management.test_wait_seconds
        self._key_timeout_seconds = settings.ingress.key_timeout_milliseconds / 1_000
        self._watcher = OutcomeWatcher(settings.kafka)
        self._publisher = RecordPublisher(settings.kafka, _CLIENT_ID)
        self._reasons = PendingReasons(settings)
        self._waiting_tests: Counter[UUID] = Counter()

    def start(self) -> None:
        """Returns at once, also while Kafka is away."""
        self._watcher.start()

    def release(self) -> None:
        """Have every test that waits answer at once, as pending."""
        self._watcher.release()

    def stop(self, timeout_seconds: float) -> None:
        """Let the connections go."""
        self._watcher.stop(timeout_seconds)
        self._publisher.close()
        self._reasons.close()

    async def test(self, actor: Actor, webhook_id: UUID, given: WebhookTestInput) -> TestedDelivery:
        """Send a marked request and wait for what becomes of it; no thread is held meanwhile.

        Raises UnavailableError without Kafka, TooManyRequestsError while the tenant's other tests wait.
        """
        if self._waiting_tests[actor.tenant_id] >= _WAITING_TESTS_MAX:
            message = f"{_WAITING_TESTS_MAX} tests are waiting for their outcome already"
            raise TooManyRequestsError(message, headers={"Retry-After": "1"})
        self._waiting_tests[actor.tenant_id] += 1
        try:
            sent = await run_in_threadpool(self._send, actor, webhook_id, given)
            try:
                await asyncio.wait([asyncio.wrap_future(sent.outcome)], timeout=self._wait_seconds)
            finally:
                self._watcher.forget(sent.record.headers.delivery_id)
            return await run_in_threadpool(self._answer, actor, sent)
        finally:
            self._waiting_tests[actor.tenant_id] -= 1
            if not self._waiting_tests[actor.tenant_id]:
                del self._waiting_tests[actor.tenant_id]

    def dry_run(self, actor: Actor, webhook_id: UUID, given: WebhookTestInput) -> DryRun:
        """Follow the request as far as the action, without effect; kept among the tests."""
        webhook = self._repository.find(actor.tenant_id, webhook_id)
        trial = self._trial(actor, webhook, _tried(actor, webhook, given))
        found = self._previewer.dry_run(webhook.config, trial)
        test = _new_test(webhook_id, trial, delivery_id=None)
        self._repository.add(actor, test, found.model_dump(mode="json"))
        return found

    def preview_mapping(self, actor: Actor, webhook_id: UUID, given: MappingPreviewInput) -> MappingPreview:
        """Try expressions."""
        webhook = self._repository.find(actor.tenant_id, webhook_id)
        trial = self._trial(actor, webhook, _tried(actor, webhook, given))
        return self._previewer.mapping(webhook.config, given.action, given.field_mapping, trial)

    def test_filters(self, actor: Actor, webhook_id: UUID, given: FilterTestInput) -> FilterVerdict:
        """Try filters."""
        webhook = self._repository.find(actor.tenant_id, webhook_id)
        filters = given.filters if "filters" in given.model_fields_set else webhook.config.filters
        return self._previewer.filters(
            webhook.config, filters, self._trial(actor, webhook, _tried(actor, webhook, given))
        )

    def kept(self, actor: Actor, webhook_id: UUID) -> Page[KeptTest]:
        """The last tests, newest first."""
        tests = [_kept(row) for row in self._repository.kept(actor.tenant_id, webhook_id)]
        return Page(data=tests, meta=PageMeta(page=1, per_page=KEPT_TESTS_MAX, total=len(tests)))

    def _trial(self, actor: Actor, webhook: TestedWebhook, request: TriedRequest) -> Trial:
        at_us = now_us()
        try:
            found = work_out(
                webhook.config, request, self._presets, at_us=at_us, timeout_seconds=self._key_timeout_seconds
            )
        except UnknownPresetError as error:
            raise ConflictError(f"{error}: the webhook takes no request until it has another one") from error
        return Trial(request, found, uuid7_text(at_us), at_us)

    def _send(self, actor: Actor, webhook_id: UUID, given: WebhookTestInput) -> _Sent:
        """The test is kept before it acts, so that whatever it does can be traced to whoever sent it."""
        webhook = self._repository.find(actor.tenant_id, webhook_id)
        trial = self._trial(actor, webhook, _tried(actor, webhook, given))
        record = raw_record(
            webhook.config,
            trial.request,
            trial.found,
            delivery_id=trial.delivery_id,
            at_us=trial.at_us,
            traceparent=f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01",
        )
        test = _new_test(webhook_id, trial, delivery_id=UUID(trial.delivery_id))
        try:
            outcome = self._watcher.expect(trial.delivery_id)
            self._repository.add(actor, test, {"dispatch_status": DispatchStatus.PENDING})
            [place] = self._publisher.publish([record])
        except KafkaUnavailableError as error:
            self._watcher.forget(trial.delivery_id)
            _log.warning("tests.not_sent", webhook_id=str(webhook_id), reason=str(error))
            raise UnavailableError("Kafka is away: the test was not acknowledged, try again") from error
        except BaseException:
            self._watcher.forget(trial.delivery_id)
            raise
        return _Sent(test, webhook, record, place, outcome)

    def _answer(self, actor: Actor, sent: _Sent) -> TestedDelivery:
        outcome = sent.outcome.result() if sent.outcome.done() and not sent.outcome.cancelled() else None
        waiting_for = [] if outcome is not None else self._reasons.explain(sent.place)
        answer = tested_delivery(sent.webhook, sent.record, outcome, waiting_for)
        try:
            self._repository.answer(actor.tenant_id, sent.test, answer.model_dump(mode="json", exclude={"request"}))
        except PostgresUnavailableError as error:
            _log.warning("tests.answer_not_kept", test_id=str(sent.test.test_id), reason=str(error))
        return answer


def _tried(actor: Actor, webhook: TestedWebhook, given: GivenRequest) -> TriedRequest:
    """The request to try, with the captured sample where none is given. Raises ValidationFailedError."""
    text = given.text if isinstance(given, WebhookTestInput) else None
    if text is not None and "body" in given.model_fields_set:
        raise ValidationFailedError([Problem("text", "give body or text, not both")])
    if text is not None:
        body = text.encode()
    elif "body" in given.model_fields_set:
        body = record_bytes(given.body)
    elif webhook.sample_text is not None:
        body = webhook.sample_text.encode()
    else:
        raise ValidationFailedError([Problem("body", "is required: the webhook has no captured sample")])
    if len(body) > webhook.config.max_body_bytes:
        message = f"has {len(body)} bytes, the webhook takes {webhook.config.max_body_bytes} at most"
        raise ValidationFailedError([Problem("body" if text is None else "text", message)])
    content_type = given.content_type if isinstance(given, WebhookTestInput) else JSON_CONTENT
    return TriedRequest(
        method=given.method if isinstance(given, WebhookTestInput) else "POST",
        headers={name.lower(): value for name, value in given.headers.items()} | {"content-type": content_type},
        query=dict(given.query),
        content_type=content_type,
        body=body,
        source_ip=actor.source_ip,
    )


def _new_test(webhook_id: UUID, trial: Trial, *, delivery_id: UUID | None) -> NewTest:
    request, facts = trial.request, trial.found.facts
    shown: Json = {
        "method": facts.method,
        "headers": facts.headers,
        "query": facts.query,
        "content_type": request.content_type,
        "body": request.body[:KEPT_BODY_BYTES_MAX].decode("utf-8", "ignore"),
        "body_truncated": len(request.body) > KEPT_BODY_BYTES_MAX,
    }
    return NewTest(webhook_id, UUID(uuid7_text(now_us())), delivery_id, shown)


def _kept(row: Row) -> KeptTest:
    return KeptTest(
        test_id=row["test_id"],
        tested_at=rfc3339_of(row["tested_at"]),
        tested_by=row["tested_by"],
        dry_run=row["dry_run"],
        answer=row["answer"],
        delivery_id=row["delivery_id"],
        **row["request"],
    )
