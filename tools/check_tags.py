#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every public prototype says which threads may call it.

The tag stands in a comment on the prototype's own lines, or in the comment that begins the unbroken
group of lines which the prototype belongs to; a neighbour's own tag is not its. Every function that a
header declares must be a public one, so that none escapes this check or the one of exports. What C++
alone sees (inline functions of a header) calls the tagged ones."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Calls that change the whole process have no object to be serialised by, hence the short form.
TAG = re.compile(r"\[(any thread|one thread at a time( per object)?|creating thread)\]")
PROTOTYPE = re.compile(r"^(?!typedef|#|\s|/?\*|inline|struct|static).*?\b(wk_\w+)\s*\(")


def without_cpp(lines):
    """The lines that C sees; those for C++ alone stay in place as empty ones."""
    kept, branches = [], []  # for each open #if: is it about C++, and are we in its C++ branch
    for line in lines:
        directive = re.match(r"\s*#\s*(if\w*|else|endif)\b(.*)", line)
        if directive and directive[1].startswith("if"):
            about_cpp = "__cplusplus" in directive[2]
            branches.append((about_cpp, about_cpp and directive[1] != "ifndef"))
        elif directive and directive[1] == "else" and branches:
            about_cpp, in_cpp = branches[-1]
            branches[-1] = (about_cpp, about_cpp and not in_cpp)
        elif directive and branches:
            branches.pop()
        kept.append("" if any(in_cpp for _, in_cpp in branches) else line)
    return kept


def comment_above(lines, index):
    """The comment that begins the unbroken group of lines in which `index` stands."""
    start = index
    while start > 0 and lines[start - 1].strip():
        start -= 1
    # A blank line inside a comment does not end it.
    if any("*/" in line and "/*" not in line for line in lines[start:index]):
        while start > 0 and "/*" not in lines[start]:
            start -= 1
    text = "\n".join(lines[start:index])
    # Comments that stand on lines of their own; the last one counts. Those after code are others'.
    found = re.findall(r"^[ \t]*(/\*.*?\*/)", text, re.DOTALL | re.MULTILINE)
    return found[-1] if found else ""


def prototype_lines(lines, index):
    """The prototype that begins at `index`, through the line with its semicolon."""
    end = index
    while end < len(lines) - 1 and ";" not in lines[end]:
        end += 1
    return "\n".join(lines[index : end + 1])


def check_header(path):
    """The number of its prototypes, and complaints about them."""
    count, complaints = 0, []
    lines = without_cpp(path.read_text().splitlines())
    for index, line in enumerate(lines):
        match = PROTOTYPE.match(line)
        if not match:
            continue
        count += 1
        place = f"{path.relative_to(ROOT)}:{index + 1}: {match.group(1)}"
        if not line.startswith("WK_API "):
            complaints.append(f"{place}: no WK_API")
        text = comment_above(lines, index) + prototype_lines(lines, index)
        # A tag may be broken over two comment lines.
        if not TAG.search(re.sub(r"\s*\n\s*\*?\s*", " ", text)):
            complaints.append(f"{place}: no thread tag, such as [any thread]")
    return count, complaints


def main():
    results = [check_header(path) for path in sorted((ROOT / "include/wick").glob("*.h"))]
    complaints = [text for _, found in results for text in found]
    total = sum(count for count, _ in results)
    print("\n".join(complaints) if complaints else f"{total} prototypes")
    return 1 if complaints or total == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
