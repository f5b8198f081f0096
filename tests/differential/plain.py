# SPDX-License-Identifier: Apache-2.0
"""Plain PyTorch for the ops whose recorded definition goes through NumPy, another dtype or a part of the
dtypes: OVERRIDES[name](settings, *inputs), of any dtype and with gradients."""
import math

import numpy as np
import torch
import torch.nn.functional as F

from definitions.indexing import key_of
from definitions.networks import reduced
from definitions.pointwise import TORCH_DTYPES, whole
from definitions.reductions import keep
from definitions.windows import first, last, same_padding, several
from record_values import OPS as RECORDED


def of(function):
    return lambda a, *x: function(*x)


def recorded(name, check=lambda a, *x: True, spread=0):
    """The recorded definition, after `check` of the inputs, the first `spread` of which are broadcast."""
    def run(a, *x):
        if not check(a, *x):
            raise ValueError(name)
        given = [n for n, t in enumerate(x[:spread]) if t is not None]
        both = dict(zip(given, torch.broadcast_tensors(*[x[n] for n in given]))) if given else {}
        return RECORDED[name](a, *[both.get(n, t) for n, t in enumerate(x)])
    return run


class Sloped(torch.autograd.Function):
    """`value`, with the gradient by x that `slope` says: where PyTorch has no formula, or one of few digits."""

    @staticmethod
    def forward(context, x, value, slope):
        context.save_for_backward(slope)
        return value.clone()

    @staticmethod
    def backward(context, g):
        return g * context.saved_tensors[0], None, None


def sloped(value, slope):
    return lambda a, x: Sloped.apply(x, value(x.detach()), slope(x.detach()))


def polygamma(order, x):
    """Hurwitz's zeta, which has all digits; PyTorch's trigamma has nine."""
    x = x if x.is_floating_point() else x.float()
    return (-1) ** (order + 1) * math.factorial(order) * torch.special.zeta(order + 1.0, x)


def cast(a, x):
    """A float that a whole dtype does not hold becomes the nearest that it does, NaN becomes 0: PyTorch leaves it open."""
    dtype = TORCH_DTYPES[a["dtype"]]
    if not x.is_floating_point() or dtype.is_floating_point or dtype == torch.bool:
        return x.to(dtype)
    ends, real = torch.iinfo(dtype), x.double()
    y = torch.where((real > ends.min) & (real < ends.max), real, 0.0).to(dtype)
    y = torch.where(real >= ends.max, ends.max, y)
    return torch.where(real <= ends.min, ends.min, y)


def heaviside(x, y):
    dtype = torch.result_type(x, y)
    return torch.heaviside(x.to(dtype), y.to(dtype))


def power(a, x, exponent):
    return torch.pow(x, exponent)


def sized(x, axis):
    """The axis of x as PyTorch counts it; an IndexError where there is none."""
    if not -x.dim() <= axis < x.dim():
        raise IndexError(axis)
    return axis % x.dim()


def places(a, x, axis):
    return torch.arange(x.shape[axis])[0:0] if x.shape[axis] == 0 else torch.tensor(
        range(x.shape[axis])[slice(a["start"], a["end"], a.get("step", 1))], dtype=torch.int64)


def sliced(a, x):
    axis = sized(x, a["axis"])
    return x.index_select(axis, places(a, x, axis))


def slice_update(a, x, source):
    axis = sized(x, a["axis"])
    index = places(a, x, axis)
    shape = list(x.shape)
    shape[axis] = len(index)
    return x.index_copy(axis, index, source.broadcast_to(shape))


def put_at(x, key, source):
    """x with source at a key of NumPy's, by which the last of several for one place stays, as in Wick: PyTorch leaves
    open which does, and gives all of them a gradient."""
    who = np.full(tuple(x.shape), -1)
    who[key] = np.arange(source.numel()).reshape(tuple(source.shape))
    who = torch.from_numpy(who)
    return torch.where(who >= 0, source.flatten()[who.clamp(min=0)], x) if source.numel() else x.clone()


