# SPDX-License-Identifier: Apache-2.0
"""Small ops beside PyTorch's: small.py WICK, the command. Both run alternately, the best of several
rounds counts. Prints a line for each bar, then how many are kept; exits 1 unless all are."""
import json
import subprocess
import sys
import time

import torch
import torch.nn.functional as functional

ROUNDS = 5


def operations():
    x, y = torch.rand(4, 16), torch.rand(4, 16)
    leaf = torch.rand(4, 16, requires_grad=True)
    row = torch.rand(1, 64)
    weight = torch.rand(64, 64, requires_grad=True)
    bias = torch.rand(64, requires_grad=True)

    def linear():
        weight.grad = bias.grad = None
        functional.relu(functional.linear(row, weight, bias)).sum().backward()

    # the name of Wick's row, PyTorch's call, and the most that Wick may take of its time
    return [("add [4, 16]", lambda: x + y, 0.08),
            ("add [4, 16], recorded", lambda: leaf + y, 0.12),
            ("reshape [4, 16]", lambda: x.view(4, 4, 4), 0.05),
            ("permute [4, 16]", lambda: x.transpose(0, 1), 0.05),
            ("sum(relu(linear [1, 64] to 64)) and backward", linear, 0.08)]


def nanoseconds(call, seconds=0.05):
    for _ in range(100):
        call()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        for _ in range(200):
            call()
        best = min(best, (time.perf_counter() - begin) / 200)
    return best * 1e9


def wick_times(command):
    lines = subprocess.run([command, "bench", "ops", "--json"], check=True, capture_output=True, text=True)
    rows = [json.loads(line) for line in lines.stdout.splitlines()]
    return {row["name"]: row["nanoseconds"] for row in rows if "name" in row}


def main():
    torch.set_num_threads(1)
    bars = operations()
    ours, theirs = {}, {}
    for _ in range(ROUNDS):
        for name, time_of_one in wick_times(sys.argv[1]).items():
            ours[name] = min(time_of_one, ours.get(name, float("inf")))
        for name, call, _ in bars:
            theirs[name] = min(nanoseconds(call), theirs.get(name, float("inf")))
    kept = 0
    for name, _, most in bars:
        ratio = ours[name] / theirs[name]
        kept += ratio <= most
        print(f"{name:46} {ours[name]:8.0f} ns, PyTorch {theirs[name]:8.0f} ns: {ratio:.3f}x (at most {most}x)")
    print(f"{kept} of {len(bars)} bars")
    return kept < len(bars)


if __name__ == "__main__":
    sys.exit(main())
