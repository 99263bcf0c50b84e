"""Which commands of one tenant may run together, and in which order the sets follow each other."""

from collections.abc import Sequence

from sinks.actions.command import PendingCommand


def sets_in_order(commands: Sequence[PendingCommand]) -> list[list[int]]:
    """Positions of `commands` in sets, to be run one after another.

    A set holds commands of one action that touch different entities: the n-th command of an `ordering` is in the n-th
    round, so equal ones keep their order. An action that takes no set has each command alone.
    """
    seen: dict[tuple[str, str], int] = {}
    sets: dict[tuple[int, str, int], list[int]] = {}
    for position, command in enumerate(commands):
        number = seen.get(command.ordering, 0)
        seen[command.ordering] = number + 1
        takes_sets = command.definition is None or command.definition.handle_many is not None
        sets.setdefault((number, command.request.action, 0 if takes_sets else position), []).append(position)
    return [sets[key] for key in sorted(sets)]
