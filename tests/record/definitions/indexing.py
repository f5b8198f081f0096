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


OPS = {
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