def index_put(a, x, source, *indices):
    before = a.get("axis", 0) % max(x.dim(), 1)
    y = torch.ops.aten.index_put(x, [None] * before + list(indices), source, a.get("accumulate", False))
    if a.get("accumulate"):
        return y
    key = key_of(a, x, [i.numpy() for i in indices])
    return put_at(x, key, source.broadcast_to(np.empty(tuple(x.shape))[key].shape))


def index_copy(a, x, index, source):
    axis = sized(x, a["axis"])
    source = source.broadcast_to([len(index) if i == axis else n for i, n in enumerate(x.shape)])
    torch.index_copy(x, axis, index, source)  # refuses what it must
    return put_at(x, (slice(None),) * axis + (index.numpy(),), source)


def index_add(a, x, index, source):
    axis = sized(x, a["axis"])
    source = source.broadcast_to([len(index) if i == axis else n for i, n in enumerate(x.shape)])
    return torch.index_add(x, axis, index, source, alpha=a.get("alpha", 1))


def put(a, x, index, source):
    source = source.broadcast_to(index.shape)
    y = torch.clone(x).put_(index, source, accumulate=a.get("accumulate", False))
    return y if a.get("accumulate") else put_at(x.flatten(), index.flatten().numpy(), source.flatten()).reshape(x.shape)


def diagonal_scatter(a, x, source):
    ends = a.get("offset", 0), a.get("axis1", 0), a.get("axis2", 0 if "axis1" in a else 1)
    return torch.diagonal_scatter(x, source.broadcast_to(torch.diagonal(x, *ends).shape), *ends)


def as_strided(a, x):
    """PyTorch has no negative strides."""
    place = torch.tensor(a.get("offset", 0))
    for n, stride in zip(a["shape"], a["strides"]):
        place = place[..., None] + torch.arange(n) * stride
    if place.numel() and (place.min() < 0 or place.max() >= x.numel()):
        raise ValueError("as_strided")
    return x.flatten()[place]


def average_pool3d(a, x):
    """Also of images smaller than the window before they are padded, which PyTorch refuses in three dimensions."""
    window, padding = several(a["window"], 0, 3), several(a.get("padding"), 0, 3)
    stride, sizes = several(a.get("stride") or a["window"], 0, 3), x.shape[1:4]
    if any(2 * p > k or n + 2 * p < k for n, p, k in zip(sizes, padding, window)):
        raise ValueError("average_pool3d")
    pads, margin = [], []
    for n, p, k, s in zip(sizes, padding, window, stride):
        count = (n + 2 * p - k + (s - 1 if a.get("ceil_mode") else 0)) // s + 1
        count -= bool(a.get("ceil_mode")) and (count - 1) * s >= n + p
        pads = [p, max((count - 1) * s + k - n - p, p)] + pads
        margin = [p if a.get("count_padding") else 0] * 2 + margin
    x = first(x)
    ones = F.pad(F.pad(torch.ones_like(x), margin, value=1.0), [b - c for b, c in zip(pads, margin)])
    total, counted = (F.avg_pool3d(t, window, stride) for t in (F.pad(x, pads), ones))
    return last(total / counted)


def max_pool(a, x):
    """(values, places in the image) with padding by hand: PyTorch's backward writes outside of the image where a dilated
    window holds nothing but padding."""
    count = x.dim() - 2
    window, dilation = several(a["window"], 0, count), several(a.get("dilation"), 1, count)
    stride, padding = several(a.get("stride") or a["window"], 0, count), several(a.get("padding"), 0, count)
    RECORDED["max_pool2d_with_indices"](a, x.detach())  # refuses what it must
    x = first(x)
    if a.get("same"):
        return last(F.max_pool2d(F.pad(x, same_padding(a, last(x)), value=-math.inf), window, stride, 0, dilation)), None
    pads = []
    for n, p, k, d, s in zip(x.shape[2:], padding, window, dilation, stride):
        reach = d * (k - 1) + 1
        windows = (n + 2 * p - reach + (s - 1 if a.get("ceil_mode") else 0)) // s + 1
        windows -= bool(a.get("ceil_mode")) and (windows - 1) * s >= n + p
        pads = [p, max((windows - 1) * s + reach - n - p, 0)] + pads
    function = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[count]
    padded = F.pad(x, pads, value=-math.inf)
    y, place = function(padded, window, stride, 0, dilation, return_indices=True)
    if count == 2:
        row, column = place // padded.shape[-1] - padding[0], place % padded.shape[-1] - padding[1]
        place = torch.where(y == -math.inf, 0, row * x.shape[-1] + column)
    return last(y), last(place)


