# SPDX-License-Identifier: Apache-2.0
"""Whether the library's answer to a case is right: what PyTorch answers, and how near is near enough."""
import numpy as np
import torch

from cases import floats
from plain import OPS, lanes

# A few units in the last place of the dtype for each of the sums an op may consist of.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 5e-6, torch.float16: 8e-3, torch.bfloat16: 6e-2}
FLOOR = 0.05  # of sums of gradients that cancel: their terms are as large as their seeds, which are from -1 to 1
MOST = 200  # elements of a difference that are looked at
REFUSALS = (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError, KeyError, AssertionError,
            np.exceptions.AxisError)


def seeds(shape, number, dtype):
    """What the gradient of result `number` is, as exactly as its dtype has it."""
    generator = torch.Generator().manual_seed(number + 1)
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1).to(dtype)


class Answer:
    """PyTorch's: results, and gradients by the inputs that are floats; `unknown` are those that it has none for."""

    def __init__(self, case, make, dtypes):
        self.case, self.make, self.dtypes, self.gradients, self.unknown = case, make, dtypes, {}, []
        self.results = self.run([])[0]
        chosen = floats(case.inputs)
        try:
            self.gradients = self.run(chosen)[1]
        except REFUSALS:
            for i in chosen:
                try:
                    self.gradients |= self.run([i])[1]
                except REFUSALS:
                    self.unknown.append(i)

    def run(self, chosen):
        inputs = self.make()
        for i in chosen:
            inputs[i].requires_grad_()
        results = OPS[self.case.op.name](dict(self.case.settings), *inputs)
        results = results if isinstance(results, tuple) else (results,)
        loss = [(r, seeds(r.shape, n, self.dtypes[n] if self.dtypes else r.dtype).to(r.dtype))
                for n, r in enumerate(results) if r is not None and r.requires_grad]
        found = torch.autograd.grad([r for r, _ in loss], [inputs[i] for i in chosen], [w for _, w in loss],
                                    allow_unused=True) if loss else [None] * len(chosen)
        gradients = {i: g if g is not None else torch.zeros_like(inputs[i]) for i, g in zip(chosen, found)}
        return [r.detach() if r is not None else None for r in results], gradients


def answer(case, make, dtypes=None):
    try:
        return Answer(case, make, dtypes)
    except REFUSALS:
        return None


def near(ours, theirs, tolerance, scale, floor):
    a, b = ours.double(), theirs.to(ours.dtype).double()
    return (a == b) | (a.isnan() & b.isnan()) | ((a - b).abs() <= tolerance * (b.abs() + scale + floor) + 1e-300)


def size_of(x):
    finite = x[x.isfinite()]
    return finite.abs().max().item() if finite.numel() else 0.0


