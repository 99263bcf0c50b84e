"""The processors' work on a batch: decode, dedupe, filter, map, route. Every record ends in exactly one output."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from infra import metrics
from infra.clock import MICROSECONDS, now_us
from infra.errors import HooklineError
from infra.log import get_logger
from infra.requests.checks import PATH_PREFIX, join_path
from infra.requests.plan import Evaluated, RequestPlan
from infra.settings import ProcessorSettings
from infra.sla import OutcomeMeter
from infra.topics import RECORDED, RELEASED, REQUEST_DEAD_LETTERS, action_topic
from processors.core.dedupe import Entry, Verdict, decide, decode_entry, ends_at_us, kept_until
from processors.core.duplicates import duplicate_outcome
from processors.core.outputs import RecordOrigin, action_request, delivery_record, forwarded_headers, hops_of
from processors.host.lease import Batch
from processors.host.publisher import Outputs
from processors.host.table import PartitionTable, TableWrites
from processors.messages import action_key, dedupe_key, origin_received_at_us, planned_request
from processors.plans import Plans
from schemas import headers as record_headers
from schemas.headers import DeliveryHeaders, HeaderError
from schemas.records import DeadLetter, DispatchStatus, ErrorCode, KeyReleased, Origin

#: How long a batch waits for the configuration version its requests were accepted under.
_CONFIGURATION_SECONDS_MAX = 10.0
_CONFIGURATION_POLL_SECONDS = 0.02
#: Entries are swept this long after their window, so that clocks of several ingresses may differ.
_SWEEP_MARGIN_US = 60 * MICROSECONDS
#: How a record may end, as the metrics name it.
OUTCOMES = ("dispatched", "duplicate", "filtered", "failed", "dead_letter")
_log = get_logger(__name__)


class Lane(NamedTuple):
    """One source topic. `short` is its incarnation in 8 bytes, `incarnation` as the broker names it."""

    number: int
    incarnation: str
    short: bytes


class _Context(NamedTuple):
    batch: Batch
    lane: Lane
    outputs: Outputs
    writes: TableWrites
    plans: dict[tuple[str, str], RequestPlan | None]


class RequestPipeline:
    """The handler of the batch host."""

    def __init__(
        self, settings: ProcessorSettings, plans: Plans, lanes: Mapping[str, Lane], meter: OutcomeMeter
    ) -> None:
        self._settings = settings
        self._meter = meter
        self._plans = plans
        self._lanes = lanes
        self._newest_us: dict[int, int] = {}
        self._sweep_after: dict[int, bytes] = {}
        self._counts: dict[str, int] = {}
        metrics.begin_at_zero(metrics.PROCESSORS_RECORDS, OUTCOMES)

    async def handle(self, batch: Batch, outputs: Outputs, writes: TableWrites) -> None:
        """Decide every record of `batch` and queue what follows. Awaits only configuration that is on its way."""
        started = time.perf_counter()
        context = _Context(batch, self._lanes[batch.partition.topic], outputs, writes, {})
        self._counts = {}
        if batch.partition.topic == RELEASED:
            for message in batch.messages:
                self._release(message, batch.table, writes)
        else:
            await self._handle_requests(context)
        self._report(batch, time.perf_counter() - started)

    def expire(self, table: PartitionTable, writes: TableWrites) -> None:
        """Delete a slice of entries whose window ended, on ingress time; the next call goes on behind it."""
        horizon = self._newest_us.get(table.partition, 0) - _SWEEP_MARGIN_US
        limit = self._settings.expiry_slice_keys
        entries = table.scan(self._sweep_after.get(table.partition, b""), limit)
        for key, value in entries:
            if _ended(value, horizon) and table.get(key) == value:
                writes.delete(key)
        self._sweep_after[table.partition] = entries[-1][0] if len(entries) == limit else b""
        metrics.PROCESSORS_DEDUPE_EXPIRED.inc(len(writes.changes))

    async def _handle_requests(self, context: _Context) -> None:
        decoded: list[tuple[Any, DeliveryHeaders]] = []
        versions: dict[tuple[str, str], int] = {}
        for message in context.batch.messages:
            try:
                headers = record_headers.decode(message.headers())
            except HeaderError as error:
                self._dead_letter(context, message, ErrorCode.INTERNAL, f"decode: {error}")
                continue
            decoded.append((message, headers))
            webhook = (headers.tenant_id, headers.webhook_id)
            versions[webhook] = max(headers.config_version, versions.get(webhook, 0))
        await self._await_configuration(versions)
        for webhook in versions:
            context.plans[webhook] = self._plans.find(*webhook)
        for message, headers in decoded:
            try:
                self._handle_request(context, message, headers)
            except HooklineError:
                raise
            except Exception as error:  # noqa: BLE001  # the dead-letter step: one bad record must not stop the rest
                self._dead_letter(context, message, ErrorCode.INTERNAL, f"{type(error).__name__}: {error}")
                failure = {"code": "INTERNAL", "message": "the request could not be processed", "path": None}
                self._record(context, headers, DispatchStatus.FAILED, error=failure)
        if decoded:
            number = context.batch.partition.number
            newest = max(headers.received_at_us for _, headers in decoded)
            self._newest_us[number] = max(self._newest_us.get(number, 0), newest)

    def _handle_request(self, context: _Context, message: Any, headers: DeliveryHeaders) -> None:
        plan = context.plans[headers.tenant_id, headers.webhook_id]
        if plan is None:
            failure = {"code": "INTERNAL", "message": "the webhook no longer exists", "path": None}
            self._record(context, headers, DispatchStatus.FAILED, error=failure)
            return
        request = planned_request(message, headers)
        key = dedupe_key(headers)
        verdict = Verdict.NEW
        if key is not None:
            stored = context.batch.table.get(key)
            if stored is not None:
                first = decode_entry(stored)
                verdict = decide(first, _entry(context, message, headers, plan))
                if verdict is Verdict.DUPLICATE:
                    outcome = duplicate_outcome(plan.config, request, first)
                    self._record(
                        context,
                        headers,
                        DispatchStatus.DUPLICATE,
                        duplicate_of=first.delivery_id,
                        outcome=outcome,
                        metadata=plan.config.metadata,
                    )
                    return
        evaluated = plan.evaluate(request)
        if evaluated.fields is None:
            self._end(context, headers, evaluated)
            return
        if key is not None:
            if verdict is Verdict.NEW:
                context.writes.put(
                    key, kept_until(_entry(context, message, headers, plan), headers.received_at_us).encode()
                )
            else:
                self._count("redelivered")
        self._dispatch(context, message, headers, plan=plan, evaluated=evaluated, key=key)

    def _end(self, context: _Context, headers: DeliveryHeaders, evaluated: Evaluated) -> None:
        """Record a request that goes no further; its key stays free."""
        _, stopped_by, refusal, warnings, metadata = evaluated
        if stopped_by is not None:
            path = join_path(PATH_PREFIX, stopped_by.path)
            outcome: dict[str, Any] | None = {"stopped_by": {"path": path, "rule": stopped_by.rule}}
            self._record(context, headers, DispatchStatus.FILTERED, outcome=outcome, metadata=metadata)
            return
        assert refusal is not None  # noqa: S101  # without fields one of the two is set
        failure = {"code": refusal.code.value, "message": refusal.message, "path": refusal.path}
        outcome = {"warnings": list(warnings)} if warnings else None
        self._record(context, headers, DispatchStatus.FAILED, error=failure, outcome=outcome, metadata=metadata)

    def _dispatch(
        self,
        context: _Context,
        message: Any,
        headers: DeliveryHeaders,
        *,
        plan: RequestPlan,
        evaluated: Evaluated,
        key: bytes | None,
    ) -> None:
        handler, fields = plan.handler, evaluated.fields
        assert handler is not None  # noqa: S101  # plans without one carry a refusal
        assert fields is not None  # noqa: S101  # what has none has ended before
        origin = RecordOrigin(*context.batch.partition, message.offset(), context.lane.incarnation)
        value = action_request(
            plan.config,
            handler,
            headers,
            fields,
            origin=origin,
            release_key=key,
            hops=hops_of(headers),
            warnings=evaluated.warnings,
            metadata=evaluated.metadata,
        )
        context.outputs.send(
            action_topic(plan.config.priority),
            key=action_key(plan, handler, headers, fields=fields, record_key=message.key()),
            value=value,
            headers=forwarded_headers(headers),
        )
        self._count("dispatched")

    def _record(self, context: _Context, headers: DeliveryHeaders, status: DispatchStatus, **facts: Any) -> None:
        at_us = now_us()
        plan = context.plans[headers.tenant_id, headers.webhook_id]
        handler = None if plan is None else plan.config.handler_config
        context.outputs.send(
            RECORDED,
            key=headers.delivery_id.encode(),
            value=delivery_record(headers, status, at_us, handler=handler, **facts),
            headers=forwarded_headers(headers),
        )
        self._count(status.value)
        if plan is not None and not headers.is_test and headers.replay is None:
            self._meter.measure(plan.config.priority, headers.received_at_us, at_us)

    def _release(self, message: Any, table: PartitionTable, writes: TableWrites) -> None:
        """Forget a key whose action failed for good, unless a newer request holds it by now."""
        key = message.key()
        try:
            released = KeyReleased.model_validate_json(message.value() or b"")
        except ValidationError as error:
            _log.error("release.malformed", offset=message.offset(), problems=error.error_count())
            return
        value = table.get(key)
        if value is not None and decode_entry(value).delivery_id == released.delivery_id:
            writes.delete(key)
            metrics.PROCESSORS_KEYS_RELEASED.inc()
            self._count("released")

    def _dead_letter(self, context: _Context, message: Any, code: ErrorCode, reason: str) -> None:
        origin = Origin(
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
            incarnation=context.lane.incarnation,
        )
        letter = DeadLetter(stage="processors", code=code, message=reason, origin=origin, failed_at=now_us())
        headers = [*(message.headers() or []), (record_headers.DEAD_LETTER, letter.model_dump_json().encode())]
        context.outputs.send(REQUEST_DEAD_LETTERS, key=message.key(), value=message.value(), headers=headers)
        self._count("dead_letter")

    async def _await_configuration(self, versions: Mapping[tuple[str, str], int]) -> None:
        """Wait, within a bound, until the configuration is at least as new as the one the ingress used."""
        deadline = time.monotonic() + _CONFIGURATION_SECONDS_MAX
        for (tenant_id, webhook_id), version in versions.items():
            while self._plans.version(tenant_id, webhook_id) < version and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(_CONFIGURATION_POLL_SECONDS)  # the table lives on another thread

    def _count(self, outcome: str) -> None:
        self._counts[outcome] = self._counts.get(outcome, 0) + 1

    def _report(self, batch: Batch, seconds: float) -> None:
        metrics.PROCESSORS_REDELIVERIES.inc(self._counts.pop("redelivered", 0))
        for outcome, count in self._counts.items():
            metrics.PROCESSORS_RECORDS.labels(outcome).inc(count)
        _log.info(
            "batch.processed",
            topic=batch.partition.topic,
            partition=batch.partition.number,
            records=len(batch.messages),
            end=batch.end,
            milliseconds=round(seconds * 1_000, 1),
            **self._counts,
        )


def _entry(context: _Context, message: Any, headers: DeliveryHeaders, plan: RequestPlan) -> Entry:
    """The dedupe entry this request would make: a replay's is of its origin's time, as if it ran then."""
    return Entry(
        origin_received_at_us(headers),
        plan.config.idempotency_window_seconds,
        context.lane.number,
        context.batch.partition.number,
        message.offset(),
        context.lane.short,
        headers.delivery_id,
    )


def _ended(value: bytes, horizon_us: int) -> bool:
    try:
        return ends_at_us(value) < horizon_us
    except ValueError:
        return False
