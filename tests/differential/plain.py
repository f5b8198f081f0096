# SPDX-License-Identifier: Apache-2.0
"""Plain PyTorch for the ops whose recorded definition goes through NumPy, another dtype or a part of the
dtypes: OVERRIDES[name](settings, *inputs), of any dtype and with gradients."""
import torch
import torch.nn.functional as F

from definitions.pointwise import TORCH_DTYPES, whole
from definitions.indexing import OPS as RECORDED
from definitions.reductions import keep


def of(function):
    return lambda a, *x: function(*x)


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


def index_put(a, x, source, *indices):
    before = a.get("axis", 0) % max(x.dim(), 1)
    return torch.ops.aten.index_put(x, [None] * before + list(indices), source, a.get("accumulate", False))


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
        return F.pad(x, flat, value=a.get("value", 0))
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
    x.gather(1, target[:, None])  # refuses what is not a class
    return (x.topk(a["k"], 1).indices == target[:, None]).any(1)


def lowered(function):
    """PyTorch reads the lower triangle alone, but its gradient has numbers in the upper one."""
    return lambda a, *x: function(*x[:-1], x[-1].tril())


# The recorded definitions of these know the results of their empty samples only.
NEVER_EMPTY = {"adaptive_average_pool1d", "adaptive_average_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
               "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold2d", "unfold2d", "grid_sample",
               "interpolate", "resize", "upsample", "group_norm"}

OVERRIDES = {
    "scatter": scatter, "take_along_axis": take_along_axis, "in_top_k": in_top_k, "cholesky_inverse": lowered(torch.cholesky_inverse),
    "cholesky_solve": lowered(torch.cholesky_solve), "lerp": of(torch.lerp),
    "unique": lambda a, x: torch.unique(x.detach(), sorted=True, return_inverse=True, return_counts=True),
    "unique_consecutive": lambda a, x: torch.unique_consecutive(x.detach(), return_inverse=True, return_counts=True),
    "exp": of(torch.exp), "log": of(torch.log), "tanh": of(torch.tanh), "reciprocal": of(torch.reciprocal),
    "rsqrt": of(torch.rsqrt), "exp2": of(torch.exp2), "expm1": of(torch.expm1), "log1p": of(torch.log1p),
    "log2": of(torch.log2), "log10": of(torch.log10), "sin": of(torch.sin), "cos": of(torch.cos), "tan": of(torch.tan),
    "asin": of(torch.asin), "acos": of(torch.acos), "atan": of(torch.atan), "atan2": of(torch.atan2),
    "sinh": of(torch.sinh), "cosh": of(torch.cosh), "asinh": of(torch.asinh), "acosh": of(torch.acosh),
    "atanh": of(torch.atanh), "erf": of(torch.erf), "erfc": of(torch.erfc), "ndtr": of(torch.special.ndtr),
    "erfinv": of(torch.erfinv), "lgamma": of(torch.lgamma), "digamma": of(torch.digamma),
    "trigamma": of(lambda x: torch.polygamma(1, x)), "polygamma": lambda a, x: torch.polygamma(a["order"], x),
    "cbrt": of(lambda x: torch.sign(x) * torch.pow(torch.abs(x), 1 / 3)), "power": power,
    "floor_divide": whole(lambda x, y: x // y, lambda x, y: torch.div(x, y, rounding_mode="floor")),
    "hypot": of(torch.hypot), "logaddexp": of(torch.logaddexp), "logaddexp2": of(torch.logaddexp2),
    "xlogy": of(torch.xlogy), "copysign": of(torch.copysign), "divide_no_nan": of(divide_no_nan),
    "sinc": of(torch.sinc), "log_sigmoid": of(F.logsigmoid), "tanhshrink": of(F.tanhshrink),
    "squareplus": of(lambda x: 0.5 * (x + torch.sqrt(x * x + 4))),
    "gelu": lambda a, x: F.gelu(x, approximate="tanh" if a.get("approximate") else "none"),
    "deg2rad": of(torch.deg2rad), "rad2deg": of(torch.rad2deg), "prelu": prelu,
    "cast": lambda a, x: x.to(TORCH_DTYPES[a["dtype"]]), "sum": sums,
    "argmax": lambda a, x: torch.argmax(x, a["axis"], keep(a)), "argmin": lambda a, x: torch.argmin(x, a["axis"], keep(a)),
    "einsum": lambda a, *x: torch.einsum(a["equation"], *x),
    "slice": sliced, "slice_update": slice_update, "index_put": index_put, "pad": pad, "index_select": moved,
    "repeat": lambda a, x: torch.tile(x, a["counts"]),
    "as_strided": lambda a, x: torch.as_strided(x.contiguous(), a["shape"], a["strides"], a.get("offset", 0)),
}
