#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""optimizers.py PROGRAM: times optimizer steps of Wick (tests/tools/optimizer_speed.c) and of PyTorch, alternately:
100 tiny tensors, and the 161 of ResNet-50. Fails where a bar is missed."""
import subprocess
import sys
import time

import torch

ROUNDS = 5


def shapes(which):
    if which == "tiny":
        return [(16, 16), (16,)] * 50
    result, inputs = [(64, 3, 7, 7), (64,), (64,)], 64
    for stage, blocks in enumerate([3, 4, 6, 3]):
        width = 64 << stage
        for block in range(blocks):
            for out, in_, size in [(width, inputs, 1), (width, width, 3), (4 * width, width, 1)]:
                result += [(out, in_, size, size), (out,), (out,)]
            if block == 0:
                result += [(4 * width, inputs, 1, 1), (4 * width,), (4 * width,)]
            inputs = 4 * width
    return result + [(1000, 2048), (1000,)]


MAKERS = {
    "sgd": lambda p, **how: torch.optim.SGD(p, 0.01, momentum=0.9, **how),
    "adamw": lambda p, **how: torch.optim.AdamW(p, 1e-3, **how),
}


class Peer:
    def __init__(self, which, name, **how):
        parameters = [torch.nn.Parameter(torch.rand(s) - 0.5) for s in shapes(which)]
        for p in parameters:
            p.grad = torch.rand_like(p) - 0.5
        self.optimizer = MAKERS[name](parameters, **how)

    def time(self):
        best, end = 1e9, time.perf_counter() + 0.3
        self.optimizer.step()
        while time.perf_counter() < end:
            before = time.perf_counter()
            self.optimizer.step()
            best = min(best, time.perf_counter() - before)
        return best * 1e6


def main():
    own = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ours(which, name):
        own.stdin.write(f"{which} {name}\n")
        own.stdin.flush()
        return float(own.stdout.readline())

    missed = 0
    for which, name, bar, how in [("tiny", "adamw", 0.02, "foreach"), ("tiny", "adamw", None, "fused"),
                                  ("large", "adamw", 1, "fused"), ("large", "sgd", 1, "fused")]:
        peer, pairs = Peer(which, name, **{how: True}), []
        for _ in range(ROUNDS if which == "tiny" else 3):
            pairs.append((ours(which, name), peer.time()))
        mine, theirs = min(p[0] for p in pairs), min(p[1] for p in pairs)
        ratio = mine / theirs
        good = bar is None or ratio <= bar
        missed += not good
        print(f"{'ok' if good else 'SHORT':5} {which} {name}: wick {mine:.2f} us, PyTorch {how} {theirs:.2f} us, "
              f"ratio {ratio:.4f}" + (f" (bar {bar})" if bar else ""))
    own.stdin.close()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
