"""The JSON of the header `hookline-request` (schemas.records.RequestFacts), written without the model's cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from infra.requests.headers import StoredHeaders
from infra.requests.query import parse_query
from ingress.core.http1 import Head

_NO_QUERY: Mapping[str, str] = {}


def request_facts(
    head: Head,
    stored: StoredHeaders,
    source_ip: str,
    ingress_us: int,
    *,
    invalid_json: bool,
    redact_paths: Sequence[str] = (),
    priority: int | None = None,
) -> bytes:
    """The request without its body, as JSON."""
    headers = head.headers
    facts: dict[str, Any] = {
        "method": head.method,
        "path": head.path,
        "query": stored.pick_query(parse_query(head.query)) if head.query else _NO_QUERY,
        "headers": stored.pick(headers),
        "source_ip": source_ip,
        "user_agent": headers.get("user-agent"),
        "content_type": headers.get("content-type"),
        "ingress_us": ingress_us,
        "invalid_json": invalid_json,
        "priority": priority,
    }
    if redact_paths:
        facts["redact_paths"] = redact_paths
    return orjson.dumps(facts)
