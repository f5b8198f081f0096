# SPDX-License-Identifier: Apache-2.0
"""The family of shapes and indexing as PyTorch and NumPy say it."""
import numpy as np
import torch
import torch.nn.functional as F

FIRST, LAST = -2**63, 2**63 - 1


def slice_of(a, x):
    """A key for NumPy, which knows negative steps."""
    key = [slice(None)] * x.dim()
    key[a["axis"]] = slice(a["start"], a["end"], a.get("step", 1))
    return tuple(key)


def sliced(a, x):
    return torch.from_numpy(x.numpy()[slice_of(a, x)].copy())


def slice_update(a, x, source):
    y = x.numpy().copy()
    y[slice_of(a, x)] = source.numpy()
    return torch.from_numpy(y)


def squeezed(a, x):
    return torch.squeeze(x, tuple(a["axes"])) if "axes" in a else torch.squeeze(x)


def key_of(a, x, indices):
    return (slice(None),) * (a.get("axis", 0) % max(x.dim(), 1)) + tuple(indices)


def index_put(a, x, source, *indices):
    y = x.numpy().copy()
    key = key_of(a, x, [i.numpy() for i in indices])
    if a.get("accumulate"):
        np.add.at(y, key, source.numpy())
    else:
        y[key] = source.numpy()
    return torch.from_numpy(y)


def scatter(a, x, index, source):
    """One after the other: PyTorch leaves open which of several stays."""
    y = x.clone()
    for place in np.ndindex(*index.shape):
        to = list(place)
        to[a["axis"]] = int(index[place])
        y[tuple(to)] = source[place]
    return y


MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(a, x):
    """NumPy pads; what is negative is cut off first, as in PyTorch."""
    if x.dim() == 0:
        return x
    before, after = np.array(a["before"], dtype=int), np.array(a["after"], dtype=int)
    key = tuple(slice(max(-b, 0), n - max(-c, 0)) for b, c, n in zip(before, after, x.shape))
    mode = a.get("mode", "constant")
    more = {"constant_values": a.get("value", 0)} if mode == "constant" else {}
    if mode == "circular":  # the other end is that of all of x
        y = x.numpy()
        for axis, (b, c) in enumerate(zip(before, after)):
            y = np.take(y, range(-b, y.shape[axis] + c), axis, mode="wrap")
        return torch.from_numpy(y.copy())
    widths = [(max(b, 0), max(c, 0)) for b, c in zip(before, after)]
    if mode == "reflect" and any(b < 0 or c < 0 for b, c in zip(before, after)):
        y = np.pad(x.numpy(), widths, mode="reflect")
        cut = tuple(slice(max(-b, 0), n - max(-c, 0)) for b, c, n in zip(before, after, y.shape))
        return torch.from_numpy(y[cut].copy())
    return torch.from_numpy(np.pad(x.numpy()[key], widths, mode=MODES[mode], **more))


def repeat_interleave(a, x, counts=None):
    return torch.repeat_interleave(x, a.get("count", 1) if counts is None else counts, a["axis"])


def repeat(a, x):
    return torch.from_numpy(np.tile(x.numpy(), [1] * max(x.dim() - len(a["counts"]), 0) + a["counts"]))


REDUCTIONS = {"sum": "sum", "mean": "mean", "max": "amax", "min": "amin", "product": "prod"}


def scatter_reduce(a, x, index, source):
    used = source[tuple(slice(0, n) for n in index.shape)]
    return torch.scatter_reduce(x, a["axis"], index, used, REDUCTIONS[a.get("reduction", "sum")],
                                include_self=not a.get("exclude_x", False))


def index_reduce(a, x, index, source):
    return torch.index_reduce(x, a["axis"], index, source, REDUCTIONS[a["reduction"]],
                              include_self=not a.get("exclude_x", False))


def scatter_nd_update(a, x, source, indices):
    return index_put(a, x, source, *indices.unbind(-1))


def select_scatter(a, x, source):
    y = x.clone()
    y.select(a["axis"], a["index"])[...] = source
    return y


def embedding_bag(a, weight, indices, offsets=None, sample_weights=None):
    padding = a["padding_index"] if a.get("has_padding") else None
    if a.get("include_last_offset"):  # in f64 PyTorch lets the last bag run to the end, unlike its manual
        indices = indices[:int(offsets[-1])]
    return F.embedding_bag(indices, weight, offsets, mode=a.get("mode", "mean"), per_sample_weights=sample_weights,
                           padding_idx=padding, include_last_offset=a.get("include_last_offset", False),
                           max_norm=a.get("max_norm"), norm_type=a.get("norm_type", 2.0))


