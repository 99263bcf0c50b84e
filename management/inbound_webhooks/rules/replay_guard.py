"""A signed id is what tells a captured request that is sent again: nothing may stand in its way.

Where a scheme signs an id, that id is the dedupe key unless the webhook names another. One in a header has to be signed
too, or whoever captured a request would change it; and a key has to be remembered for as long as the timestamp that was
signed with it is good, on a clock that runs ahead as on one that runs behind.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from management.inbound_webhooks.rules.problems import Problems
from schemas.presets import Preset, SignatureProof
from schemas.webhooks import StandardWebhooksScheme

_STANDARD_ID_HEADER = "webhook-id"


class SignedId(NamedTuple):
    """The header with the id, in lower case, and how far the timestamp signed with it may be off (None: not signed)."""

    header: str
    tolerance_seconds: int | None


def signed_id(auth_type: str, config: Mapping[str, Any], presets: Mapping[str, Preset]) -> SignedId | None:
    """Of an `auth_config` in order; None where the scheme signs no id."""
    if auth_type == "standard_webhooks":
        tolerance = StandardWebhooksScheme.model_validate(config).tolerance_seconds
        return SignedId(_STANDARD_ID_HEADER, tolerance)
    preset = presets.get(config.get("preset", "")) if auth_type == "preset" else None
    proof = None if preset is None else preset.proof
    if not isinstance(proof, SignatureProof) or proof.id_header is None:
        return None
    return SignedId(proof.id_header.lower(), None if proof.timestamp is None else proof.timestamp.tolerance_seconds)


def check_replay_guard(members: Mapping[str, Any], presets: Mapping[str, Preset], problems: Problems) -> None:
    """`members` are a webhook's, whose `auth_config` is in order."""
    guard = signed_id(members["auth_type"], members["auth_config"], presets)
    if guard is None:
        return
    source, window = members.get("idempotency_source"), members.get("idempotency_window_seconds", 86_400)
    named = source.get("value") if isinstance(source, dict) and source.get("type") == "header" else None
    if isinstance(named, str) and named.lower() != guard.header:
        message = (
            f"idempotency_source: the signature does not cover the header {named}, so that a captured request could be "
            f"sent again under another key; use {guard.header}, or null, which means the same"
        )
        problems.add("idempotency_source.value", message)
    least = 2 * (guard.tolerance_seconds or 0)
    if isinstance(window, int) and not problems.at("idempotency_window_seconds") and window < least:
        message = (
            f"idempotency_window_seconds must be at least {least}, twice the tolerance of the timestamp: a captured "
            "request could be sent again once its id is forgotten"
        )
        problems.add("idempotency_window_seconds", message)
