"""Trace context: continued where it is valid, begun where it is not, the SDK's where there is one."""

import re

import pytest

from ingress.tracing import choose_trace, continue_or_begin

RANDOM = "0123456789abcdef" * 3
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
INCOMING = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


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
