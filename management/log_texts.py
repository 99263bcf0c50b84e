"""What the filters of both logs take, and how they show where a record stands."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from infra.addresses import parse_networks

#: Values of one filter.
VALUES_MAX = 50
_ADDRESS_LENGTH_MAX = 64


def _networks(texts: list[str]) -> list[str]:
    """As ClickHouse reads them: what is one network has one form. Raises ValueError naming the text at fault."""
    return [str(network) for network in parse_networks(texts)]


Networks = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=_ADDRESS_LENGTH_MAX)]],
    Field(max_length=VALUES_MAX, description="addresses, or networks such as 203.0.113.0/24"),
    AfterValidator(_networks),
]


class RawRecord(BaseModel):
    """Where a record stands in Kafka; `incarnation` is the topic's id, another one after it is made anew."""

    topic: str
    incarnation: str
    partition: int
    offset: int
