"""How entities are referred to: by id, or by a name in any case. One set of statements for those who ask.

Each statement takes `tenant_id`, `ids` and `names`, and gives `wanted` (the text of the id or the name), `id` and what
there is of `parent_id`, `is_closed`, `default_priority_id`; only of active entities.
"""

import re
from pathlib import Path

from infra.queries import load_queries

ENTITY_QUERIES = load_queries(Path(__file__).parent / "references.sql")
_UUID_TEXT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def is_id(text: str) -> bool:
    """Whether `text` is an id, and no name."""
    return _UUID_TEXT.fullmatch(text) is not None


def reference_key(text: str) -> str:
    """`text` as `wanted` has it: ids in lower case, names as they came."""
    return text.lower() if is_id(text) else text
