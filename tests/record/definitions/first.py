# SPDX-License-Identifier: Apache-2.0
"""Each op as PyTorch and NumPy would say it: OPS[name](settings, *inputs), tensors in f64 where they name no dtype."""
import math

import numpy as np
import torch
import torch.nn.functional as F
from words import word


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


def dropout(a, x):
    flat = x.flatten()
    rate = float(np.float32(a["rate"]))
    keep = [(word(a["seed"], a.get("offset", 0) + i) >> 8) * 2.0**-24 >= rate for i in range(flat.numel())]
    return torch.where(torch.tensor(keep), flat / (1 - a["rate"]), 0.0).reshape(x.shape)


def sgd(a, value, gradient, velocity):
    parameter = torch.nn.Parameter(value.clone())
    parameter.grad = (gradient * a["scale"]).clamp(-a["limit"], a["limit"])
    optimizer = torch.optim.SGD([parameter], a["learning_rate"], a["momentum"], 1 - a["factor"],
                                weight_decay=a["weight_decay"], nesterov=a["nesterov"] > 0)
    optimizer.state[parameter]["momentum_buffer"] = velocity.clone()
    optimizer.step()
    return parameter.detach()


def cast(a, x):
    return x.to({"f64": torch.float64, "f32": torch.float32, "i64": torch.int64, "i32": torch.int32, "bool": torch.bool,
                 "u8": torch.uint8}[a["dtype"]])


OPS = {
    "add": lambda a, x, y: x + y, "subtract": lambda a, x, y: x - y, "multiply": lambda a, x, y: x * y,
    "divide": lambda a, x, y: x / y, "maximum": lambda a, x, y: torch.maximum(x, y),
    "minimum": lambda a, x, y: torch.minimum(x, y), "negative": lambda a, x: -x,
    "exp": lambda a, x: torch.from_numpy(np.exp(x.numpy())), "log": lambda a, x: torch.from_numpy(np.log(x.numpy())),
    "sqrt": lambda a, x: torch.sqrt(x), "relu": lambda a, x: torch.relu(x),
    "sigmoid": lambda a, x: torch.sigmoid(x), "tanh": lambda a, x: torch.from_numpy(np.tanh(x.numpy())),
    "where": lambda a, c, x, y: torch.where(c.bool(), x, y), "equal": lambda a, x, y: x == y,
    "greater": lambda a, x, y: x > y, "less": lambda a, x, y: x < y, "less_equal": lambda a, x, y: x <= y,
    "greater_equal": lambda a, x, y: x >= y, "not_equal": lambda a, x, y: x != y,
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
    "reshape": lambda a, x: x.reshape(a["shape"]), "flatten": lambda a, x: x.flatten(a["axis"]),
    "permute": lambda a, x: x.permute(*a["axes"]), "broadcast_to": lambda a, x: x.broadcast_to(a["shape"]),
    "contiguous": lambda a, x: x, "cast": cast,
    "concatenate": lambda a, *x: torch.cat(x, a["axis"]),
    "full": lambda a: torch.full(a["shape"], float(a["value"]), dtype=torch.float64),
    "arange": lambda a: a.get("start", 0) + a.get("step", 1) * torch.arange(a["count"], dtype=torch.float64),
    "dropout": dropout, "sgd_update": sgd,
}
