# SPDX-License-Identifier: Apache-2.0
"""Convolutions, pooling, resizing and normalisation as PyTorch says them, channels first."""
import math

import torch
import torch.nn.functional as F

from .first import conv, gradient_of, pair


def first(x):
    """Channels last to channels first."""
    return x.movedim(-1, 1)


def last(y):
    return y.movedim(1, -1)


def several(value, default, count):
    values = list(value) if isinstance(value, (list, tuple)) else [value if value else default]
    return values + values[-1:] * (count - len(values))


# ---- convolutions ----

def conv_nd(a, x, weight, bias=None):
    count = x.dim() - 2
    stride, dilation = several(a.get("stride"), 1, count), several(a.get("dilation"), 1, count)
    padding = "same" if a.get("same") else several(a.get("padding"), 0, count)
    function = {1: F.conv1d, 3: F.conv3d}[count]
    return last(function(first(x), first(weight), bias, stride, padding, dilation, a.get("groups", 1)))


def conv_transpose(a, x, weight, bias=None):
    count = x.dim() - 2
    function = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[count]
    words = [several(a.get(n), d, count) for n, d in (("stride", 1), ("padding", 0), ("output_padding", 0))]
    dilation = several(a.get("dilation"), 1, count)
    if x.numel() == 0:  # PyTorch refuses
        return torch.zeros(0, *[1] * count, 3)
    return last(function(first(x), first(weight), bias, *words, a.get("groups", 1), dilation))


def separable(a, x, depthwise, pointwise, bias=None):
    return conv({}, conv(a | {"groups": x.shape[-1]}, x, depthwise), pointwise, bias)


# ---- pooling ----

def same_padding(a, x):
    stride = several(a.get("stride") or a["window"], 0, 2)
    reach = [d * (k - 1) + 1 for d, k in zip(several(a.get("dilation"), 1, 2), a["window"])]
    total = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(x.shape[1:3], stride, reach)]
    return [total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2]


def max_pool_all(a, x):
    """Values and indices."""
    count = x.dim() - 2
    window = several(a["window"], 0, count)
    stride = several(a.get("stride") or window, 0, count)
    padding, dilation = several(a.get("padding"), 0, count), several(a.get("dilation"), 1, count)
    x = first(x)
    if a.get("same"):
        x = F.pad(x, same_padding(a, last(x)), value=-math.inf)
    if max(2 * p - k for p, k in zip(padding, window)) > 0:  # more than PyTorch allows
        x, padding = F.pad(x, [p for q in reversed(padding) for p in (q, q)], value=-math.inf), [0] * count
    function = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[count]
    y, indices = function(x, window, stride, padding, dilation, ceil_mode=a.get("ceil_mode", False), return_indices=True)
    return last(y), last(indices)


def max_pool(a, x):
    return max_pool_all(a, x)[0]


def average_pool(a, x):
    count = x.dim() - 2
    window = several(a["window"], 0, count)
    stride = several(a.get("stride") or window, 0, count)
    padding = several(a.get("padding"), 0, count)
    if a.get("same"):
        pad = same_padding(a, x)
        total, ones = [F.avg_pool2d(F.pad(first(t), pad), window, stride) for t in (x, torch.ones_like(x))]
        return last(total / ones)
    function = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[count]
    return last(function(first(x), window, stride, padding, a.get("ceil_mode", False), a.get("count_padding", False)))


def unpool(a, x, indices):
    y = torch.zeros(x.shape[0], a["size"][0] * a["size"][1], x.shape[3], dtype=x.dtype)
    y.scatter_add_(1, indices.flatten(1, 2), x.flatten(1, 2))
    return y.reshape(x.shape[0], *a["size"], x.shape[3])


def adaptive(function):
    return lambda a, x: last(function(first(x), a["size"]))


def rows(x, window):
    """PyTorch's [N, C * KH * KW, L] as [N, L, KH * KW * C]."""
    n, _, length = x.shape
    return x.reshape(n, -1, window[0] * window[1], length).permute(0, 3, 2, 1).flatten(2)


def unfold(a, x):
    window = a["window"]
    if x.numel() == 0:
        return torch.zeros(0, 15, 18)
    return rows(F.unfold(first(x), window, pair(a.get("dilation"), 1), pair(a.get("padding"), 0), pair(a.get("stride"), 1)),
                window)


