#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes every *.gen.* file from the records in schema/. Needs Python 3.11 and nothing else.

  tools/generate.py           write them
  tools/generate.py --check   write nothing; fail if a file would change
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from generator import ctypes_module, documentation, ops, pointwise, records, samples, settings  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent


def outputs():
    """All generated files: path below the root -> text."""
    all_ops = records.load_ops(ROOT / "schema")
    enums = records.load_enums(ROOT / "schema")
    records.check_enums(all_ops, enums)
    layers = records.load_settings(ROOT / "schema" / "layers.toml")
    optimizers = records.load_settings(ROOT / "schema" / "optimizers.toml")
    return {
        "include/wick/enums.gen.h": ops.enums_header(enums),
        "src/tensor/enums.gen.h": ops.enum_names_header(enums),
        "src/tensor/enums.gen.c": ops.enum_names(enums),
        "include/wick/ops.gen.h": ops.public_header(all_ops),
        "src/ops/records.gen.h": ops.internal_header(all_ops),
        "src/ops/records.gen.c": ops.registry(all_ops),
        "src/ops/pointwise_vjp.gen.c": pointwise.gradients(all_ops),
        "src/ops/pointwise_composites.gen.c": pointwise.composites(all_ops),
        "src/backend/reference/pointwise.gen.c": pointwise.reference(all_ops),
        "src/backend/cpu/isa/pointwise.gen.c": pointwise.vectorised(all_ops),
        "src/backend/cpu/pointwise.gen.c": pointwise.elementwise(all_ops),
        "include/wick/layers.gen.h": settings.layers_header(layers),
        "src/nn/layers.gen.c": settings.layers_table(layers),
        "include/wick/optimizers.gen.h": settings.optimizers_header(optimizers),
        "src/optim/optimizers.gen.c": settings.optimizers_table(optimizers),
        "src/train/optimizers.gen.c": settings.optimizers_constructors(optimizers),
        "tests/ops/samples.gen.c": samples.table(all_ops),
        "tests/ctypes.gen.py": ctypes_module.module(all_ops, enums),
        "docs/ops.gen.md": documentation.page(all_ops),
    }


def main():
    check = "--check" in sys.argv[1:]
    stale = []
    for path, text in outputs().items():
        target = ROOT / path
        if target.exists() and target.read_text() == text:
            continue
        stale.append(path)
        if not check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    for path in stale:
        print(("stale: " if check else "wrote: ") + path)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
