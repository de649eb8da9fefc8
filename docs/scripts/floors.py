"""Prints the floors of the house: which rooms import which, from the graph that import-linter checks.

A room is a top-level file or a sub-package of ``robustbench_snn``, with all that is in it. A room's floor is 1 if it
imports no other room, and else one more than the highest of those that it imports. The number of floors is then the
longest chain of rooms in which each imports the next.

    python docs/scripts/floors.py

Imports that only annotations need (``if TYPE_CHECKING:``) do not count, as in the contracts of pyproject.toml.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from graphlib import TopologicalSorter

import grimp

PACKAGE = "robustbench_snn"


def imports_of_rooms() -> dict[str, set[str]]:
    """The other rooms that each room imports."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    rooms: dict[str, set[str]] = {child.split(".")[1]: set() for child in graph.find_children(PACKAGE)}
    for module in graph.modules - {PACKAGE}:
        room = module.split(".")[1]
        imported = graph.find_modules_directly_imported_by(module) - {PACKAGE}
        rooms[room] |= {name.split(".")[1] for name in imported} - {room}
    return rooms


def floors(rooms: Mapping[str, Set[str]]) -> dict[str, int]:
    """The floor of each room, from 1.

    Raises:
        graphlib.CycleError: if rooms import each other in a circle.
    """
    found: dict[str, int] = {}
    for room in TopologicalSorter(rooms).static_order():
        found[room] = 1 + max((found[below] for below in rooms[room]), default=0)
    return found


def main() -> None:
    """Prints the counts, then the rooms of each floor, the highest first."""
    rooms = imports_of_rooms()
    found = floors(rooms)
    highest = max(found.values())
    print(f"{highest} floors, {len(rooms)} rooms, {sum(map(len, rooms.values()))} imports between rooms")
    for floor in range(highest, 0, -1):
        print(f"{floor:>3}  {', '.join(sorted(room for room in rooms if found[room] == floor))}")


if __name__ == "__main__":
    main()