def fold(a, x):
    window = a["window"]
    if x.numel() == 0:
        return torch.zeros(0, *a["size"], 3)
    n, length, width = x.shape
    area = window[0] * window[1]
    columns = x.reshape(n, length, area, width // area).permute(0, 3, 2, 1).reshape(n, width, length)
    return last(F.fold(columns, a["size"], window, pair(a.get("dilation"), 1), pair(a.get("padding"), 0),
                       pair(a.get("stride"), 1)))


def local_response(a, x):
    y = F.local_response_norm(x.movedim(-1, 1), a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("k", 1.0)) \
        if x.dim() > 2 else \
        F.local_response_norm(x[:, :, None], a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("k", 1.0))[..., 0]
    return y.movedim(1, -1) if x.dim() > 2 else y


# ---- resizing ----

def interpolate(a, x):
    count = x.dim() - 2
    mode = a.get("mode", "nearest").replace("_", "-")
    if mode == "linear":
        mode = ["linear", "bilinear", "trilinear"][count - 1]
    mode = {"cubic": "bicubic"}.get(mode, mode)
    smooth = "linear" in mode or "cubic" in mode
    if x.numel() == 0:
        return torch.zeros(0, 6, 8, 2)
    return last(F.interpolate(first(x), size=a.get("size"), scale_factor=a.get("scale"), mode=mode,
                              align_corners=a.get("align_corners", False) if smooth else None,
                              antialias=a.get("antialias", False)))


def grid_sample(a, x, grid):
    if x.numel() == 0:
        return torch.zeros(0, 3, 4, 3)
    return last(F.grid_sample(first(x), grid, a.get("mode", "bilinear"), a.get("outside", "zeros"),
                              a.get("align_corners", False)))


# ---- normalisation ----

def batch_norm(a, x, weight=None, bias=None, mean=None, variance=None):
    if x.numel() == 0:
        return x
    mean = None if mean is None else mean.clone()
    variance = None if variance is None else variance.clone()
    return last(F.batch_norm(first(x), mean, variance, weight, bias, a.get("training", False), a.get("momentum", 0.1),
                             a.get("epsilon", 1e-5)))


def layer_norm(a, x, weight=None, bias=None):
    return F.layer_norm(x, x.shape[x.dim() - a.get("axes", 1):], weight, bias, a.get("epsilon", 1e-5))


def rms_norm(a, x, weight=None):
    return F.rms_norm(x, x.shape[x.dim() - a.get("axes", 1):], weight, a.get("epsilon", 1e-6))


def group_norm(a, x, weight=None, bias=None):
    return last(F.group_norm(first(x), a["groups"], weight, bias, a.get("epsilon", 1e-5))) if x.numel() else x


def normalise(a, x, weight=None, bias=None):
    n, p, g, k = x.shape
    mean = torch.zeros(n, 1, g, 1) if a.get("root_mean_square") else x.mean((1, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean((1, 3), keepdim=True)
    y = (x - mean) / torch.sqrt(variance + a.get("epsilon", 0))
    weight = 1 if weight is None else weight.reshape(g, k)
    bias = 0 if bias is None else bias.reshape(g, k)
    return y * weight + bias, mean.reshape(n, g).to(x.dtype), variance.reshape(n, g)


def running(a, value, source):
    return torch.lerp(value, source, a["momentum"])


OPS = {
    "conv1d": conv_nd, "conv3d": conv_nd, "conv_transpose1d": conv_transpose, "conv_transpose2d": conv_transpose,
    "conv_transpose3d": conv_transpose, "separable_conv2d": separable,
    "max_pool2d": max_pool, "max_pool1d": max_pool, "max_pool3d": max_pool,
    "max_pool2d_gradient": lambda a, g, x: gradient_of(lambda v: max_pool(a, v), x, g),
    "max_pool2d_with_indices": max_pool_all, "max_unpool2d": unpool,
    "average_pool2d": average_pool, "average_pool1d": average_pool, "average_pool3d": average_pool,
    "average_pool2d_gradient": lambda a, g: gradient_of(
        lambda v: average_pool(a, v), torch.zeros(a["shape"], dtype=g.dtype), g),
    "adaptive_average_pool1d": adaptive(F.adaptive_avg_pool1d),
    "adaptive_average_pool2d": lambda a, x: adaptive(F.adaptive_avg_pool2d)(a, x) if x.numel() else torch.zeros(0, 3, 2, 3),
    "adaptive_average_pool3d": adaptive(F.adaptive_avg_pool3d),
    "adaptive_max_pool1d": adaptive(F.adaptive_max_pool1d), "adaptive_max_pool2d": adaptive(F.adaptive_max_pool2d),
    "global_average_pool2d": lambda a, x: x.mean((1, 2)), "global_max_pool2d": lambda a, x: x.amax((1, 2)),
    "lp_pool2d": lambda a, x: last(F.lp_pool2d(first(x), a.get("p", 2.0), a["window"], a.get("stride"))),
    "unfold2d": unfold, "fold2d": fold, "local_response_norm": local_response,
    "interpolate": interpolate, "grid_sample": grid_sample,
    "affine_grid": lambda a, theta: F.affine_grid(theta, [theta.shape[0], 1, *a["size"]], a.get("align_corners", False)),
    "pixel_shuffle": lambda a, x: last(F.pixel_shuffle(first(x), a["factor"])),
    "pixel_unshuffle": lambda a, x: last(F.pixel_unshuffle(first(x), a["factor"])),
    "batch_norm": batch_norm, "layer_norm": layer_norm, "rms_norm": rms_norm, "group_norm": group_norm,
    "instance_norm": lambda a, x, w=None, b=None: last(F.instance_norm(
        first(x), None, None, w, b, True, 0.1, a.get("epsilon", 1e-5))),
    "l2_normalize": lambda a, x: F.normalize(x, 2, a["axis"], a.get("epsilon", 1e-12)),
    "normalise": normalise, "running_update": running,
}
