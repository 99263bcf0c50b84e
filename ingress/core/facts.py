"""The JSON of the header `hookline-request` (schemas.records.RequestFacts), written without the model's cost."""

from collections.abc import Mapping

import orjson

from infra.requests.headers import StoredHeaders
from infra.requests.query import parse_query
from ingress.core.http1 import Head

_NO_QUERY: Mapping[str, str] = {}


def request_facts(head: Head, stored: StoredHeaders, source_ip: str, ingress_us: int, *, invalid_json: bool) -> bytes:
    """The request without its body, as JSON."""
    headers = head.headers
    return orjson.dumps(
        {
            "method": head.method,
            "path": head.path,
            "query": stored.pick_query(parse_query(head.query)) if head.query else _NO_QUERY,
            "headers": stored.pick(headers),
            "source_ip": source_ip,
            "user_agent": headers.get("user-agent"),
            "content_type": headers.get("content-type"),
            "ingress_us": ingress_us,
            "invalid_json": invalid_json,
        }
    )
