"""Which commands of one tenant may run together, and in which order the sets follow each other."""

from collections.abc import Hashable, Sequence

from sinks.actions.command import PendingCommand


def sets_in_order(commands: Sequence[PendingCommand]) -> list[list[int]]:
    """Positions of `commands` in sets, to be run one after another.

    A set holds commands of one action of which no two share a part of their `ordering`: a command is in the round
    after the last one it shares a part with, so these keep their order. An action that takes no set has each command
    alone.
    """
    rounds: dict[Hashable, int] = {}
    sets: dict[tuple[int, str, int], list[int]] = {}
    for position, command in enumerate(commands):
        number = max(rounds.get(part, 0) for part in command.ordering)
        rounds.update(dict.fromkeys(command.ordering, number + 1))
        takes_sets = command.definition is None or command.definition.handle_many is not None
        sets.setdefault((number, command.request.action, 0 if takes_sets else position), []).append(position)
    return [sets[key] for key in sorted(sets)]
