#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record_promotion.py: writes tests/unit/promotion.gen.h, what torch.result_type says of every pair of dtypes.
An operand is a tensor with dimensions, one without, or a number of the program. Run by hand."""
import itertools
import pathlib

import torch

DTYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
          "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
NUMBERS = {"I64": 1, "F64": 1.5}  # what wk_scalar(1) and wk_scalar(1.5) are


def operands():
    tensors = [(kind, name) for kind in ("DIMENSIONS", "SINGLE") for name in DTYPES]
    return tensors + [("NUMBER", name) for name in NUMBERS]


def value(operand):
    kind, name = operand
    if kind == "NUMBER":
        return NUMBERS[name]
    return torch.ones([3] if kind == "DIMENSIONS" else [], dtype=DTYPES[name])


def main():
    rows = []
    for a, b in itertools.product(operands(), repeat=2):
        if a[0] == b[0] == "NUMBER":
            continue
        result = NAMES[torch.result_type(value(a), value(b))]
        rows.append(f"    {{{{WK_{a[1]}, {a[0]}}}, {{WK_{b[1]}, {b[0]}}}, WK_{result}}},\n")
    head = ("/* SPDX-License-Identifier: Apache-2.0 */\n"
            f"/* Written by tests/record/record_promotion.py from PyTorch {torch.__version__.split('+')[0]}. Do not edit. */\n"
            "static const promotion_row promotion_table[] = {\n")
    path = pathlib.Path(__file__).resolve().parents[1] / "unit" / "promotion.gen.h"
    path.write_text(head + "".join(rows) + "};\n")
    print(len(rows), "rows")


if __name__ == "__main__":
    main()
