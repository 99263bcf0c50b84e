"""Bodies that are made to cost much or to be read in two ways, and what each of them means."""

from typing import Any

from tests.support.processor_time import bound_here

#: The issue's own bound for a body of 1 MiB.
_CPU_SECONDS_MAX = 0.05
_BYTES = 1_048_576


def cpu_seconds_max() -> float:
    """Processor seconds that a body of 1 MiB may cost here and now."""
    return bound_here(_CPU_SECONDS_MAX)


def _filled(begin: bytes, unit: bytes, end: bytes) -> bytes:
    """As many units as a body of 1 MiB holds."""
    return begin + unit * ((_BYTES - len(begin) - len(end)) // len(unit)) + end


_COMB = b"[" * 99 + b"]" * 99
REFUSED = {
    "opening brackets": b"[" * _BYTES,
    "brackets inside brackets": b"[" * (_BYTES // 2) + b"]" * (_BYTES // 2),
    "many arrays": _filled(b"[", b"[],", b"[]]"),
    "many objects": _filled(b"[", b"{},", b"{}]"),
    "many deep arrays": _filled(b"[", _COMB + b",", b"[]]"),
    "objects inside objects": _filled(b"", b'{"a":', b""),
    "unclosed arrays of empty ones": _filled(b"", b"[[],", b""),
    "a string without end": b'["' + b"[" * (_BYTES - 2),
    "digits": b"1" * _BYTES,
    "an exponent of digits": b"1e" + b"9" * (_BYTES - 2),
    "many numbers beyond a double": _filled(b"[", b"1" * 4_200 + b",", b"1]"),
    "many numbers and half a pair": _filled(b'["\\ud800",', b"9" * 300 + b",", b"1]"),
    "many arrays and half a pair": _filled(b'["\\ud800",', b"[],", b"1]"),
    "half a pair": b'{"title":"\\ud800"}',
    "half a pair in a name": b'{"title":"t","\\udfff":1}',
    "half a pair in UTF-8": b'"\xed\xa0\x80"',
    "NaN": b'{"title":"t","x":NaN}',
    "Infinity": b'{"title":"t","x":-Infinity}',
    "a number beyond a double": b'{"title":"t","x":1e999}',
    "UTF-16 with a mark": '{"title":"t"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"title":"t"}'.encode("utf-16-le"),
    "UTF-32": '{"title":"t"}'.encode("utf-32"),
    "two marks": b'\xef\xbb\xbf\xef\xbb\xbf{"title":"t"}',
    "a mark inside": b'{\xef\xbb\xbf"title":"t"}',
    "a NUL": b'{"title":"t","x":"\x00"}',
    "a comment": b'{"title":"t"} // no',
}
ACCEPTED: dict[str, tuple[bytes, Any]] = {
    "a name twice": (b'{"title":"no","title":"t"}', {"title": "t"}),
    "a mark": (b'\xef\xbb\xbf{"title":"t"}', {"title": "t"}),
    "an escaped NUL": (b'{"title":"t","x":"\\u0000"}', {"title": "t", "x": "\0"}),
    "a whole pair": (b'{"title":"t","x":"\\ud83d\\ude00"}', {"title": "t", "x": "\U0001f600"}),
    "an integer beyond 64 bits": (b'{"title":"t","x":36893488147419103232}', {"title": "t", "x": 2.0**65}),
    "a negative zero": (b'{"title":"t","x":-0.0}', {"title": "t", "x": 0.0}),
}
_TITLE = b'{"title":"t","x":'
#: Each unit as often as a body of 1 MiB holds it.
LARGE = {
    "escapes of NUL": _filled(_TITLE + b'"', b"\\u0000", b'"}'),
    "escaped quotes and brackets": _filled(_TITLE + b'"', b'\\"[', b'"}'),
    "many strings of brackets": _filled(_TITLE + b"[", b'"[",', b"1]}"),
    "many numbers": _filled(_TITLE + b"[", b"1,", b"1]}"),
    "many long numbers": _filled(_TITLE + b"[", b"9" * 300 + b",", b"1]}"),
    "digits behind the point": _filled(_TITLE + b"0.", b"1", b"}"),
    "one name again and again": _filled(_TITLE + b"{", b'"a":1,', b'"a":1}}'),
    "many names": _TITLE + b"{" + b",".join(b'"%x":1' % number for number in range(85_000)) + b"}}",
    "as many arrays as may be": _filled(_TITLE + b"[", b"[%s]," % (b" " * 40), b"1]}"),
}