def segments(function):
    def run(a, x, numbers):
        count = a.get("count") or int(numbers.max()) + 1
        rows = [x[numbers == i] for i in range(count)]
        return torch.stack([function(r) if len(r) else torch.zeros_like(x[0]) for r in rows])
    return run


OPS = {
    "hstack": lambda a, *xs: torch.hstack(xs), "vstack": lambda a, *xs: torch.vstack(xs),
    "dstack": lambda a, *xs: torch.dstack(xs), "column_stack": lambda a, *xs: torch.column_stack(xs),
    "put": lambda a, x, index, source: torch.clone(x).put_(index, source, accumulate=a.get("accumulate", False)),
    "diagonal_scatter": lambda a, x, source: torch.diagonal_scatter(
        x, source, a.get("offset", 0), a.get("axis1", 0), a.get("axis2", 0 if "axis1" in a else 1)),
    "pad": pad, "repeat": repeat, "repeat_interleave": repeat_interleave,
    "as_strided": lambda a, x: torch.from_numpy(np.lib.stride_tricks.as_strided(
        x.numpy().reshape(-1)[a.get("offset", 0):], a["shape"], [8 * s for s in a["strides"]]).copy()),
    "diagonal": lambda a, x: torch.diagonal(x, a.get("offset", 0), a.get("axis1", 0), a.get("axis2", 0 if "axis1" in a else 1)),
    "sliding_windows": lambda a, x: x.unfold(a["axis"], a["size"], a.get("step", 1)),
    "narrow": lambda a, x: torch.narrow(x, a["axis"], a["start"], a["length"]),
    "unflatten": lambda a, x: torch.unflatten(x, a["axis"], a["shape"]),
    "expand": lambda a, x: x.expand(a["shape"]), "move_axes": lambda a, x: torch.movedim(x, a["source"], a["destination"]),
    "roll": lambda a, x: torch.roll(x, a["shifts"], a.get("axes", [])) if "axes" in a else torch.roll(x, a["shifts"][0]),
    "rotate90": lambda a, x: torch.rot90(x, a.get("count", 1), a.get("axes", [0, 1])),
    "select_scatter": select_scatter, "scatter_reduce": scatter_reduce, "index_reduce": index_reduce,
    "index_add": lambda a, x, index, source: torch.index_add(x, a["axis"], index, source, alpha=a.get("alpha", 1)),
    "index_copy": lambda a, x, index, source: torch.index_copy(x, a["axis"], index, source),
    "index_fill": lambda a, x, index: torch.index_fill(x, a["axis"], index, a["value"]),
    "take": lambda a, x, index: torch.take(x, index),
    "take_along_axis": lambda a, x, index: torch.take_along_dim(x, index, a["axis"]),
    "gather_nd": lambda a, x, indices: x[tuple(indices.unbind(-1))],
    "scatter_nd": lambda a, source, indices: torch.zeros(a["shape"], dtype=source.dtype).index_put(
        tuple(indices.unbind(-1)), source, accumulate=True),
    "scatter_nd_update": scatter_nd_update,
    "nonzero": lambda a, x: torch.nonzero(x), "masked_select": lambda a, x, mask: torch.masked_select(x, mask),
    "masked_scatter": lambda a, x, mask, source: torch.masked_scatter(x, mask, source),
    "embedding": lambda a, weight, indices: F.embedding(
        indices, weight, padding_idx=a["padding_index"] if a.get("has_padding") else None, max_norm=a.get("max_norm"), norm_type=a.get("norm_type", 2.0)), "embedding_bag": embedding_bag,
    "segment_sum": segments(lambda r: r.sum(0)), "segment_mean": segments(lambda r: r.mean(0)),
    "segment_max": segments(lambda r: r.amax(0)), "segment_min": segments(lambda r: r.amin(0)),
    "segment_product": segments(lambda r: r.prod(0)),
    "slice": sliced, "slice_update": slice_update, "squeeze": squeezed,
    "unsqueeze": lambda a, x: torch.unsqueeze(x, a["axis"]),
    "transpose": lambda a, x: torch.transpose(x, a["axis1"], a["axis2"]),
    "select": lambda a, x: torch.select(x, a["axis"], a["index"]),
    "flip": lambda a, x: torch.flip(x, a.get("axes", list(range(x.dim())))),
    "stack": lambda a, *xs: torch.stack(xs, a["axis"]),
    "gather": lambda a, x, index: torch.gather(x, a["axis"], index),
    "scatter": scatter,
    "scatter_add": lambda a, x, index, source: torch.scatter_add(x, a["axis"], index, source),
    "index_get": lambda a, x, *indices: x[key_of(a, x, indices)], "index_put": index_put,
    "index_select": lambda a, x, index: torch.from_numpy(np.take(x.numpy(), index.numpy(), a["axis"]).copy()),
}
