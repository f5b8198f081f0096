# SPDX-License-Identifier: Apache-2.0
"""Bars for small ops beside PyTorch's: small.py WICK, the command, whose `bench ops --peers` times both
alternately. The best of several rounds counts. Prints a line for each bar, then how many are kept;
exits 1 unless all are, 77 where PyTorch is not among the peers."""
import json
import subprocess
import sys

ROUNDS = 2
# a row of the bench, and the most that Wick may take of PyTorch's time
BARS = {"add [4, 16]": 0.08,
        "add [4, 16], recorded": 0.12,
        "reshape [4, 16]": 0.05,
        "permute [4, 16]": 0.05,
        "sum(relu(linear [1, 64] to 64)) and backward": 0.08}


def measure(command, rows):
    """(Wick's, PyTorch's) nanoseconds of the rows whose names contain `rows`."""
    lines = subprocess.run([command, "bench", "ops", rows, "--peers", "--threads", "1", "--json"],
                           check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for row in map(json.loads, lines):
        if row.get("name") in BARS:
            if "torch" not in row:
                print("skip small no PyTorch beside; bench/peers/setup brings it, $WICK_PEERS names its folder")
                sys.exit(77)
            yield row["name"], (row["nanoseconds"], row["torch"]["nanoseconds"])


def main():
    best = {}
    for _ in range(ROUNDS):
        for rows in "[4, 16]", "linear":
            for name, times in measure(sys.argv[1], rows):
                best[name] = tuple(map(min, times, best.get(name, times)))
    kept = 0
    for name, most in BARS.items():
        ours, theirs = best[name]
        kept += ours / theirs <= most
        print(f"{name:46} {ours:8.0f} ns, PyTorch {theirs:8.0f} ns: {ours / theirs:.3f}x (at most {most}x)")
    print(f"{kept} of {len(BARS)} bars")
    return kept < len(BARS)


if __name__ == "__main__":
    sys.exit(main())
