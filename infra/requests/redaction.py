"""Masking what must not be seen in a body that is shown or logged. The record in Kafka is never changed.

Masked are the values at the webhook's `redact_paths`, and of every body what goes by a secret's name: members of JSON,
fields of a form, and in text that is neither, whatever follows such a name. The names are in `is_secret_member`.
"""

import json
import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote_plus, unquote_plus, unquote_to_bytes

import orjson
import re2

from infra.requests.paths import JsonPath, PathError, TooManyValuesError, compile_path
from schemas.bodies import is_form
from schemas.encoding import record_bytes

MASK = "***"
HIDDEN = b"[the body is not JSON: hidden as a whole, because the webhook has redact_paths]"
_SCRUBBED_MAX = 1_000
_SCRUBBED_LENGTH_MIN = 3
#: Messages of this length and more may have been cut at their end.
_CUT_FROM = 500
_NAMES_CACHED_MAX = 4_096
#: A longer name is looked at each time: senders choose names, and a cache of them has to stay small.
_NAME_CACHED_LENGTH_MAX = 128
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
#: A body without any of these, in whichever case, holds no secret's name; `\\u00` or a percent sign could write one
#: with escapes. Public for who searches many bodies at once.
SUSPICIOUS = (
    rb"pass|secret|key|token|authorization|auth|credential|connection|pwd|cookie|jwt|cvv|cvc|otp|\\u00"
    rb"|%(?:[46][1-9a-f]|[57][0-9a])"
)
_SUSPICIOUS = re2.compile(SUSPICIOUS, _ASCII)
_NAME = (
    rb"(?:[\w.-]{0,40}(?:passw|passphrase|secret|(?:api|access|private|signing|encryption)[-_. ]?key|token|pwd"
    rb"|credential|authorization|cookie|connection[-_. ]?string|jwt)[\w.-]{0,40}|\b(?:pass|auth|cvv|cvc|otp)\b)"
)
#: `name=value`, `name: value`, `"name": "value"` in text that is neither JSON nor a form. Linear in the text.
_PAIR = re2.compile(
    rb"(" + _NAME + rb"""\\*["']?\s*[=:]\s*)"""
    rb"""(\[[^\]]*\]?|\{[^}]*\}?|"(?:[^"\\]|(?s:\\.))*"?|'[^']*'?|[^\r\n&,;}\]]+)""",
    _ASCII,
)
#: The text of an XML element.
_ELEMENT = re2.compile(rb"(<(?:\w{1,40}:)?" + _NAME + rb"(?:\s[^<>]*)?>(?:\s*<!\[CDATA\[)?)([^<]+)", _ASCII)
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
        if is_form(content_type) and body.lstrip()[:1] not in (b"{", b"["):  # a sender's default, whatever it sends
            return self._show_form(body)
        try:
            value, write = _read(body)
            masked = self.mask(value)
            return Shown(write(masked.value), True) if masked.changed else Shown(body, False)
        except (ValueError, RecursionError):  # also where it is nested too deep to be written again
            return self._show_text(body)

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

    def scrub(self, message: str, value: Any) -> str:
        """A message about a JSON body without the texts and numbers that are masked in it, whole or cut at its end."""
        return _without(message, self._hidden(value))

    def scrub_values(self, made: Any, value: Any) -> Any:
        """A JSON value that was made of a JSON body: without the texts and numbers that are masked in it, and without
        members of its own that go by a secret's name. `made` itself is not changed."""
        hidden = self._hidden(value)
        return _without_values(made, hidden, set(hidden))

    def _hidden(self, value: Any) -> list[str]:
        """What is masked in a body as a message would show it, the longest first."""
        found = _leaves([*_named(value), *(one for path in self._paths for one in _values(path, value))])
        return sorted(found, key=len, reverse=True)

    def _show_form(self, body: bytes) -> Shown:
        """Fields keep their place; a path names a field by its first step. JSON in a field is looked into."""
        shown, redacted = [], False
        for pair in body.split(b"&"):
            name, sign, value = pair.partition(b"=")
            plain = unquote_plus(name.decode("latin-1"))
            if value and (is_secret_member(plain) or any(path.may_name(plain) for path in self._paths)):
                shown.append(name + sign + MASK.encode())
                redacted = True
                continue
            inner = _show_field(value)
            shown.append(pair if inner is None else name + sign + inner)
            redacted = redacted or inner is not None
        return Shown(b"&".join(shown), True) if redacted else Shown(body, False)

    def _show_text(self, body: bytes) -> Shown:
        if self._paths:
            return Shown(HIDDEN, True)
        masked = _ELEMENT.sub(rb"\1" + MASK.encode(), _PAIR.sub(rb"\1" + MASK.encode(), body))
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


