#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record_values.py: writes tests/ops/recorded.gen.c, what NumPy and PyTorch make of the records' samples
in f64; the reference device is judged by it. Run by hand after samples or definitions have changed, with
a Python >= 3.11 that has both packages; tests only read the file."""

import importlib
import math
import pathlib
import re
import sys

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from generator import records, samples  # noqa: E402
from words import MASK, philox, unit_double  # noqa: E402

MOST = 24  # elements recorded of a result
TYPES = {"f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8,
         "u8": np.uint8, "bool": np.bool_}


def read_specials():
    """The list stands in samples.c alone."""
    text = (ROOT / "tests/ops/samples.c").read_text()
    body = re.search(r"special_f64\[\] = \{(.*?)\};", text, re.S).group(1)
    words = [w.strip() for w in body.split(",")]
    read = {"INFINITY": math.inf, "NAN": math.nan, "DBL_MAX": sys.float_info.max}
    return [read[w] if w in read else float.fromhex(w) if "x" in w else float(w) for w in words]


def sample_value(kind, low, high, seed, index):
    w = philox(seed, index, 0)
    if kind in ("uniform", "dominant"):
        return low + (high - low) * unit_double(w[0], w[1])
    if kind == "integers":
        return low + float((w[0] << 32 | w[1]) * (int(high - low) + 1) >> 64)
    if kind == "bits":
        return w[0] & 1
    value = SPECIALS[index // 2 % len(SPECIALS)]
    return -value if index % 2 else value


def tensor_of(text, op, place):
    match = re.fullmatch(r"(\w+)(?:\((.*?),(.*?)\))? \[(.*?)\] ?(\w*)", text)
    kind, low, high, dims, dtype = match.groups()
    dims = [int(d) for d in dims.split(",") if d.strip()]
    seed = place + 1
    for letter in op.name:
        seed = (seed * 31 + ord(letter)) & MASK
    low, high = float(low or 0), float(high or 0)
    count = math.prod(dims)
    values = [sample_value(kind, low, high, seed, i) for i in range(count)]
    array = np.array(values, dtype=TYPES[dtype or "f64"]).reshape(dims)
    if kind == "dominant":
        array += dims[-1] * np.eye(dims[-2], dims[-1])
    return torch.from_numpy(array)


# ---- what each op is, said by others: tests/record/definitions/, a file per family ----

def load_definitions():
    folder = pathlib.Path(__file__).parent / "definitions"
    ops = {}
    for path in sorted(folder.glob("*.py")):
        ops |= importlib.import_module(f"definitions.{path.stem}").OPS
    return ops


# Where PyTorch leaves the result open, or means something else.
def is_defined(op, sample):
    if any(t and t.endswith(("f16", "f32")) for t in samples.tensor_texts(op, sample)):
        return False  # values are compared as closely as f64 allows
    if op.name == "cast":
        return str(sample["x"]).startswith(("uniform(-4,", "bits", "integers(-2")) and sample["dtype"] != "f32"
    if op.name in ("pad", "sum"):
        return "u8" not in str(sample["x"])  # wraps and saturates
    return True


def literal(value):
    value = float(value)
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return repr(value)


def row(op, number, sample):
    texts = samples.tensor_texts(op, sample)
    inputs = [tensor_of(t, op, i) if t else None for i, t in enumerate(texts)]
    settings = {a.name: sample[a.name] for a in op.attributes if a.name in sample}
    results = OPS[op.name](settings, *inputs)
    text = ""
    for place, result in enumerate(results if isinstance(results, tuple) else (results,)):
        if result is None:  # an output that others do not have
            continue
        result = result.detach().flatten().to(torch.float64)
        step = result.numel() // MOST + 1
        values = [literal(v) for v in result[::step].tolist()]
        text += f'    {{"{op.name}", {number}, {place}, {result.numel()}, {step}, {{{", ".join(values) or "0"}}}}},\n'
    return text


def main():
    np.seterr(all="ignore")
    rows = []
    for op in records.load_ops(ROOT / "schema"):
        for number, sample in enumerate(op.samples):
            if op.name in OPS and is_defined(op, sample):
                rows.append(row(op, number, sample))
    (ROOT / "tests/ops/recorded.gen.c").write_text(
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        f"/* Written by tests/tools/record_values.py from PyTorch {torch.__version__.split('+')[0]} and NumPy "
        f"{np.__version__}. Do not edit. */\n"
        '#include "recorded.h"\n\n#include <math.h>\n\nconst recorded_row recorded_table[] = {\n'
        + "".join(rows)
        + "};\n\nconst int recorded_table_count = sizeof recorded_table / sizeof *recorded_table;\n")
    print(len(rows), "rows")


SPECIALS = read_specials()
OPS = load_definitions()
if __name__ == "__main__":
    main()
