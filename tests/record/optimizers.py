#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""optimizers.py: writes tests/support/optimizers.gen.h, what PyTorch's optimizers make of two parameters in eight
steps with gradients given by a formula that tests/unit/optimizers.c evaluates, too. All in f64."""
import math
import pathlib

import torch

STEPS, SIZES = 8, (5, 3)

# name, the settings of Wick, PyTorch's class, its settings; `clip` and `value` clip the gradients first
CASES = [
    ("sgd", ".learning_rate = 0.1", "SGD", dict(lr=0.1)),
    ("sgd", ".learning_rate = 0.1, .weight_decay = 0.05", "SGD", dict(lr=0.1, weight_decay=0.05)),
    ("sgd", ".learning_rate = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.05", "SGD",
     dict(lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.05)),
    ("sgd", ".learning_rate = 0.1, .momentum = 0.9, .nesterov = true", "SGD", dict(lr=0.1, momentum=0.9, nesterov=True)),
    ("sgd", ".learning_rate = 0.1, .momentum = 0.9, .clip_norm = 0.7", "SGD", dict(lr=0.1, momentum=0.9, clip=0.7)),
    ("sgd", ".learning_rate = 0.1, .clip_value = 0.25", "SGD", dict(lr=0.1, value=0.25)),
    ("adam", ".learning_rate = 0.05", "Adam", dict(lr=0.05)),
    ("adam", ".learning_rate = 0.05, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.1", "Adam",
     dict(lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    ("adam", ".learning_rate = 0.05, .beta2 = 0.5, .amsgrad = true", "Adam", dict(lr=0.05, betas=(0.9, 0.5), amsgrad=True)),
    ("adam", ".learning_rate = 0.05, .clip_norm = 0.7", "Adam", dict(lr=0.05, clip=0.7)),
    ("adamw", ".learning_rate = 0.05", "AdamW", dict(lr=0.05)),
    ("adamw", ".learning_rate = 0.05, .weight_decay = 0.3, .amsgrad = true", "AdamW",
     dict(lr=0.05, weight_decay=0.3, amsgrad=True)),
    ("rmsprop", ".learning_rate = 0.05", "RMSprop", dict(lr=0.05)),
    ("rmsprop", ".learning_rate = 0.05, .alpha = 0.9, .epsilon = 1e-3, .weight_decay = 0.1", "RMSprop",
     dict(lr=0.05, alpha=0.9, eps=1e-3, weight_decay=0.1)),
    ("rmsprop", ".learning_rate = 0.05, .momentum = 0.5", "RMSprop", dict(lr=0.05, momentum=0.5)),
    ("rmsprop", ".learning_rate = 0.05, .momentum = 0.5, .centred = true, .epsilon = 1e-2", "RMSprop",
     dict(lr=0.05, momentum=0.5, centered=True, eps=1e-2)),
    ("adagrad", ".learning_rate = 0.1, .learning_rate_decay = 0.2, .weight_decay = 0.1", "Adagrad",
     dict(lr=0.1, lr_decay=0.2, weight_decay=0.1)),
]


def start(parameter):
    return torch.tensor([math.sin(1 + i + 10 * parameter) for i in range(SIZES[parameter])], dtype=torch.float64)


def gradient(parameter, step):
    return torch.tensor([math.cos(0.7 * i + 3 * parameter + 0.9 * step) for i in range(SIZES[parameter])],
                        dtype=torch.float64)


def run(cls, settings):
    settings = dict(settings)
    clip, value = settings.pop("clip", None), settings.pop("value", None)
    parameters = [torch.nn.Parameter(start(i)) for i in range(len(SIZES))]
    optimizer = getattr(torch.optim, cls)(parameters, **settings)
    for step in range(1, STEPS + 1):
        for i, p in enumerate(parameters):
            p.grad = gradient(i, step)
        if clip:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        if value:
            torch.nn.utils.clip_grad_value_(parameters, value)
        optimizer.step()
    return [v for p in parameters for v in p.tolist()]


def main():
    rows = ""
    for name, wick, cls, settings in CASES:
        values = ", ".join(repr(v) for v in run(cls, settings))
        rows += f'    CASE({name}, ({values}), {wick}),\n'
    target = pathlib.Path(__file__).resolve().parents[1] / "support" / "optimizers.gen.h"
    target.write_text("/* SPDX-License-Identifier: Apache-2.0 */\n"
                      f"/* Written by tests/record/optimizers.py from PyTorch {torch.__version__.split('+')[0]}. Do not edit. */\n"
                      "static const optimizer_case cases[] = {\n" + rows + "};\n")


if __name__ == "__main__":
    main()
