#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""count_right.py FILE: how many predictions name the class of the folder that the picture lies in.

FILE is what `wick predict MODEL FILE... --json` prints: an object a line, with the members `file`,
`class` and `probability`. A malformed line is an error."""

import json
import pathlib
import sys


def is_right(line):
    prediction = json.loads(line)
    if not 0 <= prediction["probability"] <= 1:
        raise ValueError(f"no probability: {line}")
    folder = pathlib.Path(prediction["file"]).parent.name
    return prediction["class"].replace("/", "-") == folder


def main():
    lines = pathlib.Path(sys.argv[1]).read_text().splitlines()
    print(sum(map(is_right, lines)))


if __name__ == "__main__":
    main()
