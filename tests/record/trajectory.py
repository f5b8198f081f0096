#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""trajectory.py: writes tests/trajectory/recorded.gen.c, the losses of 100 steps of gradient descent as PyTorch
takes them in f64. Weights and batches come from a formula that tests/trajectory/trajectory.c evaluates, too."""
import math
import pathlib

import torch
import torch.nn.functional as F

STEPS, RATE = 100, 0.05
N, SIZE, CHANNELS, WIDTH, HEADS, CLASSES = 8, 8, 3, 8, 2, 5


def formula(shape, seed, scale):
    """Element i is scale * sin(1.7 i + 0.9 seed + 0.3 i mod 7)."""
    count = math.prod(shape)
    values = [scale * math.sin(1.7 * i + 0.9 * seed + 0.3 * (i % 7)) for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def parameters():
    made = {
        "filters": formula((WIDTH, 3, 3, CHANNELS), 1, 0.3), "scale": 1 + formula((WIDTH,), 2, 0.1),
        "shift": formula((WIDTH,), 3, 0.1), "query": formula((WIDTH, WIDTH), 4, 0.4),
        "key": formula((WIDTH, WIDTH), 5, 0.4), "value": formula((WIDTH, WIDTH), 6, 0.4),
        "mixer": formula((WIDTH, WIDTH), 7, 0.3), "gain": 1 + formula((WIDTH,), 8, 0.1),
        "offset": formula((WIDTH,), 9, 0.1), "head": formula((CLASSES, WIDTH), 10, 0.5),
        "bias": formula((CLASSES,), 11, 0.1),
    }
    return {name: p.requires_grad_() for name, p in made.items()}


def heads(x):
    return x.reshape(N, -1, HEADS, WIDTH // HEADS).transpose(1, 2)


def loss_of(p, images, labels):
    x = F.conv2d(images.permute(0, 3, 1, 2), p["filters"].permute(0, 3, 1, 2), padding=1)
    x = F.batch_norm(x, None, None, p["scale"], p["shift"], training=True, eps=1e-5)
    x = F.max_pool2d(F.relu(x), 2).permute(0, 2, 3, 1).reshape(N, -1, WIDTH)
    y = F.scaled_dot_product_attention(heads(F.linear(x, p["query"])), heads(F.linear(x, p["key"])),
                                       heads(F.linear(x, p["value"])))
    x = x + F.linear(y.transpose(1, 2).reshape(N, -1, WIDTH), p["mixer"])
    x = F.layer_norm(x, (WIDTH,), p["gain"], p["offset"], eps=1e-5)
    return F.cross_entropy(F.linear(F.gelu(x).mean(1), p["head"], p["bias"]), labels)


def main():
    torch.set_num_threads(1)
    p, losses = parameters(), []
    for step in range(STEPS):
        images = formula((N, SIZE, SIZE, CHANNELS), 100 + step % 10, 1.0)
        labels = torch.tensor([(i * 3 + step % 10) % CLASSES for i in range(N)])
        loss = loss_of(p, images, labels)
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, list(p.values()))
        with torch.no_grad():
            for parameter, gradient in zip(p.values(), gradients):
                parameter -= RATE * gradient
    rows = "".join(f"    {value!r},\n" for value in losses)
    target = pathlib.Path(__file__).resolve().parents[1] / "trajectory" / "recorded.gen.c"
    target.write_text("/* SPDX-License-Identifier: Apache-2.0 */\n"
                      f"/* Written by tests/record/trajectory.py from PyTorch {torch.__version__.split('+')[0]}. Do not edit. */\n"
                      f'#include "recorded.h"\n\nconst double recorded_losses[RECORDED_STEPS] = {{\n{rows}}};\n')
    print(losses[0], losses[-1])


if __name__ == "__main__":
    main()
