"""Members that mean the same for every webhook: name, slug, metadata, redaction, dedupe key, order, bounds, filters."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from infra.requests.paths import PathError, compile_path
from management.inbound_webhooks.rules.expressions import ExpressionRules
from management.inbound_webhooks.rules.problems import Problems, check_shape, joined
from management.inbound_webhooks.schemas import MemberSettings
from schemas.webhooks import HEADER_PATTERN, SLUG_PATTERN

METADATA_BYTES_MAX = 16_384
METADATA_NAME_LENGTH_MAX = 255
ENRICHMENT_RULES_MAX = 50
ENRICHMENT_BYTES_MAX = 65_536
#: Slugs that integrations of their own go by. Compared in lower case with `_` as `-`.
RESERVED_SLUGS = frozenset(
    {"ninjaone", "tacticalrmm", "tactical-rmm", "tanium", "levelio", "datto", "huntress", "connectwise-automate"}
    | {"hudu", "xero", "xero-csv", "qbo", "quickbooks-online", "quickbooks-desktop", "quickbooks-csv"}
    | {"entra", "entra-id", "microsoft-graph", "microsoft", "google"}
)


def check_members(document: Mapping[str, Any], expressions: ExpressionRules, problems: Problems) -> None:
    """Everything but scheme, handler and what has to be looked up."""
    given = {name: value for name, value in document.items() if name in MemberSettings.model_fields}
    _check_slug(given.get("slug"), problems)
    shape = Problems()
    check_shape(MemberSettings, given, "", shape)
    for problem in shape.found:
        if not (problem.path == "slug" and problems.at("slug")) and not problem.path.startswith("metadata."):
            problems.add(problem.path, problem.message)
    _check_metadata(given.get("metadata"), problems)
    _check_enrichment(given.get("enrichment"), given.get("metadata"), expressions, problems)
    _check_redact_paths(given.get("redact_paths"), problems)
    _check_key_source(given.get("idempotency_source"), expressions, problems)
    ordering_key = given.get("ordering_key")
    if isinstance(ordering_key, str) and not problems.at("ordering_key"):
        expressions.check_key("ordering_key", ordering_key, problems)
    filters = given.get("filters")
    if isinstance(filters, dict):
        expressions.check_filters("filters", filters, problems)


def _check_slug(slug: Any, problems: Problems) -> None:
    if not isinstance(slug, str):
        return
    if re.fullmatch(SLUG_PATTERN, slug) is None:
        form = "must be 1 to 64 of a-z, 0-9 and hyphens, with a letter or digit at both ends"
        problems.add("slug", f"slug {form}")
    if slug.lower().replace("_", "-") in RESERVED_SLUGS:
        problems.add("slug", f"slug {slug} is reserved for an integration of its own")


def _check_metadata(metadata: Any, problems: Problems) -> None:
    if not isinstance(metadata, dict):
        return
    for name, value in metadata.items():
        if isinstance(value, dict | list):
            problems.add(joined("metadata", name), f"metadata.{name} must be text, a number, true, false or null")
        if not 1 <= len(name) <= METADATA_NAME_LENGTH_MAX:
            problems.add("metadata", f"metadata: a name must have 1 to {METADATA_NAME_LENGTH_MAX} characters")
    size = len(orjson.dumps(metadata))
    if size > METADATA_BYTES_MAX:
        problems.add("metadata", f"metadata must have at most {METADATA_BYTES_MAX:,} bytes as JSON, but has {size:,}")


def _check_enrichment(enrichment: Any, metadata: Any, expressions: ExpressionRules, problems: Problems) -> None:
    if not isinstance(enrichment, dict):
        return
    for name, source in enrichment.items():
        path = joined("enrichment", name)
        if not 1 <= len(name) <= METADATA_NAME_LENGTH_MAX:
            problems.add("enrichment", f"enrichment: a name must have 1 to {METADATA_NAME_LENGTH_MAX} characters")
        elif isinstance(metadata, dict) and name in metadata:
            problems.add(path, f"{name} is a fixed member of metadata already")
        if isinstance(source, str):
            expressions.check(path, source, problems)
    if len(enrichment) > ENRICHMENT_RULES_MAX:
        problems.add("enrichment", f"enrichment must have at most {ENRICHMENT_RULES_MAX} members")
    size = len(orjson.dumps(enrichment))
    if size > ENRICHMENT_BYTES_MAX:
        message = f"enrichment must have at most {ENRICHMENT_BYTES_MAX:,} bytes as JSON, but has {size:,}"
        problems.add("enrichment", message)


def _check_redact_paths(paths: Any, problems: Problems) -> None:
    for number, text in enumerate(paths if isinstance(paths, list) else ()):
        if isinstance(text, str):
            try:
                compile_path(text)
            except PathError as error:
                problems.add(joined("redact_paths", number), f"redact_paths: {text!r} {error}")


def _check_key_source(source: Any, expressions: ExpressionRules, problems: Problems) -> None:
    if not isinstance(source, dict) or problems.at("idempotency_source"):
        return
    path = "idempotency_source.value"
    if source["type"] == "jsonata":
        expressions.check_key(path, source["value"], problems)
    elif re.fullmatch(HEADER_PATTERN, source["value"]) is None:
        problems.add(path, f"{source['value']!r} is not the name of a header")
