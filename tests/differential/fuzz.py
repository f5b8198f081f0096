#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fuzz.py LIBRARY [CASES [SEED [OP...]]]: random calls, forward and backward, against PyTorch.

A case (cases.py) is a sample of an op's record made another. What PyTorch says is in tests/record/definitions and
plain.py; judge.py compares. Both may refuse a case; everything else must agree, in sizes, in dtype for pointwise
ops, in values and in gradients. Differences that are meant stand in explained.toml, a row for every element."""
import collections
import ctypes
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
from cases import Case, floats, strided  # noqa: E402
from generator import records  # noqa: E402
from judge import Judge, seeds  # noqa: E402
from plain import OPS  # noqa: E402
from wick import Library, WickError  # noqa: E402


def by_wick(library, case):
    """(results, gradients by the inputs that are floats), or the text of the refusal."""
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
                if not (chosen and library.c.wk_tensor_requires_gradient(ctypes.c_void_p(output)) & 1):
                    continue
                seed = library.tensor(seeds(results[n].shape, n, results[n].dtype))
                for i, g in zip(chosen, library.grad(output, [inputs[i] for i in chosen], seed)):
                    g = library.read(g)
                    gradients[i] = g if i not in gradients else gradients[i] + g
            return results, gradients
        except WickError as error:
            return str(error)
        finally:
            library.release(made)


def reasons_for(case, lines, explained):
    """The reason for each line, and the lines that have none."""
    rows = {**explained.get(case.op.name, {}), **explained.get("any", {})}
    reasons, rest = set(), []
    for line in lines:
        reason = next((r for pattern, r in rows.items() if re.search(pattern, f"{case}: {line}")), None)
        reasons.add(reason) if reason else rest.append(line)
    return reasons, rest


def outcome_of(case, judge, explained, unexplained, number):
    lines = judge.differences()
    if not lines:
        if isinstance(judge.ours, str):
            return "both refuse"
        if judge.unknown():
            return "agree, but for gradients that PyTorch lacks"
        return "agree as exactly as PyTorch or the inputs' digits allow" if judge.forgiven else "agree"
    reasons, rest = reasons_for(case, lines, explained)
    if rest:
        unexplained[case.op.name].append(f"{number}: {case}: {rest[0]} ({len(rest)} such)")
        return "differ"
    return f"explained: {case.op.name}: {'; '.join(sorted(reasons))}"


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
    outcomes, unexplained = collections.Counter(), collections.defaultdict(list)
    for number in range(count):
        case = Case(ops[number % len(ops)], random.Random(seed * 1000003 + number))
        judge = Judge(case, by_wick(library, case))
        outcomes[outcome_of(case, judge, explained, unexplained, number)] += 1
        if (number + 1) % 1000 == 0:
            print(f"\r{number + 1} of {count}, {outcomes['differ']} differ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
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
