"""A signed id is what tells a captured request that is sent again: nothing may stand in its way.

Where a scheme signs an id, that id is the dedupe key unless the webhook names another. One in a header has to be signed
too, or whoever captured a request would change it; and a key has to be remembered for as long as the timestamp that was
signed with it is good, on a clock that runs ahead as on one that runs behind.
"""

from collections.abc import Mapping
from typing import Any

from infra.proofs.verify import proof_of
from management.inbound_webhooks.rules.problems import Problems
from management.inbound_webhooks.schemes import auth_of
from schemas.presets import Preset, SignatureProof


def check_replay_guard(members: Mapping[str, Any], presets: Mapping[str, Preset], problems: Problems) -> None:
    """`members` are a webhook's, whose `auth_config` is in order."""
    proof = proof_of(auth_of(members["auth_config"]), presets)
    if not isinstance(proof, SignatureProof) or proof.id_header is None:
        return
    source, window = members.get("idempotency_source"), members.get("idempotency_window_seconds", 86_400)
    named = source.get("value") if isinstance(source, dict) and source.get("type") == "header" else None
    if isinstance(named, str) and named.lower() != proof.id_header.lower():
        message = (
            f"idempotency_source: the signature does not cover the header {named}, so that a captured request could be "
            f"sent again under another key; use {proof.id_header}, or null, which means the same"
        )
        problems.add("idempotency_source.value", message)
    least = 0 if proof.timestamp is None else 2 * proof.timestamp.tolerance_seconds
    if isinstance(window, int) and not problems.at("idempotency_window_seconds") and window < least:
        message = (
            f"idempotency_window_seconds must be at least {least}, twice the tolerance of the timestamp: a captured "
            "request could be sent again once its id is forgotten"
        )
        problems.add("idempotency_window_seconds", message)
