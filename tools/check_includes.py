#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Includes only go down: a room never includes a header of a room above it or beside it.

A room is a folder of src/; the public header <wick/ROOM.h> belongs to its room. Only src/wick.c may
include anything of backend/. Prints each climb and exits 1 if there is one."""

import pathlib
import re
import sys

# From the ground up. Rooms of one row stand side by side and do not know each other.
FLOORS = [
    ["base"], ["device"], ["tensor"], ["ops"], ["autograd"], ["codegen"], ["graph"], ["format"],
    ["backend"], ["nn", "optim", "metric", "data"], ["dist"], ["train"], ["serve"], ["board"],
    ["models"], ["cli"],
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Public headers that are not named after their room.
PUBLIC_ROOMS = {"version": "base", "enums": "base", "dlpack": "tensor", "indexing": "ops", "layers": "nn", "optimizers": "optim",
                "control": "graph",
                "wick": None}
ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<(wick/[^>]+)>)')


def room_of_public(header):
    """The room of wick/X.h; None for the header that includes all of them."""
    stem = pathlib.PurePath(header).name.split(".")[0]
    return PUBLIC_ROOMS.get(stem, stem)


def room_of_include(quoted, public, unit):
    """The room that an include statement of `unit` leads into."""
    if public:
        return room_of_public(public)
    if "/" not in quoted:  # a file beside this one
        return unit
    return quoted.split("/")[0]


def complaint(room, target, backend_part, quoted):
    """Why a file of `room` may not include a header of `target`, or None."""
    if target is None:
        return None if room == "cli" else "<wick/wick.h> is for users of the library"
    if target not in FLOOR_OF:
        return f"unknown room {target}"
    if target == "backend" and room != "backend":
        return "only src/wick.c includes backend/"
    if target == room:
        other = quoted and re.match(r"backend/([^/]+)/", quoted)
        if backend_part and other and other.group(1) != backend_part:
            return f"backend {backend_part} stands beside {other.group(1)}"
        return None
    if FLOOR_OF[target] > FLOOR_OF[room]:
        return f"{target} is above {room}"
    if FLOOR_OF[target] == FLOOR_OF[room]:
        return f"{target} is beside {room}"
    return None


def check_file(path):
    """Complaints about one file."""
    parts = path.relative_to(ROOT).parts
    if parts[0] == "include":
        room = room_of_public(path.name)
        if room is None:
            return
    else:
        room = parts[1]
        if len(parts) == 2:  # src/wick.c sees everything
            return
    if room not in FLOOR_OF:
        yield f"{path.relative_to(ROOT)}:1: {room} is no room of tools/check_includes.py"
        return
    backend_part = parts[2] if room == "backend" and len(parts) > 3 else None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, public = match.groups()
        why = complaint(room, room_of_include(quoted, public, room), backend_part, quoted)
        if why:
            yield f"{path.relative_to(ROOT)}:{number}: {line.strip()}: {why}"


def main():
    files = [p for top in ("src", "include") for p in sorted((ROOT / top).rglob("*.[ch]"))]
    complaints = [text for path in files for text in check_file(path)]
    print("\n".join(complaints) if complaints else f"{len(files)} files include only downwards")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
