"""W3C trace context of an accepted request: the sender's continued, or a new one.

With an OpenTelemetry SDK configured, its API reads the context, makes a server span and writes the context on. Without
one nothing would record a span, so only the identifiers are made here, to the same rules.
"""

import re
from collections.abc import Callable, Mapping

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")

RANDOM_DIGITS = 48
Trace = Callable[[Mapping[str, str], str], str]


def continue_or_begin(headers: Mapping[str, str], random_hex: str) -> str:
    """A `traceparent` with a new span id; trace id and flags come from a valid incoming one.

    `random_hex` is RANDOM_DIGITS of lower-case hexadecimal digits.
    """
    incoming = headers.get("traceparent")
    if incoming is not None:
        match = _TRACEPARENT.fullmatch(incoming)
        if match is not None:
            return f"00-{match[1]}-{random_hex[32:48]}-{match[2]}"
    return f"00-{random_hex[:32]}-{random_hex[32:48]}-01"


def choose_trace() -> Trace:
    """How this process makes trace contexts: through the SDK when one is configured, else by itself."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return continue_or_begin
    tracer, propagator = provider.get_tracer("hookline.ingress"), TraceContextTextMapPropagator()

    def traced(headers: Mapping[str, str], random_hex: str) -> str:
        span = tracer.start_span(
            "receive webhook", context=propagator.extract(dict(headers)), kind=trace.SpanKind.SERVER
        )
        carrier: dict[str, str] = {}
        propagator.inject(carrier, context=trace.set_span_in_context(span))
        span.end()
        return carrier.get("traceparent") or continue_or_begin(headers, random_hex)

    return traced
