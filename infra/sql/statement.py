"""What a statement of a person may hold. Pure.

It is looked at as the engine wrote it out after parsing it, without comments and in one way of quoting, and that very
text is then run: what was looked at and what runs cannot differ.
"""

import re
from collections.abc import Iterator

from infra.errors import ClickHouseRefusedError

_WORD = re.compile(r"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|\"(?:[^\"\\]|\\.)*\"|[A-Za-z_]\w*|\S", re.DOTALL)
_READS = ("SELECT", "WITH", "(", "EXPLAIN", "DESCRIBE", "SHOW", "EXISTS")
#: Whose answer comes in blocks while it is being worked out; the engine gives the others whole.
_STREAMS = ("SELECT", "WITH", "(")
#: Table functions that read nothing but their arguments. All others reach files, other machines or a table's parts
#: past the filter of its rows.
_HARMLESS_TABLE_FUNCTIONS = frozenset(
    {
        *("format", "generate_series", "generateseries", "generaterandom", "null", "numbers", "numbers_mt"),
        *("primes", "values", "view", "zeros", "zeros_mt"),
    }
)
#: Functions that read files, dictionaries, or ask a service elsewhere.
_REACHING_FUNCTIONS = re.compile(r"(?i:file|dict\w*|joinget\w*|catboost\w*|naivebayes\w*)|(?:ai|AI)[A-Z]\w*")


def check_statement(written_out: str, table_functions: frozenset[str]) -> None:
    """Raises ClickHouseRefusedError, in plain words, for what a reader may not ask.

    `table_functions` are the engine's, in lower case.
    """
    words = list(_words(written_out))
    if not words or words[0] not in _READS:
        verb = words[0] if words else "an empty statement"
        raise ClickHouseRefusedError(f"only SELECT, WITH, EXPLAIN, DESCRIBE and SHOW are allowed, not {verb}")
    refused = table_functions - _HARMLESS_TABLE_FUNCTIONS
    for position, word in enumerate(words):
        after = words[position + 1] if position + 1 < len(words) else ""
        if word == "INTO" and after == "OUTFILE":
            raise ClickHouseRefusedError("INTO OUTFILE is not allowed: say --output FILE")
        if word == "SETTINGS" and _sets(words, position):
            raise ClickHouseRefusedError(
                "SETTINGS are not allowed in a statement: its bounds are options of the command"
            )
        if word == "FORMAT" and position == len(words) - 2:
            raise ClickHouseRefusedError("FORMAT is not allowed: say --format")
        if after == "(" and _reaches(word.strip("`"), refused):
            raise ClickHouseRefusedError(f"{word.strip('`')}() is not allowed: it reads more than tables of Hookline")


def is_streamed(written_out: str) -> bool:
    """Whether the engine can give the answer block by block."""
    return next(_words(written_out), "") in _STREAMS


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        yield match.group()


def _sets(words: list[str], position: int) -> bool:
    """Whether `SETTINGS` begins a clause and is no name of something."""
    return words[position + 2 : position + 3] == ["="]


def _reaches(name: str, refused: frozenset[str]) -> bool:
    return name.lower() in refused or _REACHING_FUNCTIONS.fullmatch(name) is not None
