"""Masking what must not be seen in a body that is shown or logged. The record in Kafka is never changed.

Masked are the values at the webhook's `redact_paths`, and of every body what goes by a secret's name: members of JSON,
fields of a form, and in text that is neither, whatever follows such a name. The names are in `is_secret_member`.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import orjson
import re2

from infra.requests.paths import JsonPath, PathError, TooManyValuesError, compile_path
from schemas.bodies import is_form

MASK = "***"
HIDDEN = b"[the body is not JSON: hidden as a whole, because the webhook has redact_paths]"
_NAMES_CACHED_MAX = 4_096
_ANYWHERE = re.compile(
    r"passw|passphrase|secret(?!ar)|apikey|apitoken|accesskey|accesstoken|authtoken|refreshtoken|idtoken|bearertoken"
    r"|sessiontoken|csrftoken|privatekey|secretkey|signingkey|encryptionkey|authorization|credential|connectionstring"
)
_WHOLE = frozenset({"token", "pwd", "pass", "auth", "cookie", "setcookie", "jwt", "cvv", "cvc", "otp"})
_JOINTS = str.maketrans("", "", "-_. ")
_ASCII = re2.Options()
_ASCII.encoding = re2.Options.Encoding.LATIN1
_ASCII.case_sensitive = False
_ASCII.log_errors = False
#: A body without any of these holds no secret's name; a backslash before `u` could write one with escapes.
_SUSPICIOUS = re2.compile(
    rb"pass|secret|key|token|authorization|auth|credential|connection|pwd|cookie|jwt|cvv|cvc|otp|\\u00", _ASCII
)
#: `name=value`, `name: value`, `"name": "value"` in text that is neither JSON nor a form. Linear in the text.
_PAIR = re2.compile(
    rb"([\w.-]{0,40}(?:passw|passphrase|secret|api[-_]?key|access[-_]?key|private[-_]?key|token|pwd|credential"
    rb'|authorization|cookie|jwt)[\w.-]{0,40}["\']?[ \t]*[=:][ \t]*)("(?:[^"\\]|\\.)*"?|\'[^\']*\'?|[^\r\n&,;}\]]+)',
    _ASCII,
)
_BIG_NUMBER = re2.compile(rb"[0-9]{19}", _ASCII)


class Shown(NamedTuple):
    """A body as it may be seen. Not redacted: it is the body itself, byte for byte."""

    body: bytes
    redacted: bool


class Redaction:
    """Of one list of paths; made by `compile_redaction`. Safe to share between threads."""

    __slots__ = ("_paths",)

    def __init__(self, paths: Sequence[JsonPath]) -> None:
        self._paths = tuple(paths)

    def show(self, body: bytes, content_type: str | None) -> Shown:
        """The body without what is to be masked. Never fails; usually it costs one search."""
        if not body or (not self._paths and _SUSPICIOUS.search(body) is None):
            return Shown(body, False)
        if is_form(content_type):
            return self._show_form(body)
        try:
            value, write = _read(body)
        except (ValueError, RecursionError):
            return self._show_text(body)
        masked = self.mask(value)
        return Shown(write(masked.value), True) if masked.changed else Shown(body, False)

    def mask(self, value: Any) -> "Masked":
        """A JSON value of our own with the masks in it; `value` itself may be changed."""
        box = [value]
        changed = _mask_names(box)
        for path in self._paths:
            try:
                changed = path.replace(box, MASK) or changed
            except TooManyValuesError:
                return Masked(MASK, True)
        return Masked(box[0], changed)

    def _show_form(self, body: bytes) -> Shown:
        """Fields keep their place; a path names a field by its first step."""
        shown, redacted = [], False
        for pair in body.split(b"&"):
            name, sign, value = pair.partition(b"=")
            plain = unquote_plus(name.decode("latin-1"))
            if value and (is_secret_member(plain) or any(path.may_name(plain) for path in self._paths)):
                shown.append(name + sign + MASK.encode())
                redacted = True
            else:
                shown.append(pair)
        return Shown(b"&".join(shown), True) if redacted else Shown(body, False)

    def _show_text(self, body: bytes) -> Shown:
        if self._paths:
            return Shown(HIDDEN, True)
        masked = _PAIR.sub(rb"\1" + MASK.encode(), body)
        return Shown(masked, masked != body)


class Masked(NamedTuple):
    """`changed`: something was masked."""

    value: Any
    changed: bool


@lru_cache(maxsize=1_024)
def compile_redaction(paths: tuple[str, ...]) -> Redaction:
    """Masks the values at these paths (`infra.requests.paths`) too. A path that cannot be read masks everything."""
    try:
        return Redaction([compile_path(path) for path in paths])
    except PathError:
        return Redaction([compile_path("$")])


@lru_cache(maxsize=_NAMES_CACHED_MAX)
def is_secret_member(name: str) -> bool:
    """Whether a member of a body (any case, with or without `-`, `_`, `.` and blanks) goes by a secret's name.

    Narrower than for headers (`infra.requests.headers`): `key`, `id` and `code` are everyday names in bodies.
    """
    plain = name.lower().translate(_JOINTS)
    return plain in _WHOLE or _ANYWHERE.search(plain) is not None


def _read(body: bytes) -> tuple[Any, Callable[[Any], bytes]]:
    """The value and how it is written again. Raises ValueError, RecursionError."""
    if _BIG_NUMBER.search(body) is None:
        try:
            return orjson.loads(body.removeprefix(b"\xef\xbb\xbf")), orjson.dumps
        except orjson.JSONDecodeError:
            pass
    return json.loads(body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogatepass")), _write


def _write(value: Any) -> bytes:
    """For what orjson does not take: integers beyond 64 bits, lone surrogates."""
    return json.dumps(value, separators=(",", ":")).encode()


def _mask_names(box: list[Any]) -> bool:
    """Mask every member that goes by a secret's name, in place; True when there was one."""
    changed, pending = False, [box[0]]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += [item for item in value if isinstance(item, dict | list)]
        elif isinstance(value, dict):
            for name, member in value.items():
                if member is not None and is_secret_member(name):
                    value[name] = MASK
                    changed = True
                elif isinstance(member, dict | list):
                    pending.append(member)
    return changed
