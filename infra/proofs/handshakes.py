"""Handshakes: what senders ask before they send events. Rules are data (`schemas.handshakes`); this answers them."""

import base64
import hmac
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

from infra.proofs.requests import Secret, SignedRequest
from infra.proofs.verify import Presets, preset_of
from infra.requests.query import parse_query
from schemas.bodies import BodyError, parse_body
from schemas.handshakes import (
    ECHOED_LENGTH_MAX,
    HANDSHAKE_PLACEHOLDER_PATTERN,
    HandshakeCondition,
    HandshakeRule,
)
from schemas.webhooks import AuthConfig

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
_TOKEN_LABEL = b"hookline handshake token v1"
_TOKEN_LENGTH = 32
_PLACEHOLDER = re.compile(HANDSHAKE_PLACEHOLDER_PATTERN)
_DIGESTS: dict[str, Callable[[bytes], str]] = {
    "hmac_sha256_hex": bytes.hex,
    "hmac_sha256_base64": lambda digest: base64.b64encode(digest).decode(),
}
Scalar = str | int | float | bool


class HandshakeAnswer(NamedTuple):
    """`body` may be empty."""

    status: int
    content_type: str
    body: bytes


class _UnansweredError(Exception):
    """A placeholder leads to nothing that may be echoed."""


def handshake_token(secret: str) -> str:
    """What a sender can be told to show when it asks: derived one way from the webhook's secret. 32 hex digits."""
    return hmac.digest(secret.encode(), _TOKEN_LABEL, "sha256").hex()[:_TOKEN_LENGTH]


def handshake_rules(auth: AuthConfig, handshake: HandshakeRule | None, presets: Presets) -> tuple[HandshakeRule, ...]:
    """The preset's rules and the webhook's own, which goes first. Raises UnknownPresetError."""
    preset = preset_of(auth, presets)
    of_preset = () if preset is None else preset.handshakes
    return of_preset if handshake is None else (handshake, *of_preset)


def uses_token(rules: Sequence[HandshakeRule]) -> bool:
    """Whether the sender has to be told the handshake token."""
    return any(condition.equals_token for rule in rules for condition in rule.when)


class Handshakes:
    """The rules of one version of a webhook, made by `compile_handshakes`."""

    __slots__ = ("_methods", "_rules", "_secrets", "_tokens")

    def __init__(self, rules: Sequence[HandshakeRule], secrets: Sequence[Secret]) -> None:
        self._rules = tuple(rules)
        self._secrets = tuple(secrets)
        self._tokens = [
            (handshake_token(secret.value.decode("utf-8", "replace")).encode(), secret.valid_until_us)
            for secret in secrets
        ]
        self._methods = frozenset(method for rule in rules for method in rule.methods)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def find(self, request: SignedRequest, *, proven: bool, now_us: int) -> HandshakeAnswer | None:
        """The answer of the first rule the request meets. Not proven: only of rules that ask for no proof."""
        if request.method not in self._methods:
            return None
        asked = _Asked(request)
        for rule in self._rules:
            if request.method not in rule.methods or (rule.proof == "required" and not proven):
                continue
            if all(self._is_met(condition, asked, now_us) for condition in rule.when):
                try:
                    return self._answer(rule, asked, now_us)
                except _UnansweredError:
                    continue
        return None

    def _is_met(self, condition: HandshakeCondition, asked: "_Asked", now_us: int) -> bool:
        value = asked.value(condition.source)
        if value is None:
            return False
        if condition.equals_token:
            given = str(value).encode("utf-8", "replace")
            met = False
            for token, valid_until_us in self._tokens:
                alive = valid_until_us is None or now_us < valid_until_us
                if hmac.compare_digest(token, given) and alive:
                    met = True
            return met
        if condition.exists:
            return True
        wanted = condition.equals
        return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)

    def _answer(self, rule: HandshakeRule, asked: "_Asked", now_us: int) -> HandshakeAnswer:
        if rule.text is not None:
            return HandshakeAnswer(rule.status, TEXT, self._fill(rule.text, asked, now_us).encode("utf-8", "replace"))
        if rule.json_value is None:
            return HandshakeAnswer(rule.status, TEXT, b"")
        try:
            return HandshakeAnswer(rule.status, JSON, orjson.dumps(self._fill_json(rule.json_value, asked, now_us)))
        except TypeError as error:  # lone surrogates
            raise _UnansweredError from error

    def _fill_json(self, value: Any, asked: "_Asked", now_us: int) -> Any:
        """Strings are filled; one that is a placeholder and nothing else keeps the type of its value."""
        if isinstance(value, dict):
            return {name: self._fill_json(member, asked, now_us) for name, member in value.items()}
        if isinstance(value, list):
            return [self._fill_json(item, asked, now_us) for item in value]
        if not isinstance(value, str):
            return value
        whole = _PLACEHOLDER.fullmatch(value)
        if whole is not None and whole[1] is None:
            return asked.echoed(whole[2])
        return self._fill(value, asked, now_us)

    def _fill(self, template: str, asked: "_Asked", now_us: int) -> str:
        def filled(match: re.Match[str]) -> str:
            value = _as_text(asked.echoed(match[2]))
            return value if match[1] is None else self._digest(match[1], value, now_us)

        return _PLACEHOLDER.sub(filled, template)

    def _digest(self, name: str, value: str, now_us: int) -> str:
        for secret in self._secrets:
            if secret.valid_until_us is None or now_us < secret.valid_until_us:
                digest = hmac.digest(secret.value, value.encode("utf-8", "surrogatepass"), "sha256")
                return _DIGESTS[name](digest)
        raise _UnansweredError


class _Asked:
    """The values of a request; query and body are read when they are first asked for."""

    __slots__ = ("_body", "_has_body", "_query", "_request")

    def __init__(self, request: SignedRequest) -> None:
        self._request = request
        self._query: dict[str, str] | None = None
        self._body: Any = None
        self._has_body = False

    def value(self, source: str) -> Scalar | None:
        """What stands at `source`, if it is text, a number, true or false."""
        place, _, name = source.partition(".")
        if place == "header":
            return self._request.headers.get(name.lower())
        if place == "query":
            if self._query is None:
                self._query = parse_query(self._request.query)
            return self._query.get(name)
        value = self._parsed()
        for step in name.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value if isinstance(value, str | int | float | bool) else None

    def echoed(self, source: str) -> Scalar:
        """The same to be told back. Raises _UnansweredError where there is nothing, or too much."""
        value = self.value(source)
        if value is None or len(_as_text(value)) > ECHOED_LENGTH_MAX:
            raise _UnansweredError
        return value

    def _parsed(self) -> Any:
        if not self._has_body:
            self._has_body = True
            try:
                self._body = parse_body(self._request.body, self._request.headers.get("content-type"))
            except BodyError:
                self._body = None
        return self._body


def _as_text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def compile_handshakes(rules: Sequence[HandshakeRule], secrets: Sequence[Secret]) -> Handshakes:
    """The rules of a webhook with the secrets that may be good, the current one first."""
    return Handshakes(rules, secrets)
