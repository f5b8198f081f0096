#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pointwise ops, reductions, softmax and normalisation beside PyTorch, on the same arrays in one process.

  pointwise.py LIBWICK [--json FILE] [--only WORDS] [--size large|mid|both] [--seconds S] [--part I/K]
  pointwise.py --bar --report FILE      what the parts before wrote to FILE, and whether any case falls short

For each case both are run in turns, and the fastest run of each counts. Results come from each framework's own allocator, as in
a program. The ratio is PyTorch's time over Wick's: above 1, Wick is faster. `GB/s` counts what the op has to read and write, each
once; its share is of a triad's rate in the same process (stream.c), or of a plain sum's for what writes next to nothing. Cases of
the mid size fit the caches, so they have no share."""
import argparse
import ctypes
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "differential"))
import wick  # noqa: E402

KINDS = {name: kind for name, (_, kind) in wick.DTYPES.items()}
SIZE = {name: torch.empty(0, dtype=kind).element_size() for name, kind in KINDS.items()}


class Case:
    """`ours`: (op, inputs, settings); `theirs`: a function of the torch tensors; `bytes` moved, and whether all but few are
    read; `backward`: the time is that of the gradients of all float inputs, after one forward pass."""

    def __init__(self, name, size, tensors, ours, theirs, moved, reads=False, backward=False, streams=True):
        self.name, self.size, self.tensors, self.ours, self.theirs = name, size, tensors, ours, theirs
        self.moved, self.reads, self.backward, self.streams = moved, reads, backward, streams


def random(dtype, *shape):
    kind = KINDS[dtype]
    if dtype == "bool":
        return torch.rand(shape) < 0.5
    if not kind.is_floating_point:
        return torch.randint(1, 100, shape, dtype=kind)
    return (torch.rand(shape) * 4 - 2).to(kind)


def cases(size):
    n = {"large": 16 << 20, "mid": 256 << 10}[size]
    side = {"large": 4096, "mid": 512}[size]
    one = lambda dtype: lambda: [random(dtype, n)]
    two = lambda dtype: lambda: [random(dtype, n), random(dtype, n)]

    def case(name, tensors, ours, theirs, moved, **more):
        return Case(name, size, tensors, ours, theirs, moved, **more)

    def unary(op, theirs, dtypes="f32", settings=None, tensors=None, out=None):
        for d in dtypes.split():
            yield case(f"{op} {d}", tensors(d) if tensors else one(d), (op, settings or {}), theirs,
                       n * (SIZE[d] + SIZE[out or d]), streams=op in STREAMING)

    def binary(op, theirs, dtypes="f32", out=None):
        for d in dtypes.split():
            yield case(f"{op} {d}", two(d), (op, {}), theirs, n * (2 * SIZE[d] + SIZE[out or d]), streams=op in STREAMING)

    positive = lambda d: lambda: [random(d, n).abs() + 0.01]
    yield from binary("add", torch.add, "f32 f64 f16 bf16 i64 i32 u8")
    yield from binary("multiply", torch.mul, "f32 f64 f16 bf16 i64 i32")
    yield from binary("divide", torch.div, "f32 f64")
    yield from binary("maximum", torch.maximum, "f32 f64 i64")
    yield from binary("less", torch.lt, "f32 f64 f16 i64 i32", "bool")
    yield from binary("equal", torch.eq, "f32 i64", "bool")
    yield from binary("logical_and", torch.logical_and, "bool")
    yield from unary("relu", torch.relu, "f32 f64 f16 bf16")
    yield from unary("negative", torch.neg, "f32 i64")
    yield from unary("abs", torch.abs, "f32 f64 i64")
    yield from unary("square", torch.square, "f32 f64")
    yield from unary("clamp", lambda x: torch.clamp(x, -1, 1), "f32 f64 f16 i64", {"min": -1, "max": 1})
    yield from unary("sqrt", torch.sqrt, "f32 f64", tensors=positive)
    yield from unary("floor", torch.floor, "f32 f64")
    yield from unary("exp", torch.exp, "f32 f64 f16 bf16")
    yield from unary("log", torch.log, "f32 f64", tensors=positive)
    yield from unary("tanh", torch.tanh, "f32 f64 f16 bf16")
    yield from unary("sigmoid", torch.sigmoid, "f32 f64 f16 bf16")
    yield from unary("erf", torch.erf, "f32 f64")
    yield from unary("sin", torch.sin, "f32 f64")
    yield from unary("cos", torch.cos, "f32")
    yield from unary("tan", torch.tan, "f32")
    yield from unary("expm1", torch.expm1, "f32")
    yield from unary("log1p", torch.log1p, "f32", tensors=positive)
    yield from unary("log2", torch.log2, "f32", tensors=positive)
    yield from unary("exp2", torch.exp2, "f32")
    yield from unary("rsqrt", torch.rsqrt, "f32", tensors=positive)
    yield from unary("reciprocal", torch.reciprocal, "f32")
    yield from unary("gelu", F.gelu, "f32 f64 bf16")
    yield from unary("gelu", lambda x: F.gelu(x, approximate="tanh"), "f32", {"approximate": True})
    yield from unary("silu", F.silu, "f32 bf16")
    yield from unary("elu", F.elu, "f32")
    yield from unary("leaky_relu", F.leaky_relu, "f32")
    yield from unary("softplus", F.softplus, "f32")
    yield from unary("mish", F.mish, "f32")
    yield from unary("hardswish", F.hardswish, "f32")
    for d in ("f32", "f64"):
        yield case(f"power {d}", lambda d=d: [random(d, n).abs() + 0.01, random(d, n)], ("power", {}), torch.pow,
                   3 * n * SIZE[d], streams=False)
        yield case(f"power 2.5 {d}", lambda d=d: [random(d, n).abs() + 0.01, torch.tensor(2.5, dtype=KINDS[d])], ("power", {}),
                   lambda x, y: torch.pow(x, 2.5), 2 * n * SIZE[d], streams=False)
    for d in ("f32", "f64", "f16", "i64"):
        yield case(f"where {d}", lambda d=d: [random("bool", n), random(d, n), random(d, n)], ("where", {}), torch.where,
                   n * (1 + 3 * SIZE[d]))
    for pair in ("f32 f64,f64 f32,f32 f16,f16 f32,f32 bf16,bf16 f32,f32 i64,i64 f32,f32 i32,i32 f32,u8 f32,i64 i32,i32 i64,"
                 "f32 bool,bool f32").split(","):
        a, b = pair.split()
        yield case(f"cast {a} {b}", one(a), ("cast", {"dtype": b}), lambda x, b=b: x.to(KINDS[b]), n * (SIZE[a] + SIZE[b]))
    yield from broadcasts(size, side, case)
    yield from reductions(size, n, side, case)
    yield from rows(size, side, case)
    yield from random_numbers(size, n, case)


STREAMING = set("add multiply divide maximum less equal logical_and relu negative abs square clamp sqrt floor".split())


def broadcasts(size, side, case):
    n = side * side
    for d in ("f32", "f64", "f16", "i64"):
        s = SIZE[d]
        yield case(f"add row {d}", lambda d=d: [random(d, side, side), random(d, side)], ("add", {}), torch.add, 2 * n * s)
        yield case(f"add column {d}", lambda d=d: [random(d, side, side), random(d, side, 1)], ("add", {}), torch.add, 2 * n * s)
        yield case(f"add scalar {d}", lambda d=d: [random(d, side, side), random(d, 1)], ("add", {}), torch.add, 2 * n * s)
        yield case(f"copy transposed {d}", lambda d=d: [random(d, side, side).t()], ("contiguous", {}),
                   lambda x: x.contiguous(), 2 * n * s, streams=False)
        yield case(f"add transposed {d}", lambda d=d: [random(d, side, side).t(), random(d, side, side)], ("add", {}),
                   lambda x, y: torch.add(x, y).contiguous(), 3 * n * s, streams=False)
    yield case("relu transposed f32", lambda: [random("f32", side, side).t()], ("relu", {}),
               lambda x: torch.relu(x).contiguous(), 8 * n, streams=False)
    yield case("add row 64 f32", lambda: [random("f32", n // 64, 64), random("f32", 64)], ("add", {}), torch.add, 8 * n)
    yield case("add column 64 f32", lambda: [random("f32", n // 64, 64), random("f32", n // 64, 1)], ("add", {}), torch.add, 8 * n)
    yield case("add every 2nd f32", lambda: [random("f32", side, 2 * side)[:, ::2], random("f32", side, side)], ("add", {}),
               torch.add, 16 * n, streams=False)
    yield case("copy permuted nhwc f32", lambda: [random("f32", side // 64, 64, 64, side // 64).permute(0, 3, 1, 2)], ("contiguous", {}),
               lambda x: x.contiguous(), 8 * (side // 64) ** 2 * 4096, streams=False)


def reductions(size, n, side, case):
    shape = (side, side)
    ops = [("sum", torch.sum, "f32 f64 f16 bf16 i64 i32", {}), ("mean", torch.mean, "f32 f16", {}), ("max", torch.amax, "f32 f64 f16 i64", {}),
           ("product", torch.prod, "f32", {}), ("variance", torch.var, "f32 f64", {}),
           ("norm", torch.linalg.vector_norm, "f32 f64", {}), ("log_sum_exp", torch.logsumexp, "f32", {}), ("any", torch.any, "bool", {}),
           ("standard_deviation", torch.std, "f32", {})]
    for op, theirs, dtypes, settings in ops:
        for d in dtypes.split():
            for where, axes in (("all", None), ("rows", 1), ("columns", 0)):
                if op == "product" and where == "all":
                    call = lambda x, f=theirs: f(x)
                elif axes is None:
                    call = (lambda x, f=theirs: f(x, dim=(0, 1))) if op == "log_sum_exp" else lambda x, f=theirs: f(x)
                else:
                    call = lambda x, f=theirs, a=axes: f(x, dim=a)
                make = lambda d=d: [random(d, *shape) * (0 if op == "any" else 1) if d != "bool" else torch.zeros(shape, dtype=torch.bool)]
                yield case(f"{op} {where} {d}", make, (op, dict(settings) | ({} if axes is None else {"axes": [axes]})), call,
                           n * SIZE[d], reads=True, streams=op in ("sum", "mean", "max"))
    for d in ("f32", "f64", "i64", "f16"):
        for where, axis in (("rows", 1), ("columns", 0)):
            yield case(f"argmax {where} {d}", lambda d=d: [random(d, *shape)], ("argmax", {"axis": axis}),
                       lambda x, a=axis: torch.argmax(x, dim=a), n * SIZE[d], reads=True, streams=False)
        yield case(f"argmax all {d}", lambda d=d: [random(d, n)], ("argmax", {"axis": 0}), lambda x: torch.argmax(x, dim=0),
                   n * SIZE[d], reads=True, streams=False)
    for op, theirs in (("cumulative_sum", torch.cumsum), ("cumulative_product", torch.cumprod), ("cumulative_max", torch.cummax)):
        for d in ("f32", "f64", "i64") if op == "cumulative_sum" else ("f32",):
            for where, axis in (("rows", 1), ("columns", 0)):
                yield case(f"{op} {where} {d}", lambda d=d: [random(d, *shape)], (op, {"axis": axis}), lambda x, f=theirs, a=axis: f(x, dim=a),
                           2 * n * SIZE[d], streams=False)
            yield case(f"{op} all {d}", lambda d=d: [random(d, n)], (op, {"axis": 0}), lambda x, f=theirs: f(x, dim=0),
                       2 * n * SIZE[d], streams=False)


def rows(size, side, case):
    big = size == "large"
    shapes = {"1000": (16384 if big else 256, 1000), "64": (262144 if big else 4096, 64), "32000": (512 if big else 8, 32000)}

    def both(name, tensors, ours, theirs, count, element=4):
        yield case(name, tensors, ours, theirs, 2 * count * element, streams=False)
        yield case(name + " backward", tensors, ours, theirs, 3 * count * element, backward=True, streams=False)

    for label, (r, c) in shapes.items():
        for d in ("f32", "f64", "bf16") if label == "1000" else ("f32",):
            x = lambda r=r, c=c, d=d: [random(d, r, c)]
            last = {"axes": [-1]}
            yield from both(f"softmax {label} {d}", x, ("softmax", last), lambda x: torch.softmax(x, -1), r * c, SIZE[d])
            yield from both(f"log_softmax {label} {d}", x, ("log_softmax", last), lambda x: torch.log_softmax(x, -1), r * c, SIZE[d])
            labels = lambda r=r, c=c, d=d: [random(d, r, c), torch.randint(0, c, (r,))]
            yield from both(f"cross_entropy {label} {d}", labels, ("cross_entropy", {}), F.cross_entropy, r * c, SIZE[d])
    r = 4096 if big else 64
    yield from both("softmax columns f32", lambda: [random("f32", r, 64, 64)], ("softmax", {"axes": [1]}), lambda x: torch.softmax(x, 1), r * 4096)
    for label, (r, c) in {"1024": (16384 if big else 256, 1024), "256": (65536 if big else 1024, 256)}.items():
        for d in ("f32", "f64", "bf16") if label == "1024" else ("f32",):
            make = lambda r=r, c=c, d=d: [random(d, r, c), random(d, c), random(d, c)]
            yield from both(f"layer_norm {label} {d}", make, ("layer_norm", {}), lambda x, w, b: F.layer_norm(x, (x.shape[-1],), w, b), r * c, SIZE[d])
            yield from both(f"rms_norm {label} {d}", lambda r=r, c=c, d=d: [random(d, r, c), random(d, c)], ("rms_norm", {}),
                            lambda x, w: F.rms_norm(x, (x.shape[-1],), w, 1e-6), r * c, SIZE[d])
    for label, shape in {"64": (64 if big else 4, 56, 56, 64) if big else (4, 32, 32, 64), "512": (64 if big else 2, 14, 14, 512)}.items():
        count = math.prod(shape)
        c = shape[-1]
        images = lambda shape=shape, c=c: [random("f32", *shape), random("f32", c), random("f32", c), torch.zeros(c), torch.ones(c)]

        def batch_norm(x, w, b, m, v):
            return F.batch_norm(x.permute(0, 3, 1, 2), m, v, w, b, True)

        def group_norm(x, w, b):
            return F.group_norm(x.permute(0, 3, 1, 2), 16, w, b)

        yield from both(f"batch_norm {label} f32", images, ("batch_norm", {"training": True}), batch_norm, count)
        yield from both(f"group_norm {label} f32", lambda shape=shape, c=c: [random("f32", *shape), random("f32", c), random("f32", c)],
                        ("group_norm", {"groups": 16}), group_norm, count)


def random_numbers(size, n, case):
    for d in ("f32", "f64"):
        yield case(f"normal {d}", lambda: [], ("normal", {"shape": [n], "dtype": d}), lambda d=d: torch.randn(n, dtype=KINDS[d]), n * SIZE[d], streams=False)
        yield case(f"uniform {d}", lambda: [], ("uniform", {"shape": [n], "dtype": d}), lambda d=d: torch.rand(n, dtype=KINDS[d]), n * SIZE[d], streams=False)
    yield case("dropout f32", lambda: [random("f32", n)], ("dropout", {"rate": 0.5}), lambda x: F.dropout(x, 0.5), 8 * n, streams=False)


# ---- running ----

def place(library, value):
    """The tensor as it lies: strided ones are made by the same view of a contiguous one."""
    if value.is_contiguous():
        return library.tensor(value)
    base = value._base if value._base is not None else value
    handle = library.tensor(base)
    settings = {"shape": list(value.shape), "strides": list(value.stride())}
    out, = library.call("as_strided", [handle], settings)
    return out


def minimum_in_turns(runs, seconds):
    """The least time of each of `runs`, taken in turns of several calls each."""
    best = [math.inf] * len(runs)
    for run in runs:
        run()
    start = time.perf_counter()
    turn = 0
    while turn < 3 or time.perf_counter() - start < seconds:
        for i, run in enumerate(runs):
            time.sleep(0.01)  # the other's threads look for work for a while, and would be in the way
            run()
            for _ in range(5):
                before = time.perf_counter()
                run()
                best[i] = min(best[i], time.perf_counter() - before)
        turn += 1
    return best


def forward_runs(library, case, values, handles):
    op, settings = case.ours
    c, name, arguments, count = library.c, op.encode(), library.arguments(op, handles, settings), len(wick.records.OPS[op].outputs)
    outputs = (ctypes.c_void_p * count)()
    call, release, here, size, pointer = c.wk_call_op, c.wk_tensor_release, wick.HERE, ctypes.c_size_t(count), ctypes.byref(arguments)

    def ours():
        if call(here, name, pointer, outputs, size):
            library.check(-1)
        for output in outputs:
            release(ctypes.c_void_p(output))

    return ours, lambda: case.theirs(*values)


def backward_runs(library, case, values, handles):
    op, settings = case.ours
    wanted = [i for i, v in enumerate(values) if v.dtype.is_floating_point and i < 3]
    for i in wanted:
        library.require_gradient(handles[i])
    y, *_ = library.call(op, handles, settings)
    inputs = [values[i].requires_grad_() for i in wanted]
    result = case.theirs(*values)
    g = torch.ones_like(result) if result.dim() == 0 else torch.randn_like(result)
    shaped = g.permute(0, 2, 3, 1) if g.dim() == 4 and "norm" in op else g
    gradient = library.tensor(shaped.contiguous())

    def ours():
        with library.scope():
            library.grad(y, [handles[i] for i in wanted], gradient)

    return ours, lambda: torch.autograd.grad(result, inputs, g, retain_graph=True)


def measure(library, case, seconds):
    values = case.tensors()
    with library.scope():
        handles = [place(library, v) for v in values]
        if case.backward:
            runs = backward_runs(library, case, values, handles)
            return minimum_in_turns(runs, seconds)
        with torch.no_grad():
            return minimum_in_turns(forward_runs(library, case, values, handles), seconds)


def bandwidth(threads):
    """GB/s of a triad and of a sum."""
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "stream.so")
        subprocess.run([os.environ.get("CC", "cc"), "-O3", "-march=native", "-shared", "-fPIC", "-pthread", "-o", library,
                        str(HERE / "stream.c")], check=True)
        stream = ctypes.CDLL(library)
        stream.stream_measure.restype = ctypes.c_double
        rates = [stream.stream_measure(kind, threads, 10, ctypes.c_int64(64 << 20)) for kind in range(3)]
    return max(rates[:2]), rates[2], rates


def report(rows):
    """What falls short, the worst first; how many, last. Returns the exit status."""
    short = [r for r in rows if r["ratio"] < 1 or (r["streams"] and r["share"] and r["share"] < 0.7)]
    for row in sorted(short, key=lambda r: r["ratio"]):
        share = f", {100 * row['share']:.0f}% of the memory's rate" if row["streams"] and row["share"] else ""
        print(f"short: {row['case']} ({row['size']}) {row['ratio']:.2f}x{share}")
    print(f"{len(short)} of {len(rows)} cases fall short")
    return 1 if short or not rows else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", nargs="?")
    parser.add_argument("--report", metavar="FILE", help="measure nothing: sum up this file of --json")
    parser.add_argument("--json")
    parser.add_argument("--only", default="", help="words, each in front of a case's name; commas between")
    parser.add_argument("--size", default="both", choices=["large", "mid", "both"])
    parser.add_argument("--seconds", type=float, default=0.15, help="for each case")
    parser.add_argument("--part", default="1/1", help="i/k: every k-th case from the i-th on")
    parser.add_argument("--bar", action="store_true", help="say which cases fall short, and fail if any do")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.report:
        return report([json.loads(line) for line in pathlib.Path(options.report).read_text("utf-8").splitlines()])
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    library = wick.Library(options.library)
    library.c.wk_set_thread_count_at(wick.HERE, ctypes.c_int(options.threads))
    triad, plain_sum, rates = bandwidth(options.threads)
    print(f"# triad {rates[0]:.1f}, past the caches {rates[1]:.1f}, sum {rates[2]:.1f} GB/s; {options.threads} threads", flush=True)
    part, parts = map(int, options.part.split("/"))
    words = [w for w in options.only.split(",") if w]
    rows_ = []
    sizes = ["large", "mid"] if options.size == "both" else [options.size]
    everything = [c for size in sizes for c in cases(size) if not words or any(c.name.startswith(w) for w in words)]
    for case in everything[part - 1::parts]:
        try:
            ours, theirs = measure(library, case, options.seconds)
        except wick.WickError as error:
            print(f"{case.name:32} {case.size:5} error {str(error).splitlines()[0]}", flush=True)
            rows_.append({"case": case.name, "size": case.size, "ratio": 0, "share": None, "streams": False})
            continue
        rate = case.moved / ours * 1e-9
        share = rate / (plain_sum if case.reads else triad) if case.size == "large" else None
        rows_.append({"case": case.name, "size": case.size, "wick_us": ours * 1e6, "torch_us": theirs * 1e6, "ratio": theirs / ours,
                      "gb_s": rate, "share": share, "streams": case.streams})
        print(f"{case.name:32} {case.size:5} {ours * 1e6:10.1f} {theirs * 1e6:10.1f} us  {theirs / ours:6.2f}x  {rate:6.1f} GB/s"
              + (f"  {100 * share:4.0f}%" if share else "") + ("  streams" if case.streams and share else ""), flush=True)
    if options.json:
        with open(options.json, "a", encoding="utf-8") as file:
            for row in rows_:
                file.write(json.dumps(row) + "\n")
    return report(rows_) if options.bar else 0


if __name__ == "__main__":
    sys.exit(main())
