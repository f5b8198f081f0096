#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Arrays of NumPy and PyTorch to Wick and back by DLPack, without a copy. $WICK_LIBRARY is libwick.so; what
is not installed is skipped, and with neither of the two the test is (status 77)."""

import ctypes
import gc
import os
import sys

try:
    import numpy
except ImportError:
    numpy = None
try:
    import torch
except ImportError:
    torch = None

DTYPES = {"float32": 1, "float64": 2, "int64": 3, "int32": 4, "uint8": 5, "bool": 6, "float16": 7, "bfloat16": 8,
          "int8": 9, "int16": 10}
NAMES = {key: key.encode() for key in ("dltensor", "dltensor_versioned", "used_dltensor", "used_dltensor_versioned")}


class Place(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("function", ctypes.c_char_p), ("line", ctypes.c_int)]


class Shape(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_int), ("dims", ctypes.c_int64 * 8)]


class Scope(ctypes.Structure):
    _fields_ = [("position", ctypes.c_size_t), ("depth", ctypes.c_size_t)]


HERE = Place(b"dlpack.py", b"main", 1)
wick = ctypes.CDLL(os.environ.get("WICK_LIBRARY", "libwick.so"))
python = ctypes.pythonapi


def declare(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


POINTER, TEXT, SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
scope_open = declare(wick, "wk_scope_open", Scope)
scope_close = declare(wick, "wk_scope_close", None, ctypes.POINTER(Scope))
from_data = declare(wick, "wk_tensor_from_data_at", POINTER, Place, Shape, ctypes.c_int, POINTER, POINTER)
from_dlpack = declare(wick, "wk_tensor_from_dlpack_at", POINTER, Place, POINTER)
from_legacy = declare(wick, "wk_tensor_from_dlpack_legacy_at", POINTER, Place, POINTER)
to_dlpack = declare(wick, "wk_tensor_to_dlpack_at", POINTER, Place, POINTER)
read = declare(wick, "wk_tensor_read_at", ctypes.c_int, Place, POINTER, POINTER, SIZE)
write = declare(wick, "wk_tensor_write_at", ctypes.c_int, Place, POINTER, POINTER, SIZE)
dtype_of = declare(wick, "wk_tensor_dtype", ctypes.c_int, POINTER)
rank_of = declare(wick, "wk_tensor_rank", ctypes.c_int, POINTER)
dim_of = declare(wick, "wk_tensor_dim", ctypes.c_int64, POINTER, ctypes.c_int)
error_text = declare(wick, "wk_error_text", SIZE, TEXT, SIZE)
error_clear = declare(wick, "wk_error_clear", None)
status_of = declare(wick, "wk_error_status", ctypes.c_int)

CAPSULE_END = ctypes.CFUNCTYPE(None, POINTER)
capsule_new = declare(python, "PyCapsule_New", ctypes.py_object, POINTER, TEXT, CAPSULE_END)
capsule_pointer = declare(python, "PyCapsule_GetPointer", POINTER, ctypes.py_object, TEXT)
capsule_set_name = declare(python, "PyCapsule_SetName", ctypes.c_int, ctypes.py_object, TEXT)
capsule_is_valid = declare(python, "PyCapsule_IsValid", ctypes.c_int, ctypes.py_object, TEXT)

_raw_pointer = ctypes.PYFUNCTYPE(POINTER, POINTER, TEXT)(("PyCapsule_GetPointer", python))
_raw_valid = ctypes.PYFUNCTYPE(ctypes.c_int, POINTER, TEXT)(("PyCapsule_IsValid", python))
DELETER = ctypes.CFUNCTYPE(None, POINTER)


@CAPSULE_END
def end_capsule(capsule):
    """Nobody took the tensor: give it back. The deleter is the third word of the versioned struct."""
    if _raw_valid(capsule, NAMES["dltensor_versioned"]):
        managed = _raw_pointer(capsule, NAMES["dltensor_versioned"])
        DELETER(POINTER.from_address(managed + 16).value)(managed)


def check(condition, what):
    if condition:
        return
    buffer = ctypes.create_string_buffer(4096)
    error_text(buffer, len(buffer))
    sys.exit(f"dlpack.py: {what}: {buffer.value.decode()}")


class Lent:
    """A tensor of Wick's as others like to have it."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, stream=None, max_version=None, dl_device=None, copy=None):
        managed = to_dlpack(HERE, self.tensor)
        check(managed, "to_dlpack")
        return capsule_new(managed, NAMES["dltensor_versioned"], end_capsule)

    def __dlpack_device__(self):
        return (1, 0)


