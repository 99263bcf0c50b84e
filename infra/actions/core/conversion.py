"""Converters of one mapped JSON value to one target field: prepared per field, called per delivery.

A converter takes a value that is not null and returns the typed value, None where a blank clears the field, or raises
ValueRefused.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from schemas.actions import DEFAULT_TEXT_LENGTH_MAX, FieldType, TargetField

Converter = Callable[[Any], Any]

TRIMMED_LENGTH_MAX = 500
INT_MINIMUM, INT_MAXIMUM = -(2**63), 2**63 - 1
JS_PLAIN_NUMBER_MAX = 1e21
_INT_TEXT_LENGTH_MAX = 400
_INT_TEXT = re.compile(r"-?[0-9]+", re.ASCII)
_NUMBER_TEXT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_DATETIME_TEXT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)


class ValueRefused(Exception):  # a verdict on a value, never shown as an error of the program
    """The value does not fit the field; the message says how."""


def text_of_number(value: float) -> str:
    """A JSON number as JavaScript prints it: 5.0 is "5", 1e-7 is "1e-7"."""
    if isinstance(value, int):
        return str(value)
    if value.is_integer() and abs(value) < JS_PLAIN_NUMBER_MAX:
        return str(int(value))
    return repr(value).replace("e-0", "e-").replace("e+0", "e+")


def converter_of(field: TargetField) -> Converter:
    """The prepared converter of `field`."""
    return _FACTORIES[field.type](field)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return text_of_number(value)
    raise ValueRefused(f"must be a string, but is {_kind(value)}")


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "an array"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, bool):
        return "a boolean"
    return "text" if isinstance(value, str) else "a number"


def _refuse_unstorable(text: str) -> None:
    if "\x00" in text:
        raise ValueRefused("must not contain the character U+0000")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueRefused("contains half of a surrogate pair") from error


def _string(field: TargetField) -> Converter:
    length_max = field.max_length or DEFAULT_TEXT_LENGTH_MAX
    trims = length_max <= TRIMMED_LENGTH_MAX
    blank_message = "is required, but blank" if field.required else None

    def convert(value: Any) -> str | None:
        text = value if value.__class__ is str else _text(value)
        if trims:
            text = text.strip()
        if not text or text.isspace():
            if blank_message is not None:
                raise ValueRefused(blank_message)
            return None
        if len(text) > length_max:
            raise ValueRefused(f"is longer than {length_max} characters ({len(text)})")
        if "\x00" in text or not text.isascii():
            _refuse_unstorable(text)
        return text

    return convert


def _ref(field: TargetField) -> Converter:
    del field

    def convert(value: Any) -> str:
        text = (value if value.__class__ is str else _text(value)).strip()
        if not text:
            raise ValueRefused("must be an id or a name, but is blank")
        if len(text) > TRIMMED_LENGTH_MAX:
            raise ValueRefused(f"is longer than {TRIMMED_LENGTH_MAX} characters ({len(text)})")
        if "\x00" in text or not text.isascii():
            _refuse_unstorable(text)
        return text

    return convert


def _enum(field: TargetField) -> Converter:
    allowed = frozenset(field.enum_values)
    listed = ", ".join(field.enum_values)

    def convert(value: Any) -> str:
        if value.__class__ is not str or value not in allowed:
            raise ValueRefused(f"must be one of {listed}")
        return value

    return convert


def _boolean(field: TargetField) -> Converter:
    del field

    def convert(value: Any) -> bool:
        if value is True or value is False:
            return value
        if value.__class__ is str and value in ("true", "false"):
            return value == "true"
        raise ValueRefused("must be true or false")

    return convert


def _int(field: TargetField) -> Converter:
    minimum = INT_MINIMUM if field.minimum is None else field.minimum
    maximum = INT_MAXIMUM if field.maximum is None else field.maximum

    def convert(value: Any) -> int:
        number = _integral(value)
        if not INT_MINIMUM <= number <= INT_MAXIMUM:
            raise ValueRefused("does not fit into 64 bits")
        if not minimum <= number <= maximum:
            raise ValueRefused(_outside(minimum, maximum))
        return number

    return convert


def _integral(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueRefused("must be an integer, but is a boolean")
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) <= _INT_TEXT_LENGTH_MAX and _INT_TEXT.fullmatch(value):
        return int(value)
    raise ValueRefused("must be an integer")


def _number(field: TargetField) -> Converter:
    minimum = -math.inf if field.minimum is None else field.minimum
    maximum = math.inf if field.maximum is None else field.maximum

    def convert(value: Any) -> float:
        number = _finite(value)
        if not minimum <= number <= maximum:
            raise ValueRefused(_outside(minimum, maximum))
        return number

    return convert


def _finite(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueRefused("must be a number, but is a boolean")
    number = value
    if isinstance(value, str) and len(value) <= _INT_TEXT_LENGTH_MAX and _NUMBER_TEXT.fullmatch(value):
        number = float(value) if "." in value else int(value)
    if not isinstance(number, int | float):
        raise ValueRefused("must be a number")
    try:
        if math.isfinite(number):
            return number
    except OverflowError:
        pass
    raise ValueRefused("must be a finite number")


def _outside(minimum: float, maximum: float) -> str:
    if math.isinf(maximum) or maximum == INT_MAXIMUM:
        return f"must be at least {minimum}"
    if math.isinf(minimum) or minimum == INT_MINIMUM:
        return f"must be at most {maximum}"
    return f"must be between {minimum} and {maximum}"


def _datetime(field: TargetField) -> Converter:
    del field

    def convert(value: Any) -> str:
        if value.__class__ is not str or not _DATETIME_TEXT.fullmatch(value):
            raise ValueRefused("must be a date and time with an offset (RFC 3339)")
        try:
            moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise ValueRefused("is not a date and time that exists") from error
        return moment.isoformat().replace("+00:00", "Z")

    return convert


def _json(field: TargetField) -> Converter:
    bytes_max, objects_only = field.max_length, field.json_object

    def convert(value: Any) -> Any:
        if objects_only and not isinstance(value, dict):
            raise ValueRefused(f"must be an object, but is {_kind(value)}")
        try:
            text = orjson.dumps(value)
        except (orjson.JSONEncodeError, RecursionError) as error:
            raise ValueRefused(f"is not storable JSON: {error}") from error
        if bytes_max is not None and len(text) > bytes_max:
            raise ValueRefused(f"is larger than {bytes_max} bytes ({len(text)})")
        if b"\\u0000" in text:
            _refuse_nul_inside(value)
        return value

    return convert


def _refuse_nul_inside(value: Any) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            _refuse_unstorable(item)
        elif isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())


_FACTORIES: dict[FieldType, Callable[[TargetField], Converter]] = {
    FieldType.STRING: _string,
    FieldType.INT: _int,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.ENUM: _enum,
    FieldType.JSON: _json,
    FieldType.REF: _ref,
    FieldType.DATETIME: _datetime,
}
