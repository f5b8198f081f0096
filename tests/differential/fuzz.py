#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fuzz.py LIBRARY [CASES [SEED [OP...]]]: random calls, forward and backward, against PyTorch.

A case is a sample of an op's record made another: other sizes (equal sizes stay equal; operands of pointwise
ops also broadcast), another dtype for each operand, other values, and inputs that are strided views. What
PyTorch says is in tests/record/definitions. Both may refuse a case; everything else must agree, in sizes, in
dtype for pointwise ops, and in values. Differences that are meant stand in explained.toml."""
import collections
import math
import pathlib
import random
import re
import sys
import tomllib
import warnings

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "record"), str(ROOT / "tools")]
from generator import records  # noqa: E402
from record_values import OPS as RECORDED  # noqa: E402
from plain import NEVER_EMPTY, OVERRIDES  # noqa: E402
from wick import DTYPES, Library, WickError  # noqa: E402

OPS = RECORDED | OVERRIDES
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5, torch.float16: 8e-3, torch.bfloat16: 6e-2}
FLOOR = 0.05  # gradients are sums of terms as large as their seeds, which are from -1 to 1
SIZES = [0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33]
TEXT = re.compile(r"(\w+)(?:\((.*?),(.*?)\))? \[(.*?)\] ?(\w*)")


def is_float(dtype):
    return dtype in ("f32", "f64", "f16", "bf16")


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
        self.inputs = [self.make(t, op.inputs[min(n, len(op.inputs) - 1)]) if t else None for n, t in enumerate(texts)]

    def dims(self, text):
        dims = [int(d) for d in text.split(",") if d.strip()]
        if self.op.class_ == "pointwise":
            shape = self.sizes.setdefault("joint", [self.rng.choice(SIZES) for _ in range(self.rng.randint(0, 4))])
            drop = self.rng.randint(0, len(shape)) if self.rng.random() < 0.3 else 0
            return [1 if self.rng.random() < 0.15 else d for d in shape[drop:]]
        if self.rng.random() < 0.3 and not (0 in dims and self.op.name in NEVER_EMPTY):
            return dims
        if self.op.name in NEVER_EMPTY:
            dims = [max(d, 1) for d in dims]
        sizes = SIZES[1:9] if self.op.name.startswith(("conv", "separable")) else SIZES[1:]
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
        dtype = self.dtype(record, named)
        low, high = float(low or 0), float(high or 1)
        shape, rng = self.dims(dims), self.rng
        count = math.prod(shape)
        if is_float(dtype) and kind in ("uniform", "special", "dominant"):
            values = [rng.uniform(low, high) for _ in range(count)]
            if kind == "special":
                values = [rng.choice([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-40, 3.0, -2.5]) for _ in values]
        elif dtype == "bool" or kind == "bits":
            values = [rng.randint(0, 1) for _ in range(count)]
        else:
            low, high = (low, high) if kind == "integers" else (0 if dtype == "u8" else -4, 4)
            least, most = (0, 255) if dtype == "u8" else (-128, 127) if dtype == "i8" else (-9e8, 9e8)
            values = [rng.randint(int(max(low, least)), int(min(max(high, 0), most))) for _ in range(count)]
        value = torch.tensor(values, dtype=torch.float64).reshape(shape)
        if kind == "dominant" and len(shape) > 1:
            value += shape[-1] * torch.eye(shape[-2], shape[-1], dtype=torch.float64)
        return value.to(DTYPES[dtype][1])

    def __str__(self):
        inputs = ", ".join(f"{str(t.dtype)[6:]} {list(t.shape)}" if t is not None else "none" for t in self.inputs)
        return f"{self.op.name}({inputs}) {self.settings or ''}"


def weights(value, number):
    generator = torch.Generator().manual_seed(number + 1)
    return (torch.rand(value.shape, generator=generator, dtype=torch.float64) * 2 - 1).to(value.dtype)


def floats(tensors):
    return [i for i, t in enumerate(tensors) if t is not None and t.is_floating_point()]


def widened(case, whole=False):
    """The inputs in f64, where PyTorch lacks a dtype, refuses to mix them or is less exact; with `whole`, whole
    numbers too, and bits as whole numbers, for ops of numbers."""
    inputs, last = [], len(case.op.inputs) - 1
    for n, t in enumerate(case.inputs):
        kind = case.op.inputs[min(n, last)].dtype
        real = t is not None and (t.is_floating_point() or kind == "float" or (whole and kind in ("number", "any")))
        inputs.append(t.double() if real else t.clone() if t is not None else None)
    return inputs


def by_torch(case, inputs, chosen):
    """(results, gradients by the chosen inputs); None where PyTorch refuses."""
    try:
        for i in chosen:
            inputs[i].requires_grad_()
        results = OPS[case.op.name](dict(case.settings), *inputs)
        results = results if isinstance(results, tuple) else (results,)
        loss = [(r, weights(r, n)) for n, r in enumerate(results) if r is not None and r.requires_grad]
        gradients = {}
        if loss:
            found = torch.autograd.grad([r for r, _ in loss], [inputs[i] for i in chosen], [w for _, w in loss],
                                        allow_unused=True)
            gradients = {i: g for i, g in zip(chosen, found)}
        return [r.detach() if r is not None else None for r in results], gradients
    except (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError, KeyError, np.exceptions.AxisError):
        return None


def strided(library, value, rng, made):
    """The value as a tensor of the library: contiguous, or a permuted view of another order in memory."""
    if value.dim() < 2 or rng.random() < 0.5:
        return library.tensor(value)
    order = list(range(value.dim()))
    rng.shuffle(order)
    back = [order.index(i) for i in range(value.dim())]
    base = library.tensor(value.permute(order).contiguous())
    view = library.call("permute", [base], {"axes": back})
    made += view
    return view[0]


def by_wick(library, case):
    made = []
    with library.scope():
        try:
            inputs = [strided(library, t, case.rng, made) if t is not None else None for t in case.inputs]
            chosen = floats(case.inputs)
            for i in chosen:
                library.require_gradient(inputs[i])
            outputs = library.call(case.op.name, inputs, case.settings)
            made += outputs
            results = [library.read(o) for o in outputs]
            gradients = {}
            for n, output in enumerate(outputs):
                if not (chosen and library.c.wk_tensor_requires_gradient(wrap(output)) & 1):
                    continue
                seed = library.tensor(weights(results[n], n))
                for i, g in zip(chosen, library.grad(output, [inputs[i] for i in chosen], seed)):
                    g = library.read(g)
                    gradients[i] = g if i not in gradients else gradients[i] + g
            return results, gradients
        except WickError as error:
            return str(error)
        finally:
            library.release(made)


def wrap(pointer):
    import ctypes
    return ctypes.c_void_p(pointer)


def same_values(ours, theirs, precision=None, floor=0.0):
    if list(ours.shape) != list(theirs.shape):
        return f"sizes {list(ours.shape)}, not {list(theirs.shape)}"
    coarse = max((TOLERANCE.get(t, 0) for t in (ours.dtype, theirs.dtype, precision)), default=0)
    a, b = ours.to(torch.float64), theirs.to(torch.float64)
    finite = b[torch.isfinite(b)]
    scale = finite.abs().max().item() if finite.numel() else 0.0
    close = (a == b) | (torch.isnan(a) & torch.isnan(b)) | ((a - b).abs() <= coarse * (b.abs() + scale + floor) + 1e-300)
    if bool(close.all()):
        return ""
    bad = (~close).flatten().nonzero()[0].item()
    return f"element {bad}: {a.flatten()[bad]:.9g}, not {b.flatten()[bad]:.9g}"


def coarsest(case):
    kinds = [t.dtype for t in case.inputs if t is not None and t.is_floating_point()]
    return max(kinds, key=TOLERANCE.get, default=None)


def judge(case, ours):
    """"" where they agree. PyTorch in f64 also judges what it refuses, or says otherwise, in the case's own
    dtypes; without the gradients of all inputs but the first where it does not know those."""
    chosen = floats(case.inputs)
    some = [chosen, chosen[:1], []] if len(chosen) > 1 else [chosen, []]
    first = compare(case, ours, by_torch(case, copies(case), chosen))
    if first in ("", "both refuse") or isinstance(ours, str) or "dtype" in first:
        return first
    for make in (copies, widened, whole_widened):
        for part in some:
            outcome = compare(case, ours, by_torch(case, make(case), part), rounded=make != copies)
            if outcome == "":
                return "agree in part or f64"
            first = outcome if first == REFUSED else first
            if outcome != REFUSED:
                break
    return first


def copies(case):
    return [t.clone() if t is not None else None for t in case.inputs]


def whole_widened(case):
    return widened(case, True)


REFUSED = "accepted, PyTorch refuses"


def compare(case, ours, theirs, rounded=False):
    if isinstance(ours, str) and theirs is None:
        return "both refuse"
    if isinstance(ours, str):
        return "refused: " + ours.splitlines()[0] + " " + (ours.splitlines()[-2] if len(ours.splitlines()) > 2 else "")
    if theirs is None:
        return REFUSED
    for n, (a, b) in enumerate(zip(ours[0], theirs[0])):
        if b is None:
            continue
        if rounded:
            b = b.to(a.dtype)
        elif case.op.class_ == "pointwise" and a.dtype != b.dtype:
            return f"dtype {a.dtype}, not {b.dtype}"
        difference = same_values(a, b, coarsest(case))
        if difference:
            return f"result {n}: {difference}"
    for i, b in theirs[1].items():
        a = ours[1].get(i)
        if a is None or b is None:
            wanted = b if b is not None else torch.zeros_like(case.inputs[i])
            a = a if a is not None else torch.zeros_like(case.inputs[i])
            difference = same_values(a, wanted, coarsest(case), FLOOR)
        else:
            difference = same_values(a, b.to(a.dtype) if rounded else b, coarsest(case), FLOOR)
        if difference:
            return f"gradient {i}: {difference}"
    return ""


def main():
    library = Library(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    torch.set_num_threads(1)
    wanted = set(sys.argv[4:])
    ops = [op for op in records.load_ops(ROOT / "schema")
           if not op.hidden and op.name in OPS and op.class_ not in ("random", "creation", "update")
           and (not wanted or op.name in wanted)]
    explained = tomllib.loads((HERE / "explained.toml").read_text())
    outcomes = collections.Counter()
    unexplained = collections.defaultdict(list)
    for number in range(count):
        rng = random.Random(seed * 1000003 + number)
        case = Case(ops[number % len(ops)], rng)
        outcome = judge(case, by_wick(library, case))
        if outcome in ("", "both refuse", "agree in part or f64"):
            outcomes[outcome or "agree"] += 1
            continue
        reason = next((r for pattern, r in explained.get(case.op.name, {}).items() if re.search(pattern, f"{case}: {outcome}")), None)
        reason = reason or next((r for pattern, r in explained.get("any", {}).items() if re.search(pattern, f"{case}: {outcome}")), None)
        if reason:
            outcomes[f"explained: {case.op.name}: {reason}"] += 1
        else:
            outcomes["differ"] += 1
            unexplained[case.op.name].append(f"{number}: {case}: {outcome}")
    for name, lines in sorted(unexplained.items()):
        print(f"FAIL {name}: {len(lines)} differences")
        for line in lines[:3]:
            print("     ", line[:300])
    for outcome, times in sorted(outcomes.items()):
        print(f"{times:7d} {outcome}")
    print(f"{count} cases of {len(ops)} ops, {outcomes['differ']} unexplained differences")
    return 1 if outcomes["differ"] or not outcomes["agree"] else 0


if __name__ == "__main__":
    sys.exit(main())
