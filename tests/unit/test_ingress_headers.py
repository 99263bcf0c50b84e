"""What is stored of a request, and that the facts written fast are the facts of the model."""

import pytest

from infra.presets import load_presets
from infra.requests.headers import (
    STORED_BYTES_MAX,
    STORED_OF_NOBODY,
    StoredHeaders,
    is_secret_name,
    pick_query,
    proof_body_path,
    proof_headers,
    proof_parameters,
    stored_of,
)
from ingress.core.facts import request_facts
from ingress.core.http1 import Head
from schemas.records import RequestFacts
from schemas.webhooks import ApiKeyAuth, HmacAuth, NoAuth, PathTokenAuth, PresetAuth, SealedSecret


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Proxy-Authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "X-Auth-Token",
        "x-hub-signature",
        "client-secret",
        "x-password",
        "apikey",
        "api_key",
        "x-key",
        "x-session-id",
        "x-amz-security-token",
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["user-agent", "x-github-event", "x-monkey", "content-type", "x-author", "keyboard"])
def test_other_names_are_kept(name: str) -> None:
    assert not is_secret_name(name)


def test_the_webhooks_own_proof_header_is_dropped_whatever_its_name() -> None:
    stored = StoredHeaders("X-Proof")
    for _ in range(2):
        assert stored.pick({"x-proof": "abc", "x-event": "push"}) == {"x-event": "push"}


def test_the_webhooks_own_proof_parameter_is_dropped_wherever_it_stands() -> None:
    stored = stored_of(PathTokenAuth(query_param="k", secrets=(SealedSecret(sealed="v1.none.none"),)), {})
    headers = {"referer": "https://hooks.example/api/inbound/acme/rmm?a=1&k=planted", "x-event": "push"}
    assert stored.pick(headers) == {"x-event": "push"}
    head = Head("POST", "/api/inbound/acme/rmm", "a=1&k=planted", headers, True, 2)
    assert b"planted" not in request_facts(head, stored, "10.0.0.1", 250, invalid_json=False)


def test_of_a_request_for_nobody_only_headers_are_kept_that_hold_no_proof_anywhere() -> None:
    headers = {"referer": "https://hooks.example?k=planted", "x-door": "planted", "host": "a", "user-agent": "curl/8"}
    assert STORED_OF_NOBODY.pick(headers) == {"host": "a", "user-agent": "curl/8"}


@pytest.mark.parametrize("name", ["x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri"])
def test_headers_in_which_proxies_write_the_whole_url_are_dropped(name: str) -> None:
    assert StoredHeaders().pick({name: "/api/inbound/acme/rmm?token=planted"}) == {}


def test_stored_headers_are_bounded_in_size() -> None:
    headers = {f"x-{number}": "v" * 1_000 for number in range(100)}
    picked = StoredHeaders().pick(headers)
    assert 10 <= len(picked) <= 17
    assert sum(len(name) + len(value) for name, value in picked.items()) <= STORED_BYTES_MAX


def test_secrets_in_the_query_are_dropped() -> None:
    assert pick_query({"token": "abc", "event": "push", "api_key": "x"}) == {"event": "push"}


def test_the_facts_are_those_of_the_model() -> None:
    headers = {"user-agent": "curl/8", "content-type": "application/json", "x-event": "püsh", "authorization": "x"}
    head = Head("POST", "/api/inbound/acme/rmm", "a=1&token=x&b=%20c", headers, True, 2)
    written = request_facts(head, StoredHeaders(), "10.0.0.1", 250, invalid_json=True)
    assert RequestFacts.model_validate_json(written) == RequestFacts(
        method="POST",
        path="/api/inbound/acme/rmm",
        query={"a": "1", "b": " c"},
        headers={"user-agent": "curl/8", "content-type": "application/json", "x-event": "püsh"},
        source_ip="10.0.0.1",
        user_agent="curl/8",
        content_type="application/json",
        ingress_us=250,
        invalid_json=True,
    )


def test_where_a_webhook_looks_for_its_proof_nothing_is_kept() -> None:
    secrets = (SealedSecret(sealed="v1.none.none"),)
    assert proof_headers(HmacAuth(signature_header="X-Proof", secrets=secrets), {}) == ("X-Proof",)
    assert proof_headers(ApiKeyAuth(header="X-Door", secrets=secrets), {}) == ("X-Door",)
    assert proof_parameters(PathTokenAuth(query_param="k", secrets=secrets), {}) == ("k",)
    assert proof_headers(NoAuth(acknowledge_unauthenticated=True), {}) == ()
    assert pick_query({"k": "open sesame", "kind": "alert"}, "k") == {"kind": "alert"}


def test_a_proof_that_stands_in_the_body_is_found_by_its_path() -> None:
    presets = load_presets()
    secrets = (SealedSecret(sealed="v1.none.none"),)
    assert proof_body_path(PresetAuth(preset="microsoft-graph", secrets=secrets), presets) == "$.value[*].clientState"
    assert proof_body_path(PresetAuth(preset="github", secrets=secrets), presets) is None
    assert proof_body_path(HmacAuth(secrets=secrets), presets) is None
