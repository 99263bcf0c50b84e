"""The engine's errors in plain words, with the place in the statement where it is known. Pure."""

import re

_MESSAGE_CHARACTERS_MAX = 500
_QUOTED_CHARACTERS_MAX = 40
_NOISE = re.compile(
    r"Streaming query failed: |Code: \d+\. |DB::Exception: |:? ?In scope .*|\(version [^)]*\)|"
    r"\.? ?\([A-Z_]+\)\.?(?=\s*$)|: while executing .*|Stack trace.*",
    re.DOTALL,
)
_PLACE = re.compile(
    r"failed at position \d+ (?:\((?P<what>.*?)\))(?: \(line (?P<line>\d+), col (?P<column>\d+)\))?", re.DOTALL
)
_END = "end of query"
_NAMED = re.compile(r"(?:identifier|column|Function with name) [`'](?P<name>[^`']+)[`']")
_BOUNDS = {
    159: "it took longer than its time allows: narrow it, or give it more with --seconds",
    241: "it needs more memory than it may have: narrow it, or give it more with --memory-mebibytes",
}
_CODE = re.compile(r"Code: (\d+)\.")


def plain_words(message: str, sql: str) -> str:
    """One or two lines for a person who wrote `sql`."""
    code = _CODE.search(message)
    if code is not None and int(code.group(1)) in _BOUNDS:
        return f"the statement was stopped: {_BOUNDS[int(code.group(1))]}"
    if "Multi-statements" in message:
        return "one statement at a time: there is another one after the first"
    place = _PLACE.search(message)
    if place is not None:
        return _of_syntax(place)
    text = " ".join(_NOISE.sub("", message).split())[:_MESSAGE_CHARACTERS_MAX].rstrip(": ")
    return f"{_place_of(text, sql)}{text}"


def _of_syntax(place: re.Match[str]) -> str:
    if place["what"] == _END:
        return "syntax error: the statement ends too early"
    where = f"line {place['line']}, column {place['column']}: " if place["line"] else ""
    return f"{where}syntax error at {place['what'][:_QUOTED_CHARACTERS_MAX]}"


def _place_of(text: str, sql: str) -> str:
    """Where the name that the engine complains of stands first in the statement."""
    named = _NAMED.search(text)
    if named is None:
        return ""
    found = re.search(rf"(?<![\w.]){re.escape(named['name'])}(?!\w)", sql)
    if found is None:
        return ""
    before = sql[: found.start()]
    return f"line {before.count(chr(10)) + 1}, column {found.start() - (before.rfind(chr(10)) + 1) + 1}: "