def take(capsule):
    """Wick's tensor over what a capsule holds, which is marked as used."""
    for name, function in (("dltensor_versioned", from_dlpack), ("dltensor", from_legacy)):
        if capsule_is_valid(capsule, NAMES[name]):
            tensor = function(HERE, capsule_pointer(capsule, NAMES[name]))
            capsule_set_name(capsule, NAMES["used_" + name])
            return tensor
    return sys.exit("dlpack.py: what came is no DLPack capsule")


def exported(array):
    try:
        return array.__dlpack__(max_version=(1, 0))
    except (TypeError, ValueError):
        return array.__dlpack__()


def values_of(tensor, count, size):
    buffer = ctypes.create_string_buffer(max(count * size, 1))
    check(read(HERE, tensor, buffer, count * size) == 0, "reading")
    return buffer.raw[:count * size]


def bytes_of(array):
    if torch is not None and isinstance(array, torch.Tensor):
        return bytes(array.contiguous().reshape(-1).view(torch.uint8).tolist())
    return numpy.ascontiguousarray(array).tobytes()


def check_in(array, name, shape, size):
    """The array's values arrive, and what Wick writes arrives in the array."""
    tensor = take(exported(array))
    check(tensor, f"taking {name} {shape}")
    check(dtype_of(tensor) == DTYPES[name] and rank_of(tensor) == len(shape), f"{name} {shape} became something else")
    check(all(dim_of(tensor, i) == n for i, n in enumerate(shape)), f"sizes of {name} {shape}")
    count = 1
    for n in shape:
        count *= n
    check(values_of(tensor, count, size) == bytes_of(array), f"values of {name} {shape}")
    zeros = ctypes.create_string_buffer(max(count * size, 1))
    check(write(HERE, tensor, zeros, count * size) == 0, f"writing to {name} {shape}")
    check(not any(bytes_of(array)), f"{name} {shape} is not shared")


def check_out(module, name, size):
    """Wick's values arrive elsewhere, and what is written there arrives in Wick's tensor."""
    data = bytes([1, 0] * (3 * size)) if name != "bool" else bytes([1, 0, 1, 1, 0, 1])
    tensor = from_data(HERE, Shape(2, (ctypes.c_int64 * 8)(2, 3)), DTYPES[name], data, None)
    array = module.from_dlpack(Lent(tensor))
    check(tuple(array.shape) == (2, 3) and name in str(array.dtype), f"{name} became {array.dtype}")
    check(bytes_of(array) == data, f"values of {name}")
    array[1, 1] = 0
    check(values_of(tensor, 6, size) == data[:4 * size] + bytes(size) + data[5 * size:], f"{name} is not shared")


def check_read_only():
    array = numpy.arange(6.0)
    array.flags.writeable = False
    tensor = take(exported(array))
    check(tensor, "taking a read-only array")
    zeros = ctypes.create_string_buffer(48)
    check(write(HERE, tensor, zeros, 48) < 0 and array[5] == 5, "a read-only array was written")
    error_clear()


def main():
    scope = scope_open()
    if numpy is not None:
        for name in ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"):
            array = (numpy.arange(24) % 7).reshape(2, 3, 4).astype(name)
            size = array.itemsize
            for part in (array, array[:, ::-1], array.transpose(2, 0, 1)[1:], array[0, 0, 0:1], array[:, :0]):
                part[...] = (numpy.arange(part.size) % 5).reshape(part.shape)
                check_in(part, name, part.shape, size)
            check_out(numpy, name, size)
        check_read_only()
    if torch is not None:
        for name in DTYPES:
            array = (torch.arange(24) % 7).reshape(2, 3, 4).to(getattr(torch, name))
            for part in (array, array.permute(2, 0, 1)[1:], array[:, ::2, 1], array[0, 0, 0]):
                check_in(part.clone() if part.dim() == 0 else part, name, tuple(part.shape), array.element_size())
            check_out(torch, name, array.element_size())
    if numpy is None and torch is None:
        print("neither NumPy nor PyTorch is installed")
        sys.exit(77)
    gc.collect()
    scope_close(ctypes.byref(scope))
    check(status_of() == 0, "an error is left")
    print("shared with", ", ".join(m.__name__ for m in (numpy, torch) if m is not None))


main()
