"""Ports of the servers that tests start by themselves."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from hookline.embedded.ports import is_free
from infra.settings import Settings

#: Below those that stacks, brokers and databases pick for themselves (hookline/embedded/ports.py).
_PICK_FROM, _PICK_BELOW = 10_000, 20_000
#: Test processes that run side by side have a share each. Further ones share again.
_SHARES = 8
_ATTEMPTS_MAX = 500
_picked: set[int] = set()


def own_port() -> int:
    """A free port that no one else takes before the server has started that it is for.

    A receiver binds its port a second or more after it was picked; were any other process to pick from the same ports,
    one would now and then take another's, or be taken for it.
    """
    share = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES
    source = random.SystemRandom()
    for _ in range(_ATTEMPTS_MAX):
        port = source.randrange(_PICK_FROM + share, _PICK_BELOW, _SHARES)
        if port not in _picked and is_free(port):
            _picked.add(port)
            return port
    raise AssertionError(f"no free port in share {share} of those from {_PICK_FROM} to {_PICK_BELOW}")


@contextmanager
def silent_port() -> Iterator[int]:
    """A port on which nothing listens, held so that nobody else's server begins to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def with_broker_at(settings: Settings, port: int) -> Settings:
    """The same settings, with a broker at this port."""
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap": f"127.0.0.1:{port}"})})
