# SPDX-License-Identifier: Apache-2.0
"""lldb and Wick: `print tensor`, `print network`, `print shape` show what they hold, in a running
program and in a core dump. `command script import .../share/wick/debugger/wick_lldb.py`, best from
~/.lldbinit."""

import os
import sys

import lldb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wick_objects  # noqa: E402 (found through the line above)


class Process:
    """The program, as wick_objects wants it."""

    def __init__(self, process):
        self.process = process

    def read(self, address, size):
        error = lldb.SBError()
        found = self.process.ReadMemory(address, size, error) if size else b""
        if error.Fail():
            raise wick_objects.Unreadable(error.GetCString())
        return found

    def symbol(self, name):
        target = self.process.GetTarget()
        for context in target.FindSymbols(name):
            address = context.GetSymbol().GetStartAddress().GetLoadAddress(target)
            if address != lldb.LLDB_INVALID_ADDRESS:
                return address
        return 0


def describe(value, function):
    process = value.GetProcess()
    order = ">" if process.GetByteOrder() == lldb.eByteOrderBig else "<"
    address = value.GetValueAsUnsigned()
    try:
        memory = wick_objects.Memory(Process(process), process.GetAddressByteSize(), order)
        return function(memory, address)
    except (wick_objects.Unreadable, KeyError) as problem:
        return f"{address:#x} ({problem})"


def tensor_summary(value, _):
    return describe(value, wick_objects.describe_tensor)


def module_summary(value, _):
    return describe(value, wick_objects.module_tree)


def shape_summary(value, _):
    dims = value.GetNonSyntheticValue().GetChildMemberWithName("dims")
    rank = value.GetNonSyntheticValue().GetChildMemberWithName("rank").GetValueAsSigned()
    return str([dims.GetChildAtIndex(i).GetValueAsSigned() for i in range(rank)])


def error_summary(value, _):
    def member(name):
        return value.GetNonSyntheticValue().GetChildMemberWithName(name)

    def text(name):
        pointer = member(name).GetValueAsUnsigned()
        error = lldb.SBError()
        return value.GetProcess().ReadCStringFromMemory(pointer, 4096, error) if pointer else ""
    where = f", at {text('module_path')}" if text("module_path") else ""
    lines = [f"{member('status').GetValue()} in {text('op')}{where}"]
    lines += [text(name) for name in ("shapes", "message", "hint", "cause") if text(name)]
    return "\n  ".join("\n".join(lines).split("\n"))


SUMMARIES = {"wk_tensor *": "tensor_summary", "wk_module *": "module_summary",
             "wk_shape": "shape_summary", "wk_error": "error_summary"}


def __lldb_init_module(debugger, _):
    for kind, function in SUMMARIES.items():
        debugger.HandleCommand(
            f'type summary add --category wick -F {__name__}.{function} -e "{kind}"')
    debugger.HandleCommand("type category enable wick")
