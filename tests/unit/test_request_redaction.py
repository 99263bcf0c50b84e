"""What must not be seen in a body is masked wherever a body is shown, and nothing else is touched."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.requests.redaction import HIDDEN, Shown, compile_redaction, is_secret_member
from schemas.bodies import FORM

NO_PATHS = compile_redaction(())
JSON_TYPE = "application/json"


def shown(body: bytes, *paths: str, content_type: str | None = JSON_TYPE) -> Shown:
    return compile_redaction(paths).show(body, content_type)


def value_of(body: Any, *paths: str) -> Any:
    return orjson.loads(shown(orjson.dumps(body), *paths).body)


NAMES = [
    *("password", "Password", "user_password", "PASSWD", "client-secret", "clientSecret", "api_key", "apiKey"),
    *("X-API-Key", "access_token", "token", "refreshToken", "Authorization", "privateKey", "credentials", "pwd", "cvv"),
    *("Set-Cookie",),
]
EVERYDAY = [
    *("key", "id", "code", "issue_key", "primaryKey", "secretary", "author", "keyword", "passenger", "tokens", "pin"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_member_by_a_secrets_name_is_masked(name: str) -> None:
    assert is_secret_member(name)
    body = {"a": [{name: "letmein", "b": 1}], name: {"inner": "letmein"}}
    assert value_of(body) == {"a": [{name: "***", "b": 1}], name: "***"}


@pytest.mark.parametrize("name", EVERYDAY)
def test_an_everyday_name_is_not(name: str) -> None:
    body = orjson.dumps({name: "PROJ-12"})
    assert shown(body) == Shown(body, redacted=False)


def test_a_secret_that_is_null_stays_null() -> None:
    assert value_of({"password": None}) == {"password": None}


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("$.card.number", {"card": {"number": "***", "name": "A"}, "items": [{"n": 1}, {"n": 2}]}),
        ("card", {"card": "***", "items": [{"n": 1}, {"n": 2}]}),
        ("$.items[*].n", {"card": {"number": 4, "name": "A"}, "items": [{"n": "***"}, {"n": "***"}]}),
        ("$.items[-1]", {"card": {"number": 4, "name": "A"}, "items": [{"n": 1}, "***"]}),
        ("$.card[*]", {"card": {"number": "***", "name": "***"}, "items": [{"n": 1}, {"n": 2}]}),
        ("$", "***"),
        ("$.nowhere", None),
    ],
)
def test_a_path_masks_what_it_leads_to(path: str, left: Any) -> None:
    body = {"card": {"number": 4, "name": "A"}, "items": [{"n": 1}, {"n": 2}]}
    assert value_of(body, path) == (body if left is None else left)


def test_a_body_in_which_nothing_is_masked_stays_byte_for_byte() -> None:
    for body in (b'{ "b": 1e2,\n "a" :"\\u00e9" }', b"\xef\xbb\xbf[1]", b"no json", b"", b'{"key":1,"tokenish":[]}'):
        assert shown(body) == Shown(body, redacted=False)


def test_a_name_that_is_escaped_is_masked_all_the_same() -> None:
    assert b"letmein" not in shown(b'{"\\u0070assw\\u006frd":"letmein"}').body


def test_numbers_and_letters_beyond_the_usual_survive() -> None:
    body = b'{"n":123456789012345678901234567890,"s":"\\ud800","password":"letmein"}'
    assert json.loads(shown(body).body) == {"n": 123456789012345678901234567890, "s": "\ud800", "password": "***"}


def test_of_a_name_given_twice_no_value_is_left() -> None:
    assert shown(b'{"password":"first","password":"letmein"}').body == b'{"password":"***"}'


def test_a_form_keeps_its_order() -> None:
    body = b"a=1&pass%77ord=let+me+in&b=2&password=x&card=4&c"
    assert shown(body, content_type=FORM).body == b"a=1&pass%77ord=***&b=2&password=***&card=4&c"
    assert shown(body, "$.card", content_type=FORM).body == b"a=1&pass%77ord=***&b=2&password=***&card=***&c"


@pytest.mark.parametrize("body", [b'{"password":"letmein"}', b' [{"password": "letmein"}]'])
def test_json_that_comes_as_a_form_is_masked_as_json(body: bytes) -> None:
    found = shown(body, content_type=FORM)
    assert found.redacted
    assert b"letmein" not in found.body
    assert b"letmein" not in shown(b'{"mail": "letmein"}', "$.mail", content_type=FORM).body


def test_json_in_a_field_of_a_form_is_looked_into() -> None:
    body = b"a=%7B%22b%22%3A1%7D&payload=%7B%22token%22%3A%22letmein%22%2C%22b%22%3A1%7D&c=1"
    assert shown(body, content_type=FORM).body == (
        b"a=%7B%22b%22%3A1%7D&payload=%7B%22token%22%3A%22%2A%2A%2A%22%2C%22b%22%3A1%7D&c=1"
    )


def test_a_fields_name_that_is_escaped_is_masked_all_the_same() -> None:
    assert b"letmein" not in shown(b"%70%61ssword=letmein", content_type=FORM).body


@pytest.mark.parametrize("depth", [101, 254, 255, 900, 1_020, 2_000])
@pytest.mark.parametrize("paths", [(), ("$.a.password",)])
def test_a_body_nested_too_deep_to_be_written_again_is_masked_and_no_fault(depth: int, paths: tuple[str, ...]) -> None:
    found = shown(b'{"password":"letmein","a":' * depth + b"1" + b"}" * depth, *paths)
    assert found.redacted
    assert b"letmein" not in found.body


@pytest.mark.parametrize(
    "text",
    [
        "password=letmein rest",
        "password: letmein",
        '{"password": "letmein", "broken',
        "{'api_key': 'letmein'",
        "x-auth-token=letmein&b=1",
        'secret="letmein',
        '{"password":\n  "letmein", broken',
        '{"tokens": ["a", "letmein"], broken',
        '{\\"password\\": \\"letmein\\"} broken',
        "<password>letmein</password>",
        '<s:Envelope><s:apiKey type="x">\nletmein\n</s:apiKey>',
        "<secret><![CDATA[letmein]]></secret>",
        '{"signing_key": "letmein", broken',
        '{"otp": "letmein", broken',
    ],
)
def test_text_that_is_no_json_loses_what_follows_a_secrets_name(text: str) -> None:
    found = shown(text.encode())
    assert found.redacted
    assert b"letmein" not in found.body
    assert shown(text.encode(), "$.a") == Shown(HIDDEN, redacted=True)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"password":' * 50_000, b"password" * 100_000, b"=" * 500_000])
def test_a_hostile_body_is_shown_without_a_fault(body: bytes) -> None:
    assert len(shown(body).body) <= len(body)


SECRETS = st.sampled_from(["password", "api-key", "Token", "clientSecret"])
MARK = "MARKED-VALUE-OF-A-SECRET"
PLAIN_NAMES = st.text('abcdefgh "\\é\u2603', min_size=1, max_size=6)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.text(max_size=8), st.floats(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(PLAIN_NAMES, inner, max_size=3)),
    max_leaves=8,
)


@given(VALUES, SECRETS, st.dictionaries(PLAIN_NAMES, VALUES, max_size=3), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_masked_value_survives_and_everything_else_does(
    value: Any, secret: str, around: dict[str, Any], ascii_only: bool
) -> None:
    marked = {"at": [{"deep": MARK}, {"deep": {"deeper": MARK}}], "plain": value}
    body = {**around, "planted": {secret: MARK, "beside": value}, "by_path": marked}
    raw = json.dumps(body, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = shown(raw, "$.by_path.at[*].deep")
    assert MARK.encode() not in found.body
    expected = {
        **around,
        "planted": {secret: "***", "beside": value},
        "by_path": {"at": [{"deep": "***"}, {"deep": "***"}], "plain": value},
    }
    assert json.loads(found.body) == json.loads(json.dumps(expected))