def ctc_loss(a, log_p, targets, steps, labels):
    """PyTorch's value, with the gradient of the sum over paths written out: its own holds that of log_softmax, too."""
    value = RECORDED["ctc_loss"](a, log_p.detach(), targets, steps, labels)
    if not log_p.requires_grad:
        return value
    losses, never, blank = [], -1e30, a.get("blank", 0)
    for p, target, length, count in zip(log_p.double(), targets.tolist(), steps.tolist(), labels.tolist()):
        path = [blank] + [i for label in target[:count] for i in (label, blank)]
        leap = torch.tensor([i > 1 and v != blank and v != path[i - 2] for i, v in enumerate(path)])
        score = torch.tensor([0.0 if i < 2 else never for i in range(len(path))]) + p[0, path]
        for t in range(1, length):
            before = torch.stack([score, F.pad(score, [1, 0], value=never)[:-1],
                                  torch.where(leap, F.pad(score, [2, 0], value=never)[:-2], never)])
            score = torch.logsumexp(before, 0) + p[t, path]
        loss = -torch.logsumexp(score[-2:], 0)
        losses.append(torch.where(loss < 1e29, loss, 0.0) * (length > 0))
    losses = torch.stack(losses)
    if a.get("reduction", "mean") == "mean":
        losses = losses / labels.clamp(min=1)
    losses = reduced(a, losses)
    return value + (losses - losses.detach()).to(value.dtype)


def reflected(i, n):
    if n == 1:
        return 0
    i %= 2 * n - 2
    return min(i, 2 * n - 2 - i)


def pad(a, x):
    """An axis after the other: PyTorch pads three axes at most in the modes other than constant."""
    if x.dim() == 0:
        return x
    before, after = a["before"], a["after"]
    if len(before) != x.dim() or len(after) != x.dim():
        raise ValueError("pad")
    mode = a.get("mode", "constant")
    if mode == "constant":
        flat = [n for pair in zip(reversed(before), reversed(after)) for n in pair]
        if any(n + b + c < 0 for n, b, c in zip(x.shape, before, after)):
            raise ValueError("pad")
        return F.pad(F.pad(x, [max(n, 0) for n in flat], value=a.get("value", 0)), [min(n, 0) for n in flat])
    where = {"reflect": reflected, "replicate": lambda i, n: min(max(i, 0), n - 1), "circular": lambda i, n: i % n}
    for axis, (b, c) in enumerate(zip(before, after)):
        n = x.shape[axis]
        if n == 0 and (b > 0 or c > 0):
            raise ValueError("pad")
        if mode == "reflect" and (b >= n or c >= n):
            raise ValueError("pad")
        x = x.index_select(axis, torch.tensor([where[mode](i, n) for i in range(-b, n + c)], dtype=torch.int64))
    return x


def prelu(a, x, w):
    dtype = torch.result_type(x, w)
    x, w = (t.to(dtype if dtype.is_floating_point else torch.float32) for t in (x, w))
    return torch.where(x > 0, x, w * x)


def moved(a, x, index):
    index = torch.where(index < 0, index + x.shape[sized(x, a["axis"])], index)
    return x.index_select(a["axis"], index) if index.dim() == 1 else x[(slice(None),) * sized(x, a["axis"]) + (index,)]


def sums(a, x):
    axes = a.get("axes") or list(range(x.dim()))
    return torch.sum(x, axes, keep(a)) if x.dim() else torch.sum(x)


def divide_no_nan(x, y):
    return torch.where(y == 0, 0.0, x / torch.where(y == 0, 1, y))


def scatter(a, x, index, source):
    torch.scatter(x, a["axis"], index, source)  # refuses what it must; of several places the last wins here
    return RECORDED["scatter"](a, x, index, source)


