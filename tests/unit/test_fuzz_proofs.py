"""Whatever stands in headers, query and body, a verifier gives a verdict and an explanation; it never fails."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.presets import load_presets
from infra.proofs import requests as reasons
from infra.proofs.explain import explain
from infra.proofs.requests import Secret, SignedRequest
from infra.proofs.signed_ids import signed_id_of
from infra.proofs.verify import build_verifier
from infra.requests.headers import stored_of
from schemas.webhooks import (
    ApiKeyAuth,
    AuthConfig,
    BasicAuth,
    BearerAuth,
    HmacAuth,
    IpAllowlistAuth,
    PathTokenAuth,
    PresetAuth,
    SealedSecret,
    StandardWebhooksAuth,
)

PRESETS = load_presets()
SEALED = (SealedSecret(sealed="v1.none.none"),)
REASONS = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
NOW_US = 1_790_000_000_000_000
SECRET = "whsec_c2l4dGVlbiBieXRlcyBhbmQgbW9yZSBvZiBpdA=="


def of_preset(name: str) -> PresetAuth:
    preset = PRESETS[name]
    fields: dict[str, Any] = {
        field: preset.samples[0].fields.get(field, "x-own")
        for field, found in preset.fields.items()
        if not found.secret
    }
    sealed = () if preset.secret_field is None else SEALED
    return PresetAuth.model_validate({"preset": name, **fields, "secrets": sealed})


SCHEMES: dict[str, AuthConfig] = {
    "hmac": HmacAuth(signed_payload="{id}.{timestamp}.{header:x-a}.{body}", timestamp_header="x-t", secrets=SEALED),
    "hmac base64url": HmacAuth(encoding="base64url", algorithm="sha512", prefix="v1=", secrets=SEALED),
    "bearer": BearerAuth(secrets=SEALED),
    "basic": BasicAuth(username="rmm", secrets=SEALED),
    "api_key": ApiKeyAuth(secrets=SEALED),
    "path_token": PathTokenAuth(secrets=SEALED),
    "standard_webhooks": StandardWebhooksAuth(secrets=SEALED),
    "ip_allowlist": IpAllowlistAuth(ip_cidrs=("10.0.0.0/8", "fd00::/8")),
    **{name: of_preset(name) for name in PRESETS},
}
#: Header values are latin-1 text, as the receiver reads them.
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=80),
    st.sampled_from(
        ["t=,v1=", "t=9999999999999999,v1=zz", "v1,", "v1a,AAAA", "v1,=====", " , ,", "sha256=", "Basic =", "Bearer "]
    ),
    st.sampled_from(
        ["Basic \xff", "1e9", "-1", "2026-02-30T00:00:00Z", "9" * 400, "\u00b2", "AA==" * 200, "0" * 64, "ff" * 64]
    ),
)
BODIES = st.one_of(
    st.binary(max_size=120),
    st.sampled_from(
        [b'{"value":[{"clientState":1},{"clientState":null}]}', b'{"sharedSecret":["a"]}', b"[" * 500, b"a=%zz&a"]
    ),
)


def named_headers(auth: AuthConfig) -> st.SearchStrategy[dict[str, str]]:
    """Headers that the scheme looks at, and some it does not."""
    known = [
        "authorization",
        "x-signature",
        "x-t",
        "x-a",
        "x-api-key",
        "webhook-id",
        "webhook-timestamp",
        "content-type",
    ]
    preset = PRESETS.get(auth.preset) if isinstance(auth, PresetAuth) else None
    if preset is not None:
        for sample in preset.samples:
            known += [name.lower() for name in sample.headers]
    return st.dictionaries(st.sampled_from(sorted(set(known))), VALUES, max_size=8)


@pytest.mark.parametrize("name", SCHEMES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_no_request_makes_a_verifier_fail(name: str, data: st.DataObject) -> None:
    auth = SCHEMES[name]
    headers = data.draw(named_headers(auth))
    query = data.draw(st.text(st.characters(max_codepoint=255), max_size=40))
    address = data.draw(st.sampled_from(["203.0.113.7", "10.1.2.3", "fd00::1", "nonsense", ""]))
    request = SignedRequest("POST", "/a\xe9", query, headers, data.draw(BODIES), address, "https://a.example")
    secrets = [Secret(SECRET.encode(), None), Secret(SECRET.encode()[:-4], NOW_US - 1)]
    reason = build_verifier(auth, secrets, PRESETS)(request, NOW_US)
    assert reason is None or reason in REASONS
    assert explain(auth, secrets, request, NOW_US, PRESETS).reason == reason
    read = signed_id_of(auth, PRESETS)
    assert read is None or isinstance(read(request), str | None)
    stored = stored_of(auth, PRESETS).pick(headers)
    assert stored.items() <= headers.items()
