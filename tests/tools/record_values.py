#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record_values.py: writes tests/ops/recorded.gen.c, what NumPy and PyTorch make of the records' samples
in f64; the reference device is judged by it. Run by hand after samples or definitions have changed, with
a Python >= 3.11 that has both packages; tests only read the file."""

import math
import pathlib
import re
import sys

import numpy as np
import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from generator import records, samples  # noqa: E402

MOST = 24  # elements recorded of a result
MASK = (1 << 64) - 1
TYPES = {"f64": np.float64, "i64": np.int64, "i32": np.int32, "u8": np.uint8, "bool": np.uint8}


def read_specials():
    """The list stands in samples.c alone."""
    text = (ROOT / "tests/ops/samples.c").read_text()
    body = re.search(r"special_f64\[\] = \{(.*?)\};", text, re.S).group(1)
    words = [w.strip() for w in body.split(",")]
    read = {"INFINITY": math.inf, "NAN": math.nan, "DBL_MAX": sys.float_info.max}
    return [read[w] if w in read else float.fromhex(w) if "x" in w else float(w) for w in words]


# ---- random words and the samples' values, as src/base/random.h and tests/ops/samples.c define them ----

def philox(seed, counter, stream):
    c = [counter & 0xFFFFFFFF, counter >> 32, stream & 0xFFFFFFFF, stream >> 32]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def word(seed, index):
    return philox(seed, index >> 2, 0)[index & 3]


def unit_double(high, low):
    return ((high << 32 | low) >> 11) * 2.0**-53


def sample_value(kind, low, high, seed, index):
    w = philox(seed, index, 0)
    if kind == "uniform":
        return low + (high - low) * unit_double(w[0], w[1])
    if kind == "integers":
        return low + float((w[0] << 32 | w[1]) * (int(high - low) + 1) >> 64)
    if kind == "bits":
        return w[0] & 1
    value = SPECIALS[index // 2 % len(SPECIALS)]
    return -value if index % 2 else value


def tensor_of(text, op, place):
    match = re.fullmatch(r"(\w+)(?:\((.*?),(.*?)\))? \[(.*?)\] ?(\w*)", text)
    kind, low, high, dims, dtype = match.groups()
    dims = [int(d) for d in dims.split(",") if d.strip()]
    seed = place + 1
    for letter in op.name:
        seed = (seed * 31 + ord(letter)) & MASK
    low, high = float(low or 0), float(high or 0)
    count = math.prod(dims)
    values = [sample_value(kind, low, high, seed, i) for i in range(count)]
    return torch.from_numpy(np.array(values, dtype=TYPES[dtype or "f64"]).reshape(dims))


# ---- what each op is, said by others ----

def pair(value, default):
    return list(value) if value else [default, default]


def conv(a, x, weight, bias=None):
    stride, dilation = pair(a.get("stride"), 1), pair(a.get("dilation"), 1)
    before = after = pair(a.get("padding"), 0)
    if a.get("same"):
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[1:3])]
        total = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(x.shape[1:3], stride, reach)]
        before, after = [t // 2 for t in total], [t - t // 2 for t in total]
    padded = F.pad(x.permute(0, 3, 1, 2), (before[1], after[1], before[0], after[0]))
    y = F.conv2d(padded, weight.permute(0, 3, 1, 2), bias, stride, 0, dilation, a.get("groups", 1))
    return y.permute(0, 2, 3, 1)


def gradient_of(function, x, g):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x), x, g)[0]


def pool(a, x, function, **more):
    window = pair(a["window"], 0)
    y = function(x.permute(0, 3, 1, 2), window, pair(a.get("stride"), 0) if a.get("stride") else window,
                 pair(a.get("padding"), 0), **more)
    return y.permute(0, 2, 3, 1)


def max_pool(a, x):
    return pool(a, x, F.max_pool2d)


def average_pool(a, x):
    return pool(a, x, F.avg_pool2d, count_include_pad=False)


def axes_of(a, x):
    return [i % x.dim() for i in a["axes"]] if a.get("axes") else list(range(x.dim()))


def largest(a, x):
    return torch.amax(x, axes_of(a, x), a.get("keep_dims", False))


def total(a, x):
    wide = x if x.dtype == torch.float64 else x.long()
    return torch.sum(wide, axes_of(a, x), a.get("keep_dims", False)).to(x.dtype) if x.dim() else x


def pad(a, x):
    amounts = []
    for before, after in zip(reversed(a["before"]), reversed(a["after"])):
        amounts += [before, after]
    return F.pad(x, amounts, value=a.get("value", 0))


def normal(a, count):
    mean, deviation = a.get("mean", 0.0), a.get("deviation", 1.0)
    values = []
    for i in range(count):
        index = a.get("offset", 0) + i
        even = index & ~1
        u1 = (word(a["seed"], even) + 0.5) * 2.0**-32
        angle = 2 * math.pi * (word(a["seed"], even + 1) * 2.0**-32)
        radius = math.sqrt(-2 * math.log(u1))
        values.append(mean + deviation * radius * (math.sin(angle) if index & 1 else math.cos(angle)))
    return torch.tensor(values, dtype=torch.float64)


def uniform(a, count):
    low, high = a.get("low", 0.0), a.get("high", 1.0)
    blocks = [philox(a["seed"], a.get("offset", 0) + i, 1) for i in range(count)]
    return torch.tensor([low + (high - low) * unit_double(b[0], b[1]) for b in blocks], dtype=torch.float64)


def dropout(a, x):
    flat = x.flatten()
    rate = float(np.float32(a["rate"]))
    keep = [(word(a["seed"], a.get("offset", 0) + i) >> 8) * 2.0**-24 >= rate for i in range(flat.numel())]
    return torch.where(torch.tensor(keep), flat / (1 - a["rate"]), 0.0).reshape(x.shape)


def sgd(a, value, gradient, velocity):
    parameter = torch.nn.Parameter(value.clone())
    parameter.grad = gradient
    optimizer = torch.optim.SGD([parameter], a["learning_rate"], a["momentum"], weight_decay=a["weight_decay"])
    optimizer.state[parameter]["momentum_buffer"] = velocity.clone()
    optimizer.step()
    return parameter.detach()


def cast(a, x):
    return x.to({"f64": torch.float64, "i32": torch.int32, "bool": torch.bool, "u8": torch.uint8}[a["dtype"]])


OPS = {
    "add": lambda a, x, y: x + y, "subtract": lambda a, x, y: x - y, "multiply": lambda a, x, y: x * y,
    "divide": lambda a, x, y: x / y, "maximum": lambda a, x, y: torch.maximum(x, y),
    "minimum": lambda a, x, y: torch.minimum(x, y), "negative": lambda a, x: -x,
    "exp": lambda a, x: torch.from_numpy(np.exp(x.numpy())), "log": lambda a, x: torch.from_numpy(np.log(x.numpy())),
    "sqrt": lambda a, x: torch.sqrt(x), "relu": lambda a, x: torch.relu(x),
    "sigmoid": lambda a, x: torch.sigmoid(x), "tanh": lambda a, x: torch.from_numpy(np.tanh(x.numpy())),
    "where": lambda a, c, x, y: torch.where(c.bool(), x, y), "equal": lambda a, x, y: x == y,
    "greater": lambda a, x, y: x > y, "less": lambda a, x, y: x < y,
    "sum": total, "mean": lambda a, x: torch.mean(x, axes_of(a, x), a.get("keep_dims", False)), "max": largest,
    "argmax": lambda a, x: torch.from_numpy(
        np.asarray(np.argmax(x.numpy(), a["axis"], keepdims=a.get("keep_dims", False)))),
    "matmul": lambda a, x, y: x @ y, "linear": lambda a, x, w, b=None: F.linear(x, w, b), "conv2d": conv,
    "conv2d_data_gradient": lambda a, g, w: gradient_of(lambda x: conv(a, x, w), torch.zeros(a["shape"], dtype=g.dtype), g),
    "conv2d_weight_gradient": lambda a, g, x: gradient_of(lambda w: conv(a, x, w), torch.zeros(a["shape"], dtype=g.dtype), g),
    "max_pool2d": max_pool, "average_pool2d": average_pool,
    "max_pool2d_gradient": lambda a, g, x: gradient_of(lambda v: max_pool(a, v), x, g),
    "average_pool2d_gradient": lambda a, g: gradient_of(
        lambda v: average_pool(a, v), torch.zeros(a["shape"], dtype=g.dtype), g),
    "softmax": lambda a, x: torch.softmax(x, -1), "log_softmax": lambda a, x: torch.log_softmax(x, -1),
    "softmax_gradient": lambda a, g, y: torch.ops.aten._softmax_backward_data(g, y, -1, g.dtype),
    "log_softmax_gradient": lambda a, g, y: torch.ops.aten._log_softmax_backward_data(g, y, -1, g.dtype),
    "cross_entropy": lambda a, x, labels: F.cross_entropy(x, labels),
    "cross_entropy_gradient": lambda a, g, x, labels: gradient_of(lambda v: F.cross_entropy(v, labels), x, g),
    "reshape": lambda a, x: x.reshape(a["shape"]), "flatten": lambda a, x: x.flatten(a["axis"]),
    "permute": lambda a, x: x.permute(*a["axes"]), "broadcast_to": lambda a, x: x.broadcast_to(a["shape"]),
    "slice": lambda a, x: torch.from_numpy(x.numpy().take(range(*slice(a["start"], a["end"]).indices(
        x.shape[a["axis"]])), a["axis"])), "contiguous": lambda a, x: x, "cast": cast,
    "concatenate": lambda a, *x: torch.cat(x, a["axis"]), "pad": pad,
    "full": lambda a: torch.full(a["shape"], float(a["value"]), dtype=torch.float64),
    "arange": lambda a: a.get("start", 0) + a.get("step", 1) * torch.arange(a["count"], dtype=torch.float64),
    "uniform": lambda a: uniform(a, math.prod(a["shape"])), "normal": lambda a: normal(a, math.prod(a["shape"])),
    "dropout": dropout, "sgd_update": sgd,
}


# Where PyTorch leaves the result open, or means something else.
def is_defined(op, sample):
    if op.name == "cast":
        return str(sample["x"]).startswith(("uniform(-4,", "bits", "integers(-2")) and sample["dtype"] != "f32"
    if op.name in ("pad", "sum"):
        return "u8" not in str(sample["x"])  # wraps and saturates
    return True


def literal(value):
    value = float(value)
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return repr(value)


def row(op, number, sample):
    texts = samples.tensor_texts(op, sample)
    inputs = [tensor_of(t, op, i) if t else None for i, t in enumerate(texts)]
    settings = {a.name: sample[a.name] for a in op.attributes if a.name in sample}
    result = OPS[op.name](settings, *inputs).detach().flatten().to(torch.float64)
    step = result.numel() // MOST + 1
    values = [literal(v) for v in result[::step].tolist()]
    return f'    {{"{op.name}", {number}, {result.numel()}, {step}, {{{", ".join(values) or "0"}}}}},\n'


def main():
    np.seterr(all="ignore")
    rows = []
    for op in records.load_ops(ROOT / "schema"):
        for number, sample in enumerate(op.samples):
            if op.name in OPS and is_defined(op, sample):
                rows.append(row(op, number, sample))
    (ROOT / "tests/ops/recorded.gen.c").write_text(
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        f"/* Written by tests/tools/record_values.py from PyTorch {torch.__version__.split('+')[0]} and NumPy "
        f"{np.__version__}. Do not edit. */\n"
        '#include "recorded.h"\n\n#include <math.h>\n\nconst recorded_row recorded_table[] = {\n'
        + "".join(rows)
        + "};\n\nconst int recorded_table_count = sizeof recorded_table / sizeof *recorded_table;\n")
    print(len(rows), "rows")


SPECIALS = read_specials()
if __name__ == "__main__":
    main()