def take_along_axis(a, x, index):
    """PyTorch broadcasts, but reads outside of x without a word."""
    n = x.shape[sized(x, a["axis"])]
    if index.numel() and (index.min() < -n or index.max() >= n):
        raise IndexError("take_along_axis")
    index = torch.where(index < 0, index + n, index)
    try:
        return torch.take_along_dim(x, index, a["axis"])
    except RuntimeError:
        return torch.gather(x, a["axis"], index)


def in_top_k(a, x, target):
    if len(target) != len(x):
        raise ValueError("in_top_k")
    x.gather(1, target[:, None])  # refuses what is not a class
    return (x > x.gather(1, target[:, None])).sum(1) < a["k"]


def lowered(function):
    """PyTorch reads the lower triangle alone, but its gradient has numbers in the upper one."""
    return lambda a, *x: function(*x[:-1], x[-1].tril())


# ---- gradients that may go to any of several equal elements ----

ALONG_AXIS = {"kth_value", "median", "nan_median", "mode", "quantile", "nan_quantile"}
IN_WINDOWS = {"max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "adaptive_max_pool1d", "adaptive_max_pool2d"}


def lanes(case, gradient):
    """The gradient of input 0 where an op picks elements: that of equal ones along the axis, or in a channel of an
    image, is added up, as another one of them may have been picked."""
    x, name = case.inputs[0], case.op.name
    largest = name == "embedding_bag" and case.settings.get("mode") == "max"
    if not (largest or name in ALONG_AXIS | IN_WINDOWS) or x.dim() == 0 or gradient.numel() == 0:
        return gradient
    axes = [0] if largest else [case.settings["axis"] % x.dim()] if name in ALONG_AXIS else list(range(1, x.dim() - 1))
    lane = torch.arange(x.numel()).reshape(x.shape)
    for axis in axes:
        lane = lane.narrow(axis, 0, 1).expand(x.shape)
    values = torch.nan_to_num(x.double(), 1e300, 2e300, -2e300) + 0.0  # no -0
    group = torch.unique(torch.stack([lane.double().flatten(), values.flatten()]), dim=1, return_inverse=True)[1]
    sums = torch.zeros(int(group.max()) + 1, dtype=torch.float64).index_add(0, group, gradient.double().flatten())
    return sums[group].reshape(gradient.shape).to(gradient.dtype)


# The recorded definitions of these know the results of their empty samples only.
NEVER_EMPTY = {"adaptive_average_pool1d", "adaptive_average_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
               "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold2d", "unfold2d", "grid_sample",
               "interpolate", "resize", "upsample", "group_norm"}

OVERRIDES = {
    "scatter": scatter, "take_along_axis": take_along_axis, "in_top_k": in_top_k, "cholesky_inverse": lowered(torch.cholesky_inverse),
    "cholesky_solve": lowered(torch.cholesky_solve), "lerp": of(torch.lerp),
    "unique": lambda a, x: torch.unique(x, sorted=True, return_inverse=True, return_counts=True),
    "unique_consecutive": lambda a, x: torch.unique_consecutive(x, return_inverse=True, return_counts=True),
    "exp": of(torch.exp), "log": of(torch.log), "tanh": of(torch.tanh), "reciprocal": of(torch.reciprocal),
    "rsqrt": of(torch.rsqrt), "exp2": of(torch.exp2), "expm1": of(torch.expm1), "log1p": of(torch.log1p),
    "log2": of(torch.log2), "log10": of(torch.log10), "sin": of(torch.sin), "cos": of(torch.cos), "tan": of(torch.tan),
    "asin": of(torch.asin), "acos": of(torch.acos), "atan": of(torch.atan), "atan2": of(torch.atan2),
    "sinh": of(torch.sinh), "cosh": of(torch.cosh), "asinh": of(torch.asinh), "acosh": of(torch.acosh),
    "atanh": of(torch.atanh), "erf": of(torch.erf), "erfc": of(torch.erfc), "ndtr": of(lambda x: 0.5 * torch.erfc(-math.sqrt(0.5) * x)),
    "erfinv": of(torch.erfinv), "lgamma": of(torch.lgamma), "digamma": sloped(torch.digamma, lambda x: polygamma(1, x)),
    "trigamma": of(lambda x: polygamma(1, x)), "polygamma": lambda a, x: polygamma(a["order"], x),
    "hardsigmoid": sloped(F.hardsigmoid, lambda x: ((x > -3) & (x < 3)).to(x.dtype) / 6),
    "softsign": sloped(F.softsign, lambda x: (1 + x.abs()) ** -2), "power": power,
    "cbrt": sloped(lambda x: torch.sign(x) * torch.pow(torch.abs(x), 1 / 3), lambda x: torch.abs(x) ** (-2 / 3) / 3),
    "floor_divide": whole(lambda x, y: x // y, lambda x, y: torch.div(x, y, rounding_mode="floor")),
    "hypot": of(torch.hypot), "logaddexp": of(torch.logaddexp), "logaddexp2": of(torch.logaddexp2),
    "xlogy": of(torch.xlogy), "copysign": of(torch.copysign), "divide_no_nan": of(divide_no_nan),
    "sinc": of(torch.sinc), "log_sigmoid": of(F.logsigmoid), "tanhshrink": of(F.tanhshrink),
    "squareplus": of(lambda x: 0.5 * (x + torch.sqrt(x * x + 4))),
    "gelu": lambda a, x: F.gelu(x, approximate="tanh" if a.get("approximate") else "none"),
    "deg2rad": of(torch.deg2rad), "rad2deg": of(torch.rad2deg), "prelu": prelu,
    "cast": cast, "heaviside": of(heaviside), "sum": sums,
    "argmax": lambda a, x: torch.argmax(x, a["axis"], keep(a)), "argmin": lambda a, x: torch.argmin(x, a["axis"], keep(a)),
    "einsum": lambda a, *x: torch.einsum(a["equation"], *x),
    "slice": sliced, "slice_update": slice_update, "index_put": index_put, "pad": pad, "index_select": moved,
    "repeat": lambda a, x: torch.tile(x, a["counts"]),
    "as_strided": as_strided, "index_copy": index_copy, "index_add": index_add, "put": put,
    "scatter_nd_update": lambda a, x, source, indices: index_put(a, x, source, *indices.unbind(-1)),
    "diagonal_scatter": diagonal_scatter, "average_pool3d": average_pool3d, "ctc_loss": ctc_loss,
    "max_pool1d": lambda a, x: max_pool(a, x)[0], "max_pool2d": lambda a, x: max_pool(a, x)[0],
    "max_pool3d": lambda a, x: max_pool(a, x)[0], "max_pool2d_with_indices": max_pool,
    "group_norm": lambda a, x, w=None, b=None: last(torch.group_norm(first(x), a["groups"], w, b, a.get("epsilon", 1e-5))),
    "soft_margin_loss": recorded("soft_margin_loss", spread=2),
    "instance_norm": lambda a, x, w=None, b=None: last(torch.group_norm(first(x), x.shape[-1], w, b, a.get("epsilon", 1e-5))),
    "binary_cross_entropy": recorded("binary_cross_entropy", spread=2),
    "binary_cross_entropy_with_logits": recorded("binary_cross_entropy_with_logits", spread=4),
    "margin_ranking_loss": recorded("margin_ranking_loss", spread=3), "focal_loss": recorded("focal_loss", spread=2),
    "gaussian_nll_loss": recorded("gaussian_nll_loss", spread=3),
    "multilabel_soft_margin_loss": recorded("multilabel_soft_margin_loss", spread=3),
    "max_unpool2d": recorded("max_unpool2d", lambda a, x, indices: x.shape == indices.shape),
    "linear_recurrence": recorded("linear_recurrence", lambda a, x, y: x.shape == y.shape and x.dtype == y.dtype),
    "distances": recorded("distances", lambda a, x, y: x.shape[-1] == y.shape[-1]),
    "rotary_embedding": recorded("rotary_embedding", lambda a, x: x.shape[-1] % 2 == 0),
    "batch_norm": recorded("batch_norm", lambda a, x, *each: all(t is None or t.shape == x.shape[-1:] for t in each)),
}
OPS = RECORDED | OVERRIDES