def is_secret_member(name: str) -> bool:
    """Whether a member of a body (any case, with or without `-`, `_`, `.` and blanks) goes by a secret's name.

    Narrower than for headers (`infra.requests.headers`): `key`, `id` and `code` are everyday names in bodies.
    """
    return _goes_by_secret(name) if len(name) > _NAME_CACHED_LENGTH_MAX else _is_known_secret(name)


def _goes_by_secret(name: str) -> bool:
    plain = name.lower().translate(_JOINTS)
    return plain in _WHOLE or _ANYWHERE.search(plain) is not None


_is_known_secret = lru_cache(maxsize=_NAMES_CACHED_MAX)(_goes_by_secret)


def _show_field(value: bytes) -> bytes | None:
    """The value of a form's field that holds JSON with something masked in it; None: it is shown as it came."""
    text = unquote_to_bytes(value.replace(b"+", b" "))
    if text[:1] not in (b"{", b"["):
        return None
    shown = compile_redaction(()).show(text, None)
    return quote_plus(shown.body).encode() if shown.redacted else None


def _read(body: bytes) -> tuple[Any, Callable[[Any], bytes]]:
    """The value and how it is written again. Raises ValueError, RecursionError."""
    if _BIG_NUMBER.search(body) is None:
        try:
            return orjson.loads(body.removeprefix(b"\xef\xbb\xbf")), record_bytes
        except orjson.JSONDecodeError:
            pass
    return json.loads(body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogatepass")), _write


def _write(value: Any) -> bytes:
    """For what orjson does not take: integers beyond 64 bits, lone surrogates, NaN. Raises RecursionError."""
    return json.dumps(value, separators=(",", ":")).encode()


def _values(path: JsonPath, value: Any) -> Sequence[Any]:
    try:
        return path.values(value)
    except TooManyValuesError:
        return (value,)


def _without(message: str, hidden: Sequence[str]) -> str:
    for text in hidden:
        message = message.replace(text, MASK)
        if len(message) >= _CUT_FROM:
            message = _without_begun(message, text)
    return message


def _without_values(made: Any, hidden: Sequence[str], known: AbstractSet[str]) -> Any:
    if isinstance(made, str):
        return _without(made, hidden)
    if isinstance(made, list):
        return [_without_values(item, hidden, known) for item in made]
    if isinstance(made, dict):
        return {
            name: MASK if member is not None and is_secret_member(name) else _without_values(member, hidden, known)
            for name, member in made.items()
        }
    return MASK if made is not None and str(made) in known else made


def _without_begun(message: str, text: str) -> str:
    """A message that was cut may end within `text`."""
    for length in range(min(len(text) - 1, len(message)), _SCRUBBED_LENGTH_MIN - 1, -1):
        if message.endswith(text[:length]):
            return message[:-length] + MASK
    return message


def _named(value: Any) -> list[Any]:
    """The members of a JSON value that go by a secret's name."""
    found: list[Any] = []
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, list):
            pending += one
        elif isinstance(one, dict):
            for name, member in one.items():
                (found if is_secret_member(name) else pending).append(member)
    return found


def _leaves(values: Sequence[Any]) -> set[str]:
    """Texts and numbers in `values` as a message would show them, at most _SCRUBBED_MAX; the shortest say nothing."""
    found: set[str] = set()
    pending = list(values)
    while pending and len(found) < _SCRUBBED_MAX:
        one = pending.pop()
        if isinstance(one, list | dict):
            pending += one.values() if isinstance(one, dict) else one
        elif isinstance(one, str | int | float) and not isinstance(one, bool):
            text = str(one)
            if len(text) >= _SCRUBBED_LENGTH_MIN:
                found |= {text, json.dumps(text)[1:-1]}
    return found


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
