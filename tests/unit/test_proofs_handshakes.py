"""Handshakes: conditions, what is echoed and what is not, and that no request makes them fail."""

import hmac
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.presets import load_presets
from infra.proofs.handshakes import (
    HandshakeAnswer,
    Handshakes,
    compile_handshakes,
    handshake_rules,
    handshake_token,
    uses_token,
)
from infra.proofs.requests import Secret, SignedRequest
from schemas.handshakes import ECHOED_LENGTH_MAX, HandshakeRule
from schemas.webhooks import HmacAuth, PresetAuth, SealedSecret

SEALED = (SealedSecret(sealed="v1.none.none"),)
PRESETS = load_presets()
SECRET = "a secret of sixteen characters"
OLD = "the secret of before, sixteen"
NOW_US = 1_790_000_000_000_000


def rule(**members: Any) -> HandshakeRule:
    return HandshakeRule.model_validate({"methods": ["POST"], **members})


def compiled(*rules: HandshakeRule) -> Handshakes:
    return compile_handshakes(rules, [Secret(SECRET.encode(), None), Secret(OLD.encode(), NOW_US + 1)])


def request(body: bytes = b"", *, method: str = "POST", query: str = "", **headers: str) -> SignedRequest:
    lower = {name.replace("_", "-"): value for name, value in headers.items()}
    return SignedRequest(method, "/api/inbound/acme/alerts", query, lower, body, "203.0.113.7")


def asked(handshakes: Handshakes, of: SignedRequest, *, proven: bool = True, now_us: int = NOW_US) -> Any:
    return handshakes.find(of, proven=proven, now_us=now_us)


CHALLENGE = rule(when=[{"source": "body.type", "equals": "url_verification"}], text="{body.challenge}")
VERIFY = rule(
    methods=["GET", "HEAD"], proof="none", when=[{"source": "query.t", "equals_token": True}], text="{query.c}"
)


def test_a_request_that_meets_every_condition_is_answered() -> None:
    body = b'{"type":"url_verification","challenge":"3eZbrw1a"}'
    assert asked(compiled(CHALLENGE), request(body)) == HandshakeAnswer(200, "text/plain; charset=utf-8", b"3eZbrw1a")
    assert asked(compiled(CHALLENGE), request(b'{"type":"event","challenge":"x"}')) is None
    assert asked(compiled(CHALLENGE), request(body, method="GET")) is None


def test_a_rule_that_asks_for_proof_is_not_met_without() -> None:
    body = b'{"type":"url_verification","challenge":"x"}'
    assert asked(compiled(CHALLENGE), request(body), proven=False) is None
    token = handshake_token(SECRET)
    for proven in (False, True):
        answer = asked(compiled(VERIFY), request(method="GET", query=f"t={token}&c=1158201444"), proven=proven)
        assert answer.body == b"1158201444"


def test_the_token_of_either_live_secret_opens_and_no_other() -> None:
    handshakes = compiled(VERIFY)
    for secret, now_us, opens in ((SECRET, NOW_US, True), (OLD, NOW_US, True), (OLD, NOW_US + 1, False)):
        found = asked(handshakes, request(method="GET", query=f"t={handshake_token(secret)}&c=1"), now_us=now_us)
        assert (found is not None) is opens
    for wrong in (SECRET, "", "%00", "0" * 32, "%ff"):
        assert asked(handshakes, request(method="GET", query=f"t={wrong}&c=1")) is None


def test_the_token_does_not_give_the_secret_away() -> None:
    token = handshake_token(SECRET)
    assert len(token) == 32
    assert token not in hmac.digest(SECRET.encode(), b"", "sha256").hex()
    assert handshake_token(OLD) != token


def test_json_is_filled_string_by_string_so_that_nothing_breaks_out_of_it() -> None:
    template = {"plain": "{body.p}", "said": "you said {body.p}", "n": "{body.n}", "list": ["{body.p}", 7, None]}
    handshakes = compiled(rule(when=[{"source": "body.p", "exists": True}], json=template))
    spoilt = '","admin":true,"x":"'
    answer = asked(handshakes, request(orjson.dumps({"p": spoilt, "n": 5})))
    assert answer.content_type == "application/json"
    assert orjson.loads(answer.body) == {
        "plain": spoilt,
        "said": f"you said {spoilt}",
        "n": 5,
        "list": [spoilt, 7, None],
    }


def test_a_digest_is_made_with_the_current_secret() -> None:
    handshakes = compiled(
        rule(when=[{"source": "body.p", "exists": True}], json={"e": "{hmac_sha256_hex:body.p}"}),
    )
    answer = asked(handshakes, request(b'{"p":"qgg8vlvZRS6UYooatFL8Aw"}'))
    expected = hmac.digest(SECRET.encode(), b"qgg8vlvZRS6UYooatFL8Aw", "sha256").hex()
    assert orjson.loads(answer.body) == {"e": expected}


@pytest.mark.parametrize("value", [{"a": 1}, [1], None, "x" * (ECHOED_LENGTH_MAX + 1)])
def test_only_one_short_value_is_echoed(value: Any) -> None:
    handshakes = compiled(rule(when=[{"source": "body.type", "equals": 1}], text="{body.p}"))
    assert asked(handshakes, request(orjson.dumps({"type": 1, "p": value}))) is None


@pytest.mark.parametrize(("value", "met"), [(1, True), (True, False), ("1", False), (0, False), (1.0, True)])
def test_true_is_not_one_and_text_is_no_number(value: Any, met: bool) -> None:
    handshakes = compiled(rule(when=[{"source": "body.type", "equals": 1}], status=204))
    assert (asked(handshakes, request(orjson.dumps({"type": value}))) is not None) is met


def test_the_webhooks_own_rule_goes_before_the_presets() -> None:
    auth = PresetAuth(preset="slack", secrets=SEALED)
    own = rule(when=[{"source": "body.type", "equals": "url_verification"}], text="mine")
    rules = handshake_rules(auth, own, PRESETS)
    assert rules == (own, *PRESETS["slack"].handshakes)
    assert asked(compiled(*rules), request(b'{"type":"url_verification","challenge":"x"}')).body == b"mine"
    assert handshake_rules(HmacAuth(secrets=SEALED), None, PRESETS) == ()
    assert uses_token(handshake_rules(PresetAuth(preset="meta", secrets=SEALED), None, PRESETS))
    assert not uses_token(rules)


SPOILT = [b'{"challenge":"\\ud800","type":"url_verification"}', b'{"event":"endpoint.url_validation"}', b"[" * 999]
EVERY_RULE = [each for preset in PRESETS.values() for each in preset.handshakes]


@given(
    st.one_of(
        st.binary(max_size=120), st.sampled_from([b'{"challenge":"\\ud800","type":"url_verification"}', b"[" * 999])
    ),
    st.text(max_size=60),
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "BREW"]),
    st.dictionaries(st.sampled_from(["x-okta-verification-challenge", "x-github-event"]), st.text(max_size=40)),
)
@settings(max_examples=300, deadline=None)
def test_nothing_that_is_asked_makes_a_handshake_fail(
    body: bytes, query: str, method: str, headers: dict[str, str]
) -> None:
    handshakes = compiled(CHALLENGE, VERIFY, *EVERY_RULE)
    of = SignedRequest(method, "/", query, headers, body, "::1")
    for proven in (False, True):
        answer = asked(handshakes, of, proven=proven)
        assert answer is None or 200 <= answer.status <= 299
