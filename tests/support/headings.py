"""The headings of a page as links name them."""

import re
from pathlib import Path


def anchors_of(page: Path) -> list[str]:
    """In order, without the page's title."""
    headings = re.findall(r"(?m)^##+ (.+)$", page.read_text("utf-8"))
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
