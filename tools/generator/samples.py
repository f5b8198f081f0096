# SPDX-License-Identifier: Apache-2.0
"""The samples of every op as a C table that tests read. tests/ops/samples.h says what a row means."""
import json

from .records import NOTICE, fail


def tensor_texts(op, sample):
    texts = []
    for i in op.inputs:
        if i.name not in sample:
            if not i.optional:
                fail(op.name, f"a sample lacks {i.name}")
            texts.append(None)
            continue
        value = sample[i.name]
        texts += value if i.list else [value]
    return texts


def setting_texts(op, sample):
    """Pairs (attribute, value as JSON text)."""
    known = {a.name: a for a in op.attributes}
    inputs = {i.name for i in op.inputs}
    unknown = set(sample) - set(known) - inputs
    if unknown:
        fail(op.name, f"a sample has unknown {unknown}")
    pairs = [(name, json.dumps(value).replace("Infinity", "inf")) for name, value in sample.items() if name in known]
    if op.class_ == "random" and "keyed" not in sample:
        pairs.append(("keyed", "true"))
    return pairs


def quoted(text):
    return "NULL" if text is None else json.dumps(text)


def table(ops):
    parts = [NOTICE, '#include "samples.h"\n\nconst wk_sample wk_sample_table[] = {\n']
    for op in ops:
        ulp = "{%s, %s}" % (op.ulp.get("f32", 0), op.ulp.get("f64", 0))
        for sample in op.samples:
            tensors = ", ".join(quoted(t) for t in tensor_texts(op, sample))
            settings = ", ".join("{%s, %s}" % (quoted(n), quoted(v)) for n, v in setting_texts(op, sample))
            parts.append(f'    {{"{op.name}", {len(tensor_texts(op, sample))}, {{{tensors or "NULL"}}}, '
                         f"{len(setting_texts(op, sample))}, {{{settings or '{NULL, NULL}'}}}, {ulp}}},\n")
    parts.append("};\n\nconst int wk_sample_table_count = sizeof wk_sample_table / sizeof *wk_sample_table;\n")
    return "".join(parts)
