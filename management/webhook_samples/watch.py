"""Which body comes first: open captures against the records of the raw topics. No client, no clock."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pydantic import ValidationError

from infra.clock import MICROSECONDS
from infra.requests.body import as_json_text
from infra.requests.errors import RecordRefusedError
from infra.requests.redaction import compile_redaction
from infra.requests.validation import is_deeper
from management.paging import microseconds
from management.webhook_samples.schemas import SAMPLE_BYTES_MAX, SAMPLE_DEPTH_MAX, Capture, Sample
from schemas import headers as record_headers
from schemas.bodies import BodyError, is_form, parse_body
from schemas.headers import DeliveryHeaders, HeaderError
from schemas.records import RequestFacts

#: A request counts by the moment it was received; its record may be written this much later.
LATE_SECONDS = 15

Partition = tuple[str, int]
Ends = Mapping[Partition, int]
_Place = tuple[int, str, int, int]


class ConsumedRecord(Protocol):
    """What is read of a `confluent_kafka.Message`."""

    def headers(self) -> Any: ...
    def value(self) -> Any: ...
    def topic(self) -> Any: ...
    def partition(self) -> Any: ...
    def offset(self) -> Any: ...


class Due(NamedTuple):
    """A capture that ends once everything up to `ends` was read: with `sample`, or (None) with nothing."""

    capture: Capture
    sample: Sample | None
    ends: Ends | None


class _Watched:
    __slots__ = ("capture", "ends", "expires_at_us", "first", "first_at", "started_at_us")

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.started_at_us = microseconds(capture.started_at)
        self.expires_at_us = microseconds(capture.expires_at)
        self.first: Sample | None = None
        self.first_at: _Place | None = None
        self.ends: Ends | None = None


class CaptureWatch:
    """Open captures, and for each the first body met so far: the earliest received; of those, the lowest place.

    A body is not final when it is met, because another partition may hold an earlier one that was not read yet. It is
    once everything that stood in the topics at that moment was read.
    """

    def __init__(self) -> None:
        self._watched: dict[tuple[str, str], _Watched] = {}

    def update(self, captures: Sequence[Capture]) -> int | None:
        """Watch these and no others; from when on records have to be read for the new ones, in microseconds."""
        before, self._watched = self._watched, {}
        begins_at_us: list[int] = []
        for capture in captures:
            key = (str(capture.tenant_id), str(capture.webhook_id))
            known = before.get(key)
            if known is None or known.capture != capture:
                known = _Watched(capture)
                begins_at_us.append(known.started_at_us)
            self._watched[key] = known
        return min(begins_at_us, default=None)

    def offer(self, record: ConsumedRecord) -> None:
        """Look at one record."""
        try:
            headers = record_headers.decode(record.headers())
        except HeaderError:
            return
        watched = self._watched.get((headers.tenant_id, headers.webhook_id))
        if watched is None or headers.is_test or headers.replay is not None:
            return
        if not watched.started_at_us <= headers.received_at_us < watched.expires_at_us:
            return
        place = (headers.received_at_us, record.topic(), record.partition(), record.offset())
        if watched.first_at is not None and watched.first_at <= place:
            return
        sample = _sample(headers, record.value() or b"")
        if sample is not None:
            watched.first, watched.first_at = sample, place

    def due(self, now_us: int) -> Iterator[Due]:
        """Captures that have their body, or whose time is over for late records too."""
        for watched in self._watched.values():
            is_over = now_us >= watched.expires_at_us + LATE_SECONDS * MICROSECONDS
            if watched.first is not None or is_over:
                yield Due(watched.capture, watched.first, watched.ends)

    def read_until(self, capture: Capture, ends: Ends) -> None:
        """Note up to where the topics are to be read before this capture ends."""
        self._watched[str(capture.tenant_id), str(capture.webhook_id)].ends = ends

    def forget(self, capture: Capture) -> None:
        """Stop watching a capture that has ended."""
        self._watched.pop((str(capture.tenant_id), str(capture.webhook_id)), None)


def _sample(headers: DeliveryHeaders, body: bytes) -> Sample | None:
    """The body as a sample, masked as in the log, or why it is none; None for no body, and for one that is not JSON."""
    if not body.strip():
        return None
    found = Sample(headers.received_at_us, headers.delivery_id, len(body), None)
    try:
        facts = RequestFacts.model_validate_json(headers.request)
        if facts.invalid_json:
            return None
        if len(body) > SAMPLE_BYTES_MAX:
            return found._replace(refusal=f"the body has {len(body)} bytes, a sample at most {SAMPLE_BYTES_MAX}")
        if is_deeper(parse_body(body, facts.content_type), SAMPLE_DEPTH_MAX):
            return found._replace(refusal=f"the body is nested deeper than {SAMPLE_DEPTH_MAX} levels")
        shown = compile_redaction(tuple(facts.redact_paths)).show(body, facts.content_type).body
        return found._replace(json_text=as_json_text(shown, is_form=is_form(facts.content_type)))
    except (ValidationError, BodyError, RecordRefusedError):
        return None