class Judge:
    """Compares our answer with PyTorch's of the case's own dtypes and with that in f64, which is rounded: either may
    agree, as PyTorch's kernels for 16 bits are not always the better ones. Where neither does, an error is forgiven
    that is no more than four times PyTorch's own in this tensor, or than what moving the inputs by units in their
    last place does to the element."""

    def __init__(self, case, ours):
        self.case, self.ours, self.forgiven = case, ours, False
        dtypes = None if isinstance(ours, str) else [r.dtype for r in ours[0]]
        self.own = answer(case, case.copies, dtypes)
        self.exact = answer(case, case.widened, dtypes)
        if not self.own and not self.exact and dtypes:
            self.exact = answer(case, lambda: case.widened(True), dtypes)
        self.nudges = None
        self.dtypes = dtypes

    def differences(self):
        """Lines, one for each element that differs."""
        if isinstance(self.ours, str):
            judges = self.own or (self.exact and self.case.one_float())
            return [] if not judges else [f"refused: {' '.join(self.ours.split())}"]
        if not self.own and not self.exact:
            return ["accepted, PyTorch refuses"]
        found = []
        for n, a in enumerate(self.ours[0]):
            found += self.compare(f"result {n}", a, lambda t: t.results[n], 0.0)
        for i in floats(self.case.inputs):
            if any(t and i in t.gradients for t in (self.own, self.exact)):
                a = self.ours[1].get(i)
                a = a if a is not None else torch.zeros_like(self.case.inputs[i])
                found += self.compare(f"gradient {i}", a, lambda t: t.gradients.get(i), FLOOR)
        return found

    def unknown(self):
        known = [t for t in (self.own, self.exact) if t]
        return [] if isinstance(self.ours, str) or not known else [
            i for i in floats(self.case.inputs) if all(i in t.unknown for t in known)]

    def compare(self, what, ours, part, floor):
        own, exact = (part(t) if t else None for t in (self.own, self.exact))
        if own is not None and exact is not None and exact.shape != own.shape:
            exact = None  # what is made of an f64's bits
        others = [t for t in (own, exact) if t is not None]
        for other in others:
            if ours.shape != other.shape:
                return [f"{what}: sizes {list(ours.shape)}, not {list(other.shape)}"]
        if own is not None and ours.dtype != own.dtype and (self.case.pointwise or what.startswith("gradient")):
            return [f"{what}: dtype {ours.dtype}, not {own.dtype}"]
        if not others or not ours.numel():
            return []
        if what == "gradient 0":
            ours, *others = [lanes(self.case, t) for t in (ours, *others)]
            own, exact = (others[0] if t is not None else None for t in (own, exact)) if len(others) < 2 else others
        # Elements of a pointwise result stand for themselves; of others each may be a sum that holds all.
        alone = self.case.pointwise and (what.startswith("result") or len(floats(self.case.inputs)) < 2)
        scale = 0.0 if alone else max(size_of(t.double()) for t in others)
        terms = max(1.0, max(r.numel() for r in self.ours[0]) / ours.numel()) if floor else 0.0
        computed = [r.dtype for r in self.ours[0]] if floor else []  # a gradient has no more digits than the results
        tolerance = max(TOLERANCE.get(t, 0) for t in [ours.dtype, *computed])
        close = torch.stack([near(ours, t, tolerance, scale, floor * terms ** 0.5) for t in others]).any(0)
        if exact is not None and not close.all() and ours.is_floating_point():
            close |= self.forgive(ours, own, exact, part, what)
        judge = exact if own is None else own
        return [f"{what}: element {p}: {ours.flatten()[p].item():.9g}, not {judge.flatten()[p].item():.9g}"
                f"{self.where(ours.shape, p)}" for p in (~close).flatten().nonzero()[:MOST, 0].tolist()]

    def forgive(self, ours, own, exact, part, what):
        error, limit = (ours.double() - exact.double()).abs(), torch.zeros(exact.shape, dtype=torch.float64)
        if own is not None:
            limit += 4 * size_of(own.double() - exact.double())
        if self.nudges is None:
            self.nudges = [answer(self.case, lambda n=n: self.case.nudged(n), self.dtypes) for n in range(4)]
        for other in [part(t) for t in self.nudges if t]:
            if other is not None and other.shape == exact.shape:
                other = lanes(self.case, other) if what == "gradient 0" else other
                moved = 8 * (other.double() - exact.double()).abs()
                limit = torch.maximum(limit, torch.where(moved.isfinite(), moved, 0.0))
        forgiven = error <= limit
        self.forgiven |= bool(forgiven.any())
        return forgiven

    def where(self, shape, place):
        """The inputs' values there, where they have the result's sizes, or are broadcast to them."""
        parts = []
        for n, t in enumerate(self.case.inputs):
            if t is None or (t.shape != shape and not self.case.pointwise):
                continue
            try:
                parts.append(f"{self.case.record(n).name} is {t.broadcast_to(shape).flatten()[place].item():.9g}")
            except RuntimeError:  # a larger one, summed
                continue
        return " where " + ", ".join(parts) if parts else ""
