#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's convolutions, channels last, in GFLOP/s: for tests/done/5-conv.

Reads the JSON lines of `wick bench conv --json` and prints for each row's name PyTorch's speed at the
same layer and pass: best of several repeats, measured as wick bench does.
"""
import json
import re
import sys
import time

import torch

ROUNDS, SECONDS = 5, 0.06


def best(call):
    call()
    least = float("inf")
    for _ in range(ROUNDS):
        begin = now = time.perf_counter()
        while now - begin < SECONDS:
            before = now
            call()
            now = time.perf_counter()
            least = min(least, now - before)
    return least


def main():
    torch.set_num_threads(int(sys.argv[1]))
    backward = torch.ops.aten.convolution_backward
    for text in sys.stdin:
        name = json.loads(text).get("name")
        if not name:
            continue
        batch, size, _, channels, kernel, _, stride, filters = map(int, re.findall(r"\d+", name))
        last = {"memory_format": torch.channels_last}
        x = torch.randn(batch, channels, size, size).to(**last)
        weight = torch.randn(filters, channels, kernel, kernel).to(**last)
        y = torch.conv2d(x, weight, None, stride, kernel // 2)
        gradient = torch.randn(y.shape).to(**last)
        settings = ([stride] * 2, [kernel // 2] * 2, [1, 1], False, [0, 0], 1)
        calls = {
            "forward": lambda: torch.conv2d(x, weight, None, stride, kernel // 2),
            "data": lambda: backward(gradient, x, weight, None, *settings, [True, False, False]),
            "weights": lambda: backward(gradient, x, weight, None, *settings, [False, True, False]),
        }
        with torch.no_grad():
            seconds = best(calls[name.split()[-1]])
        rate = 2e-9 * y.numel() * channels * kernel * kernel / seconds
        print(json.dumps({"name": name, "gflops": rate}), flush=True)


main()
