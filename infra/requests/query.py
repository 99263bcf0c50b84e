"""The query of a URL."""

from urllib.parse import unquote_plus

QUERY_FIELDS_MAX = 100


def parse_query(query: str) -> dict[str, str]:
    """Query parameters; of a repeated one the last counts; beyond QUERY_FIELDS_MAX they are left out."""
    fields: dict[str, str] = {}
    for pair in query.split("&", QUERY_FIELDS_MAX)[:QUERY_FIELDS_MAX]:
        name, _, value = pair.partition("=")
        if name:
            fields[unquote_plus(name)] = unquote_plus(value)
    return fields
