"""Whether a new version of a schema accepts every body that the old one accepted. Pure.

Each keyword of the new schema has to follow from what the old one says. What cannot be shown counts as a difference:
"compatible" is never said on a guess, and some versions that are compatible are not recognised as such. `format` counts
as a rule here, although Hookline validates without it: whoever else reads the schema may not.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from infra.event_schemas.accepted import Accepted, Schema, accepted, satisfies
from infra.event_schemas.combined import COMBINED
from infra.event_schemas.differences import Check, Difference, Place
from infra.event_schemas.members import MEMBERS
from infra.event_schemas.scalars import APPLIES_TO, SCALARS
from infra.requests.errors import SchemaError

#: Parts that are looked at, and how deep alternatives within alternatives are told apart: bounds of the work.
PARTS_MAX = 20_000
CASES_DEPTH_MAX = 6
DIFFERENCES_MAX = 100
#: Keywords that say something about a value, but not by themselves, or in a way of an earlier standard.
_UNDECIDED = ("$dynamicRef", "$recursiveRef", "dependencies", "unevaluatedItems", "unevaluatedProperties")
_ABOUT_THE_VALUE: dict[str, Check] = {**SCALARS, **MEMBERS}
_CASES = ("anyOf", "oneOf")


class _TooMuchWorkError(Exception):
    pass


def find_differences(old: Any, new: Any) -> list[Difference]:
    """Why `new` cannot be shown to accept all that `old` accepts, DIFFERENCES_MAX of it; empty: it does.

    Both are schemas in which `infra.event_schemas.checks` finds no problem.
    """
    try:
        return _Comparison(old, new).compare([old], new, Place())[:DIFFERENCES_MAX]
    except (_TooMuchWorkError, RecursionError):
        return [Difference((), "the two versions are too large, or refer to themselves too often, to be compared")]


class _Comparison:
    """It remembers what it is about to show, so that schemas may refer to themselves."""

    def __init__(self, old_root: Any, new_root: Any) -> None:
        self.old_root = old_root
        self.new_root = new_root
        self._left = PARTS_MAX
        self._open: dict[tuple[frozenset[int], int], int] = {}
        self._are_same_documents = _text(old_root) == _text(new_root)

    def compare(self, old: Sequence[Any], new: Any, place: Place) -> list[Difference]:
        """What a value that satisfies all of `old` may break in `new`."""
        found = accepted(old, self.old_root)
        if found is None or new is True:
            return []
        self._left -= 1 + len(found.parts)
        if self._left < 0:
            raise _TooMuchWorkError
        if new is False:
            return [place.difference("nothing is accepted here any more")]
        if any(self.is_same(part, new) for part in found.parts):
            return []
        key = frozenset(map(id, found.parts)), id(new)
        if key in self._open:
            # Being shown further out, for a larger value: good for this one too. For the same it would prove itself.
            is_smaller = self._open[key] < place.level
            return [] if is_smaller else [place.difference("the schema refers to itself without end")]
        self._open[key] = place.level
        try:
            return self._by_cases(found, new, place)
        finally:
            del self._open[key]

    def is_same(self, one: Any, other: Any) -> bool:
        """Whether two schemas, one of each document, are written the same and mean the same."""
        if one != other or (text := _text(one)) != _text(other):
            return False
        return ('"$ref"' not in text and '"$dynamicRef"' not in text) or self._are_same_documents

    def _by_cases(self, found: Accepted, new: Schema, place: Place) -> list[Difference]:
        """As a whole, else for each alternative of the old version by itself."""
        differences = list(self._as_a_whole(found, new, place))
        if not differences or place.cases == CASES_DEPTH_MAX:
            return differences
        for cases in _cases(found, new):
            if not any(self.compare(case, new, place.divided()) for case in cases):
                return []
        return differences

    def _as_a_whole(self, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
        for keyword in _UNDECIDED:
            if new.get(keyword, True) not in (True, {}):
                yield place.difference("what this refuses cannot be compared with the old version", keyword)
        if found.values is None:
            for keyword, check in _ABOUT_THE_VALUE.items():
                if keyword in new and found.types & APPLIES_TO.get(keyword, found.types):
                    yield from check(self, found, new, place)
        else:
            yield from _of_values(found.values, new, place)
        for keyword, check in COMBINED.items():
            if keyword in new and found.types & APPLIES_TO.get(keyword, found.types):
                yield from check(self, found, new, place)


def _of_values(values: Sequence[Any], new: Schema, place: Place) -> Iterator[Difference]:
    """Of a value that can only be one of a few, each is tried."""
    alone = {keyword: new[keyword] for keyword in new if keyword in _ABOUT_THE_VALUE}
    alone |= {keyword: new[keyword] for keyword in ("minContains", "maxContains") if keyword in new}
    if '"$ref"' in _text(alone) or '"$dynamicRef"' in _text(alone):
        yield place.difference("values cannot be compared with schemas that refer to others")
        return
    for value in values:
        try:
            if not satisfies(alone, value):
                yield place.difference(f"no longer accepts {_text(value)[:200]}")
        except SchemaError as error:
            yield place.difference(str(error))
            return


def _cases(found: Accepted, new: Schema) -> Iterator[list[list[Any]]]:
    """Ways to divide what was accepted; every case of one of them has to be accepted."""
    for index, part in enumerate(found.parts):
        others = [*found.parts[:index], *found.parts[index + 1 :]]
        for keyword in _CASES:
            if keyword in part:
                rest = {name: value for name, value in part.items() if name != keyword}
                yield [[*others, rest, alternative] for alternative in part[keyword]]
        if "if" in part and "then" in part and "else" in part:
            rest = {name: value for name, value in part.items() if name not in ("if", "then", "else")}
            yield [[*others, rest, part["if"], part["then"]], [*others, rest, part["else"]]]
    if not any(keyword in new for keyword in _CASES):
        return
    if found.values is not None and len(found.values) > 1:
        yield [[*found.parts, {"const": value}] for value in found.values]
    elif len(found.types) > 1:
        yield [[*found.parts, {"type": "number" if name == "fraction" else name}] for name in sorted(found.types)]


def _text(schema: Any) -> str:
    return json.dumps(schema, sort_keys=True)
