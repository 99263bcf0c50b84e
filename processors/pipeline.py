"""The processors' work on a batch: decode, dedupe, map, route. Every record ends in exactly one output."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from infra import metrics
from infra.clock import MICROSECONDS, now_us
from infra.errors import HooklineError
from infra.log import get_logger
from infra.requests.body import as_json_text
from infra.requests.errors import RecordRefusedError
from infra.settings import ProcessorSettings
from infra.topics import ACTIONS, RECORDED, RELEASED, REQUEST_DEAD_LETTERS
from processors.core.dedupe import Entry, Verdict, decide, decode_entry, ends_at_us
from processors.core.outputs import RecordOrigin, action_request, delivery_record
from processors.host.lease import Batch
from processors.host.publisher import Outputs
from processors.host.table import PartitionTable, TableWrites
from processors.plans import Plan, Plans
from schemas import headers as record_headers
from schemas.bodies import FORM
from schemas.headers import DeliveryHeaders, HeaderError
from schemas.keys import entity_key, request_key
from schemas.records import DeadLetter, DispatchStatus, ErrorCode, KeyReleased, Origin

#: How long a batch waits for the configuration version its requests were accepted under.
_CONFIGURATION_SECONDS_MAX = 10.0
_CONFIGURATION_POLL_SECONDS = 0.02
_JSON_CONTENT = b'"content_type":"application/json'
_INVALID_JSON = b'"invalid_json":true'
_HOPS_HEADER = b'"hookline-hops"'
#: Entries are swept this long after their window, so that clocks of several ingresses may differ.
_SWEEP_MARGIN_US = 60 * MICROSECONDS
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
    plans: dict[tuple[str, str], Plan | None]


class RequestPipeline:
    """The handler of the batch host."""

    def __init__(self, settings: ProcessorSettings, plans: Plans, lanes: Mapping[str, Lane]) -> None:
        self._settings = settings
        self._plans = plans
        self._lanes = lanes
        self._newest_us: dict[int, int] = {}
        self._sweep_after: dict[int, bytes] = {}
        self._counts: dict[str, int] = {}

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
        key: bytes | None = None
        verdict = Verdict.NEW
        if headers.dedupe_key is not None and (headers.replay is None or headers.replay.mode != "redrive"):
            key = request_key(headers.tenant_id, headers.webhook_id, headers.dedupe_key)
            stored = context.batch.table.get(key)
            if stored is not None:
                first = decode_entry(stored)
                verdict = decide(first, _entry(context, message, headers, plan))
                if verdict is Verdict.DUPLICATE:
                    self._record(context, headers, DispatchStatus.DUPLICATE, duplicate_of=first.delivery_id)
                    return
        try:
            fields = self._map(plan, message, headers)
        except RecordRefusedError as refusal:
            failure = {"code": refusal.code.value, "message": refusal.message, "path": refusal.path}
            self._record(context, headers, DispatchStatus.FAILED, error=failure)
            return
        if key is not None:
            if verdict is Verdict.NEW:
                context.writes.put(key, _entry(context, message, headers, plan).encode())
            else:
                self._count("redelivered")
        self._dispatch(context, message, headers, (plan, fields, key))

    def _map(self, plan: Plan, message: Any, headers: DeliveryHeaders) -> dict[str, Any]:
        if plan.refusal is not None or plan.mapping is None:
            raise plan.refusal or RecordRefusedError(ErrorCode.INTERNAL, "the webhook has no mapping")
        if _INVALID_JSON in headers.request:
            raise RecordRefusedError(ErrorCode.INVALID_JSON, "the body is not JSON")
        body = as_json_text(message.value() or b"", is_form=_is_form(headers))
        bindings = _bindings(plan, message, headers) if plan.mapping.variables else None
        now_ms = headers.received_at_us // 1_000
        mapped = plan.mapping.evaluate(body, bindings, now_ms=now_ms, seed=int(headers.delivery_id[-8:], 16))
        return plan.fields(_loads(mapped))

    def _dispatch(
        self,
        context: _Context,
        message: Any,
        headers: DeliveryHeaders,
        planned: tuple[Plan, dict[str, Any], bytes | None],
    ) -> None:
        plan, fields, key = planned
        config, handler = plan.config, plan.handler
        assert handler is not None  # noqa: S101  # plans without one carry a refusal
        external_id = fields.get("external_id") or headers.delivery_id
        namespace = str(handler.options.get("external_ids_of") or headers.webhook_id)
        origin = RecordOrigin(*context.batch.partition, message.offset(), context.lane.incarnation)
        value = action_request(config, handler, headers, fields, origin=origin, release_key=key, hops=_hops(headers))
        context.outputs.send(
            ACTIONS,
            key=entity_key(headers.tenant_id, namespace, external_id),
            value=value,
            headers=_forwarded(headers),
        )
        self._count("dispatched")

    def _record(self, context: _Context, headers: DeliveryHeaders, status: DispatchStatus, **facts: Any) -> None:
        context.outputs.send(
            RECORDED,
            key=headers.delivery_id.encode(),
            value=delivery_record(headers, status, now_us(), **facts),
            headers=_forwarded(headers),
        )
        self._count(status.value)

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


def _entry(context: _Context, message: Any, headers: DeliveryHeaders, plan: Plan) -> Entry:
    """The dedupe entry this request would make."""
    return Entry(
        headers.received_at_us,
        plan.config.idempotency_window_seconds,
        context.lane.number,
        context.batch.partition.number,
        message.offset(),
        context.lane.short,
        headers.delivery_id,
    )


def _forwarded(headers: DeliveryHeaders) -> list[tuple[str, bytes]]:
    forwarded = [
        (record_headers.DELIVERY_ID, headers.delivery_id.encode()),
        (record_headers.TENANT_ID, headers.tenant_id.encode()),
    ]
    if headers.traceparent is not None:
        forwarded.append((record_headers.TRACEPARENT, headers.traceparent.encode()))
    return forwarded


def _bindings(plan: Plan, message: Any, headers: DeliveryHeaders) -> dict[str, Any]:
    facts = orjson.loads(headers.request)
    return {
        "headers": facts.get("headers", {}),
        "query": facts.get("query", {}),
        "delivery": {
            "id": headers.delivery_id,
            "received_at": headers.received_at_us,
            "idempotency_key": headers.dedupe_key,
        },
        "metadata": plan.config.metadata,
        "kafka": {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "timestamp": message.timestamp()[1],
        },
    }


def _is_form(headers: DeliveryHeaders) -> bool:
    """Whether the body is a form; the facts are parsed only where they do not plainly say JSON."""
    if _JSON_CONTENT in headers.request:
        return False
    content_type = orjson.loads(headers.request).get("content_type")
    return isinstance(content_type, str) and content_type.lower().startswith(FORM)


def _hops(headers: DeliveryHeaders) -> int:
    if _HOPS_HEADER not in headers.request:
        return 0
    text = str(orjson.loads(headers.request).get("headers", {}).get("hookline-hops", "0"))
    return int(text) if text.isdecimal() and len(text) <= 4 else 0  # more digits are no hop count


def _loads(text: str) -> dict[str, Any]:
    """The mapped object. The slower parser takes what the fast one refuses: big integers, lone surrogates."""
    try:
        mapped: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        mapped = json.loads(text)
    return mapped


def _ended(value: bytes, horizon_us: int) -> bool:
    try:
        return ends_at_us(value) < horizon_us
    except ValueError:
        return False
