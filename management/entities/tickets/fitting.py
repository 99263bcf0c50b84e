"""Parts of a ticket that fit its board or its client. What was not named and no longer fits is cleared.

Each takes the ticket as it was (`old`; empty: it is new) and as it is wanted (`row`), and raises ValidationFailedError.
"""

from collections.abc import Collection
from uuid import UUID

from infra.entities.documents import Row
from management.entities.references import References, refuse


def fit_category(references: References, old: Row, row: Row) -> Row:
    """Category and subcategory: the one of the board or of all boards, the other of the category."""
    fitted = {name: row[name] for name in ("board_id", "category_id", "subcategory_id", "given")}
    board_id = row["board_id"]
    if _differ(old, fitted, "board_id", "category_id"):
        parents, owner = {board_id, None}, f"board {board_id}"
        fitted["category_id"] = _fitted(references, fitted, "category_id", "ticket_category", parents, owner)
    category_id = fitted["category_id"]
    if _differ(old, fitted, "category_id", "subcategory_id"):
        owner = "a ticket without category" if category_id is None else f"category {category_id}"
        fitted["subcategory_id"] = _fitted(
            references, fitted, "subcategory_id", "ticket_subcategory", {category_id}, owner
        )
    return {name: fitted[name] for name in ("category_id", "subcategory_id")}


def fit_parts_of_client(references: References, old: Row, row: Row) -> Row:
    """Location and contact, which are the client's."""
    parents, owner = {row["client_id"]}, f"client {row['client_id']}"
    return {
        member: _fitted(references, row, member, kind, parents, owner)
        for member, kind in (("location_id", "client_location"), ("contact_id", "contact"))
        if _differ(old, row, "client_id", member)
    }


def fit_assets(references: References, old: Row, row: Row) -> list[UUID]:
    """Ids of the assets, which are the client's; each once, in their order."""
    wanted, client_id = sorted(set(row["asset_ids"])), row["client_id"]
    known = old.get("asset_ids", ()) if client_id == old.get("client_id") else ()
    unsure = [asset_id for asset_id in wanted if asset_id not in known]
    found = references.find_all("asset", unsure) if unsure else []
    fitting = {*known, *(asset["id"] for asset in found if asset["parent_id"] == client_id)}
    for asset_id in wanted:
        if asset_id not in fitting and "asset_ids" in row["given"]:
            refuse("asset_ids", f"client {client_id} has no active asset {asset_id}")
    return [asset_id for asset_id in wanted if asset_id in fitting]


def _differ(old: Row, row: Row, *members: str) -> bool:
    return any(old.get(name) != row[name] for name in members)


def _fitted(
    references: References, row: Row, member: str, kind: str, parents: Collection[UUID | None], owner: str
) -> UUID | None:
    part_id: UUID | None = row[member]
    if part_id is None:
        return None
    part = references.find(kind, part_id)
    if part is not None and part["parent_id"] in parents:
        return part_id
    if member in row["given"]:
        refuse(member, f"{owner} has no active {kind.replace('_', ' ')} {part_id}")
    return None
