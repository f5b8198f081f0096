# SPDX-License-Identifier: Apache-2.0
"""The same work by PyTorch and by libwick, in one process and by turns, so that both see the same machine.

Each case is timed several times, best of each kept; a table of ratios is printed, the worst first."""
import ctypes
import math
import os
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "differential"))
from wick import HERE, Grad, Library, records, set_field  # noqa: E402

REST = 0.015  # seconds for the other side's threads to fall asleep: GNU OpenMP lets them spin for some
rows = []


class Wick:
    def __init__(self, path):
        torch.set_num_threads(int(os.environ.get("WICK_THREADS", "2")))
        self.library = Library(path)
        self.kept = []
        self.library.scope().__enter__()

    def tensor(self, value, learns=False):
        pointer = self.library.tensor(value)
        if learns:
            self.library.require_gradient(pointer)
        return pointer

    def op(self, name, tensors, **settings):
        """The call, ready to be made again and again; it returns its outputs, to be released."""
        op = records.OPS[name]
        arguments = op.structure(ctypes.sizeof(op.structure))
        place = 0
        for field, _, _, is_list in op.inputs:
            if is_list:
                rest = tensors[place:]
                items = (ctypes.c_void_p * len(rest))(*rest)
                self.kept.append(items)
                setattr(arguments, field, records.Tensors(len(rest), items))
            elif place < len(tensors) and tensors[place]:
                setattr(arguments, field, tensors[place])
            place += 1
        for field, kind, *_ in op.attributes:
            if field in settings:
                set_field(arguments, field, kind, settings[field])
        outputs = (ctypes.c_void_p * len(op.outputs))()
        count, encoded, c = ctypes.c_size_t(len(outputs)), name.encode(), self.library.c

        def call():
            self.library.check(c.wk_call_op(HERE, encoded, ctypes.byref(arguments), outputs, count))
            return list(outputs)

        return call

    def run(self, name, tensors, **settings):
        """The call as a case: what it gives is let go at once."""
        call = self.op(name, tensors, **settings)
        return lambda: self.library.release(call())

    def step(self, name, tensors, inputs, gradient, **settings):
        """The op's first output and the gradients of `inputs` from its gradient, as a case."""
        call = self.op(name, tensors, **settings)
        items, results = (ctypes.c_void_p * len(inputs))(*inputs), (ctypes.c_void_p * len(inputs))()

        def run():
            with self.library.scope():
                outputs = call()
                grad = Grad(ctypes.sizeof(Grad), outputs[0], records.Tensors(len(inputs), items), gradient, False, False)
                self.library.check(self.library.c.wk_grad_at(HERE, results, ctypes.byref(grad)))
                self.library.release(outputs)

        return run


def seconds(run):
    """Of the second call in a row: the first one wakes the threads."""
    time.sleep(REST)
    times = []
    while len(times) < 2 and sum(times) < 0.05:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times[-1]


def case(name, theirs, ours, least=4, most=10, budget=0.6, bar=1.0):
    """Times both by turns: at least `least` times each, then as long as the budget of seconds lasts."""
    pattern = os.environ.get("ONLY")
    if pattern and pattern not in name:
        return
    best, spent = [math.inf, math.inf], 0.0
    for turn in range(most):
        times = [seconds(theirs), seconds(ours)]
        best = [min(b, t) for b, t in zip(best, times)]
        spent += sum(times)
        if turn + 1 >= least and spent > budget:
            break
    rows.append((best[0] / best[1], bar, name, *best))


def finish(title):
    """Prints the table, the worst first; 1 if a case stays below its bar."""
    rows.sort(key=lambda row: row[0] / row[1])
    for ratio, bar, name, theirs, ours in rows:
        mark = "" if ratio >= bar else f"  below {bar:g}"
        print(f"{name:44} PyTorch {theirs * 1e3:9.3f} ms  Wick {ours * 1e3:9.3f} ms  {ratio:6.2f}{mark}")
    short = sum(row[0] < row[1] for row in rows)
    middle = math.exp(sum(math.log(row[0]) for row in rows) / max(len(rows), 1))
    print(f"{'FAIL' if short else 'ok'} {title} {len(rows) - short} of {len(rows)} reach their bar, "
          f"geometric mean {middle:.2f} times PyTorch's speed")
    return 1 if short else 0
