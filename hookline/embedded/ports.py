"""Free TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket

from hookline.embedded.errors import PortInUse

LOOPBACK = "127.0.0.1"

# Below the range from which kernels take the ports of outgoing connections (Linux 32768+, macOS 49152+): a port picked
# from inside that range can be taken by any client before the server binds it.
_PICK_FROM = 20_000
_PICK_BELOW = 32_000
_PICK_ATTEMPTS_MAX = 500


def is_free(port: int) -> bool:
    """True when nothing listens on ``port`` of the loopback address (connections in TIME_WAIT do not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def require_free(port: int, purpose: str) -> None:
    """Raise PortInUse, naming the port and its purpose, when something listens there."""
    if not is_free(port):
        raise PortInUse(port, purpose)


def pick_free(count: int) -> list[int]:
    """``count`` different ports that were free a moment ago. Whoever binds late must be ready to pick again."""
    chosen: list[int] = []
    source = random.SystemRandom()
    for _ in range(_PICK_ATTEMPTS_MAX):
        candidate = source.randrange(_PICK_FROM, _PICK_BELOW)
        if candidate not in chosen and is_free(candidate):
            chosen.append(candidate)
        if len(chosen) == count:
            return chosen
    raise PortInUse(_PICK_FROM, f"no {count} free ports between {_PICK_FROM} and {_PICK_BELOW}")


def settle(asked: int, remembered: int | None, purpose: str) -> int:
    """The port to use: the asked one (must be free), else the remembered one when free, else a free one."""
    if asked:
        require_free(asked, purpose)
        return asked
    if remembered and is_free(remembered):
        return remembered
    return pick_free(1)[0]
