# SPDX-License-Identifier: Apache-2.0
"""A case: a sample of an op's record made another, with other sizes, dtypes, values and strides."""
import math
import re

import torch

from generator import records
from plain import NEVER_EMPTY
from wick import DTYPES

SIZES = [0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33]
FEW = 10  # of the sizes: up to 9, for images and the like, so that a case takes no time
TEXT = re.compile(r"(\w+)(?:\((.*?),(.*?)\))? \[(.*?)\] ?(\w*)")
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-40, 3.0, -2.5]
JUNK = 77  # stands between the elements of a view


class Case:
    def __init__(self, op, rng):
        self.op, self.rng = op, rng
        self.sample = rng.choice(op.samples)
        self.settings = {a.name: self.sample[a.name] for a in op.attributes if a.name in self.sample}
        texts = []
        for i in op.inputs:
            value = self.sample.get(i.name)
            texts += value if i.list and value else [value]
        self.sizes = {}
        self.same = rng.choice(["f32", "f32", "f64", "f16", "bf16", "i64", "i32", "u8", "i16", "i8", "bool"])
        self.inputs = [self.make(t, self.record(n)) if t else None for n, t in enumerate(texts)]

    def record(self, n):
        return self.op.inputs[min(n, len(self.op.inputs) - 1)]

    @property
    def pointwise(self):
        return self.op.class_ == "pointwise"

    def dims(self, text):
        """Sizes that are equal in the sample stay equal; operands of pointwise ops also broadcast."""
        dims = [int(d) for d in text.split(",") if d.strip()]
        if self.pointwise:
            rank = self.rng.randint(0, 4)
            shape = self.sizes.setdefault("joint", [self.rng.choice(SIZES[:FEW] if rank > 3 else SIZES) for _ in range(rank)])
            drop = self.rng.randint(0, len(shape)) if self.rng.random() < 0.3 else 0
            return [1 if self.rng.random() < 0.15 else d for d in shape[drop:]]
        if self.rng.random() < 0.3 and not (0 in dims and self.op.name in NEVER_EMPTY):
            return dims
        if self.op.name in NEVER_EMPTY:
            dims = [max(d, 1) for d in dims]
        sizes = SIZES[1:FEW] if len(dims) > 3 else SIZES[1:]
        return [self.sizes.setdefault(d, self.rng.choice(sizes) if d else 0) for d in dims]

    def dtype(self, record, named):
        allowed = records.DTYPE_SETS.get(record.dtype, [record.dtype])
        if named and (not record.same or self.rng.random() < 0.5):
            return named
        if self.op.promotes and record.same and self.rng.random() < 0.2:
            return self.rng.choice(list(DTYPES))
        return self.same if self.same in allowed else self.rng.choice(allowed)

    def make(self, text, record):
        kind, low, high, dims, named = TEXT.fullmatch(text).groups()
        dtype, low, high = self.dtype(record, named), float(low or 0), float(high or 1)
        shape, rng = self.dims(dims), self.rng
        count = math.prod(shape)
        if dtype in records.FLOATS and kind in ("uniform", "special", "dominant"):
            values = [rng.choice(SPECIAL) if kind == "special" else rng.uniform(low, high) for _ in range(count)]
        elif dtype == "bool" or kind == "bits":
            values = [rng.randint(0, 1) for _ in range(count)]
        else:
            low, high = (low, high) if kind == "integers" else (0 if dtype == "u8" else -4, 4)
            least, most = (0, 255) if dtype == "u8" else (-128, 127) if dtype == "i8" else (-9e8, 9e8)
            values = [rng.randint(int(max(low, least)), int(min(max(high, 0), most))) for _ in range(count)]
        value = torch.tensor(values, dtype=torch.float64).reshape(shape)
        if kind == "dominant" and len(shape) > 1:
            value += shape[-1] * torch.eye(shape[-2], shape[-1], dtype=torch.float64)
        elif count > 1 and self.op.class_ != "matrix" and rng.random() < 0.1:  # a stride of 0; no singular matrices
            axis = rng.randrange(len(shape))
            return value.to(DTYPES[dtype][1]).narrow(axis, 0, 1).expand(shape)
        return value.to(DTYPES[dtype][1])

    def one_float(self):
        """Whether PyTorch can refuse it for no other dtype than that of the operands, which all are floats."""
        kinds = {t.dtype for n, t in enumerate(self.inputs) if t is not None and self.record(n).same}
        return len(kinds) == 1 and next(iter(kinds)).is_floating_point

    def copies(self):
        return [t.clone() if t is not None else None for t in self.inputs]

    def widened(self, whole=False):
        """The inputs in f64, where PyTorch lacks a dtype, refuses to mix them or is less exact; with `whole`,
        whole numbers too, and bits as whole numbers, for ops of numbers."""
        inputs = []
        for n, t in enumerate(self.inputs):
            kind = self.record(n).dtype
            real = t is not None and (t.is_floating_point() or kind == "float" or (whole and kind in ("number", "any")))
            inputs.append(t.to(torch.float64, copy=True) if real else t.clone() if t is not None else None)
        return inputs

    def nudged(self, number):
        """As widened, but every number moved by a unit in its last place."""
        generator = torch.Generator().manual_seed(number)
        inputs = self.widened()
        for i in floats(self.inputs):
            way = torch.randint(0, 2, inputs[i].shape, generator=generator).double() * 2 - 1
            inputs[i] = inputs[i] * (1 + way * torch.finfo(self.inputs[i].dtype).eps)
        return inputs

    def __str__(self):
        inputs = ", ".join(f"{str(t.dtype)[6:]} {list(t.shape)}" if t is not None else "none" for t in self.inputs)
        return f"{self.op.name}({inputs}) {self.settings or ''}"


def floats(tensors):
    return [i for i, t in enumerate(tensors) if t is not None and t.is_floating_point()]


def strided(library, value, rng, made):
    """The value as a tensor of the library: contiguous, or a view of it in another order, of every other element,
    backwards, or of one element repeated."""
    views = []
    for axis in range(value.dim()):
        if value.shape[axis] > 1 and value.stride(axis) == 0:
            views.append(("broadcast_to", {"shape": list(value.shape)}))
            value = value.narrow(axis, 0, 1)
    if value.dim() > 1 and rng.random() < 0.5:
        order = list(range(value.dim()))
        rng.shuffle(order)
        views.append(("permute", {"axes": [order.index(i) for i in range(value.dim())]}))
        value = value.permute(order)
    if value.numel() and value.dim() and rng.random() < 0.3:
        axis, step = rng.randrange(value.dim()), rng.choice([2, -1, -2])
        size = value.shape[axis] * abs(step)
        start, end = (size - 1, -size - 1) if step < 0 else (1, size)
        base = torch.full([size if i == axis else n for i, n in enumerate(value.shape)], JUNK).to(value.dtype)
        views.append(("slice", {"axis": axis, "start": start, "end": end, "step": step}))
        places = torch.tensor(range(size)[start:end if step > 0 else None:step])
        value = base.index_copy(axis, places, value)
    tensor = library.tensor(value)
    for name, settings in reversed(views):
        made += library.call(name, [tensor], settings)
        tensor = made[-1]
    return tensor
