#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes out of a new ABI dump the fields that structures have gained at their end.

Structures that begin with struct_size may grow: each side knows how much the other one has. So a
field that stands behind all that the old dump has of its structure is no difference; whatever is left
is for abidiff to judge.   truncate.py OLD NEW RESULT"""

import sys
import xml.etree.ElementTree as ElementTree

# These are handed over in arrays, where the size is the distance of neighbours.
IN_ARRAYS = {"wk_callback", "wk_prediction"}


def structures(dump):
    """The defined structures of a dump, by name."""
    return {
        each.get("name"): each
        for each in dump.iter("class-decl")
        if each.get("is-declaration-only") is None
    }


def first_field(structure):
    variable = structure.find("data-member/var-decl")
    return variable.get("name") if variable is not None else None


def main(old_path, new_path, result_path):
    old, new = structures(ElementTree.parse(old_path)), ElementTree.parse(new_path)
    for name, structure in structures(new).items():
        before = old.get(name)
        if before is None or name in IN_ARRAYS or first_field(before) != "struct_size":
            continue
        appended = structure.findall("data-member")[len(before.findall("data-member")) :]
        for field in appended:
            structure.remove(field)
            print(f"{name} gained {field.find('var-decl').get('name')}")
        if appended:
            structure.set("size-in-bits", before.get("size-in-bits"))
    new.write(result_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
