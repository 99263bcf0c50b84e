"""The dedupe key of a request: from a header, or from its body through JSONata."""

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import orjson

from infra.jsonata import Limits, compile_expression
from schemas.webhooks import IdempotencySource

KEY_BYTES_MAX = 512
_PLAIN_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_WORDS = frozenset({"true", "false", "null", "and", "or", "in", "function"})

_RESULT_BYTES_MAX = 65_536

Evaluate = Callable[[Any, int], Any]
KeyOf = Callable[[Mapping[str, str], Any, int], str | None]


def build_key(source: IdempotencySource | None, compile_expression: Callable[[str], Evaluate]) -> KeyOf | None:
    """A function of (headers by lower-case name, parsed body, time in ms) giving the key, or None where there is none.

    `compile_expression` turns JSONata into a function of body and time; whatever either raises passes through.
    """
    if source is None:
        return None
    if source.type == "header":
        return _header_key(source.value.lower())
    return _body_key(source.value, compile_expression(source.value))


def build_ordering_key(expression: str | None, compile_expression: Callable[[str], Evaluate]) -> KeyOf | None:
    """As `build_key`, for the expression that keeps requests in order."""
    return None if expression is None else _body_key(expression, compile_expression(expression))


def key_compiler(*, timeout_seconds: float) -> Callable[[str], Evaluate]:
    """Compiles key expressions for `build_key` and `build_ordering_key`.

    It raises JsonataError for one that does not compile; what it gives raises JsonataError for a body it fails on, and
    InputError for a body that is no JSON.
    """
    limits = Limits(timeout_seconds=timeout_seconds, result_bytes_max=_RESULT_BYTES_MAX)

    def compile_key(source: str) -> Evaluate:
        expression = compile_expression(source, limits=limits)

        def evaluate(body: Any, at_ms: int) -> Any:
            found = expression.evaluate(orjson.dumps(body).decode(), None, now_ms=at_ms, seed=0)
            return None if found is None else orjson.loads(found)

        return evaluate

    return compile_key


def key_text(value: Any) -> str | None:
    """A value as a key: text as it is, numbers and booleans as JSON writes them, the rest as canonical JSON.

    None for nothing, for null and for empty text, which identify no event.
    """
    if isinstance(value, str):
        return _bounded(value) if value else None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return _bounded(orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode())


def _bounded(text: str) -> str:
    if len(text) <= KEY_BYTES_MAX // 4:
        return text
    encoded = text.encode("utf-8", "surrogatepass")
    return text if len(encoded) <= KEY_BYTES_MAX else f"sha256:{sha256(encoded).hexdigest()}"


def _header_key(name: str) -> KeyOf:
    def key(headers: Mapping[str, str], _: Any, __: int) -> str | None:
        value = headers.get(name)
        return None if value is None else key_text(value.strip())

    return key


def _body_key(expression: str, evaluate: Evaluate) -> KeyOf:
    steps = _plain_steps(expression)
    if steps is None:
        return lambda _, body, at_ms: key_text(evaluate(body, at_ms))

    def key(_: Mapping[str, str], body: Any, at_ms: int) -> str | None:
        """Walk a plain path through objects; anything JSONata treats otherwise (arrays) goes to the engine."""
        value = body
        for step in steps:
            if type(value) is not dict:
                return key_text(evaluate(body, at_ms)) if isinstance(value, list) else None
            value = value.get(step)
        return key_text(evaluate(body, at_ms)) if isinstance(value, list) else key_text(value)

    return key


def _plain_steps(expression: str) -> tuple[str, ...] | None:
    """The steps of a path such as `alert.id`, or None when it is more than that."""
    text = expression.strip()
    if _PLAIN_PATH.fullmatch(text) is None:
        return None
    steps = tuple(text.split("."))
    return None if _WORDS.intersection(steps) else steps
