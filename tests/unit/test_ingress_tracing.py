"""Trace context: continued where it is valid, begun where it is not, the SDK's where there is one."""

import re
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

from ingress.tracing import choose_trace, continue_or_begin

RANDOM = "0123456789abcdef" * 3
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
INCOMING = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
OWN_TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
SPAN_ID = 0xB7AD6B7169203331


class EndingSpan(NonRecordingSpan):
    """A span that knows whether it was ended."""

    ended = False

    def end(self, end_time: int | None = None) -> None:
        self.ended = True


class RecordingTracer(trace.Tracer):
    """What an SDK does with a parent: its trace is continued, where there is none one begins."""

    def __init__(self, *, valid: bool) -> None:
        self._valid = valid
        self.started: list[tuple[str, SpanKind, SpanContext]] = []
        self.spans: list[EndingSpan] = []

    def start_span(
        self, name: str, context: Context | None = None, kind: SpanKind = SpanKind.INTERNAL, *_: Any, **__: Any
    ) -> Span:
        parent = trace.get_current_span(context).get_span_context()
        self.started.append((name, kind, parent))
        own = SpanContext(parent.trace_id or OWN_TRACE_ID, SPAN_ID, False, TraceFlags(TraceFlags.SAMPLED))
        self.spans.append(EndingSpan(own if self._valid else trace.INVALID_SPAN_CONTEXT))
        return self.spans[-1]

    def start_as_current_span(self, name: str, *_: Any, **__: Any) -> Any:
        return trace.use_span(self.start_span(name))


class Provider(trace.TracerProvider):
    """A configured SDK, as far as the API can see."""

    def __init__(self, tracer: RecordingTracer) -> None:
        self._tracer = tracer

    def get_tracer(self, instrumenting_module_name: str, *_: Any, **__: Any) -> trace.Tracer:
        assert instrumenting_module_name == "hookline.ingress"
        return self._tracer


def tracer_in_force(monkeypatch: pytest.MonkeyPatch, *, valid: bool = True) -> RecordingTracer:
    tracer = RecordingTracer(valid=valid)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: Provider(tracer))
    return tracer


def test_a_valid_context_is_continued_with_a_new_span_and_its_flags() -> None:
    continued = continue_or_begin({"traceparent": INCOMING}, RANDOM)
    assert continued == f"00-4bf92f3577b34da6a3ce929d0e0e4736-{RANDOM[32:48]}-00"


@pytest.mark.parametrize(
    "incoming",
    [
        "",
        "00-short-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        INCOMING.upper(),
        INCOMING + "-x",
    ],
)
def test_an_invalid_context_is_not_continued(incoming: str) -> None:
    begun = continue_or_begin({"traceparent": incoming}, RANDOM)
    assert begun == f"00-{RANDOM[:32]}-{RANDOM[32:48]}-01"
    assert TRACEPARENT.fullmatch(begun)


def test_without_an_sdk_the_identifiers_are_made_here() -> None:
    assert choose_trace() is continue_or_begin


def test_with_an_sdk_the_senders_trace_is_continued_by_a_server_span_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracer = tracer_in_force(monkeypatch)
    traced = choose_trace()
    assert traced({"traceparent": INCOMING}, RANDOM) == "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01"
    [(name, kind, parent)] = tracer.started
    assert (name, kind) == ("receive webhook", SpanKind.SERVER)
    assert (parent.trace_id, parent.span_id, parent.is_remote) == (TRACE_ID, 0x00F067AA0BA902B7, True)
    assert [span.ended for span in tracer.spans] == [True]


@pytest.mark.parametrize("headers", [{}, {"traceparent": "00-short-00f067aa0ba902b7-01"}])
def test_with_an_sdk_a_trace_begins_where_the_sender_gives_none(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    tracer = tracer_in_force(monkeypatch)
    traced = choose_trace()
    begun = [traced(headers, RANDOM) for _ in range(2)]
    assert begun == ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] * 2
    assert [parent.is_valid for _, _, parent in tracer.started] == [False, False], "one request is not another's parent"


def test_where_the_sdk_gives_no_valid_span_the_identifiers_are_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    tracer_in_force(monkeypatch, valid=False)
    assert choose_trace()({"traceparent": INCOMING}, RANDOM) == continue_or_begin({"traceparent": INCOMING}, RANDOM)
