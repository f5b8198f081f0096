#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sequence.py LIBRARY [GROUP...]: training steps of attention, LSTM and GRU, against PyTorch."""
import sys

import torch
import torch.nn.functional as F

from versus import Wick, case, finish

BAR = 1.2
wick = Wick(sys.argv[1])
tensor, run, step = wick.tensor, wick.run, wick.step
generator = torch.Generator().manual_seed(1)


def uniform(*shape, scale=1.0):
    return (torch.rand(*shape, generator=generator) - 0.5) * scale


def attention():
    for tokens, batch in ((1024, 1), (1024, 4), (4096, 1)):
        for causal in (False, True):
            values = [uniform(batch, 8, tokens, 64, scale=2) for _ in range(4)]
            q, k, v = (t.clone().requires_grad_() for t in values[:3])
            Q, K, V = (tensor(t, learns=True) for t in values[:3])
            G = tensor(values[3])

            def theirs():
                q.grad = k.grad = v.grad = None
                F.scaled_dot_product_attention(q, k, v, is_causal=causal).backward(values[3])

            size = f"{batch} x 8 x {tokens} x 64{', causal' if causal else ''}"
            case(f"attention step, {size}", theirs,
                 step("scaled_dot_product_attention", [Q, K, V], [Q, K, V], G, causal=causal), least=3, bar=BAR)
            plain = values[:3]
            case(f"attention forward, {size}",
                 lambda: F.scaled_dot_product_attention(*plain, is_causal=causal),
                 run("scaled_dot_product_attention", [tensor(t) for t in plain], causal=causal), least=3)


def recurrent(kind):
    for batch, steps, size, layers in ((32, 50, 256, 1), (32, 50, 256, 2), (32, 50, 512, 1), (32, 50, 512, 2),
                                       (64, 25, 1024, 1), (8, 100, 128, 1)):
        layer = (torch.nn.LSTM if kind == "lstm" else torch.nn.GRU)(size, size, layers, batch_first=True)
        x, g = uniform(batch, steps, size, scale=2), uniform(batch, steps, size)
        names = [f"{part}_l{i}" for i in range(layers) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        parts = [getattr(layer, name).detach() for name in names]
        if kind == "lstm":  # one bias for both products
            parts = [p for i, p in enumerate(parts) if i % 4 != 3]
        weights = [tensor(p, learns=True) for p in parts]
        y = x.clone().requires_grad_()
        X, G = tensor(x, learns=True), tensor(g)

        def theirs():
            layer.zero_grad()
            y.grad = None
            layer(y)[0].backward(g)

        optional = [None] * (3 if kind == "lstm" else 2)
        name = f"{kind} step, {batch} x {steps} x {size}, layers {layers}"
        case(name, theirs, step(kind, [X, *optional, *weights], [X, *weights], G, layers=layers), least=3, bar=BAR)


GROUPS = {"attention": attention, "lstm": lambda: recurrent("lstm"), "gru": lambda: recurrent("gru")}
for group in sys.argv[2:] or GROUPS:
    GROUPS[group]()
sys.exit(finish("sequence"))
