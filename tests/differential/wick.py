# SPDX-License-Identifier: Apache-2.0
"""libwick driven through ctypes: arrays in, ops by their records, arrays out. Needs NumPy and PyTorch."""
import ctypes
import importlib.util
import pathlib

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("ctypes_gen", ROOT / "tests" / "ctypes.gen.py")
records = importlib.util.module_from_spec(spec)
spec.loader.exec_module(records)

DTYPES = {"f32": (1, torch.float32), "f64": (2, torch.float64), "i64": (3, torch.int64), "i32": (4, torch.int32),
          "u8": (5, torch.uint8), "bool": (6, torch.bool), "f16": (7, torch.float16), "bf16": (8, torch.bfloat16),
          "i8": (9, torch.int8), "i16": (10, torch.int16)}
TORCH = {number: kind for number, kind in DTYPES.values()}
NUMBER = {kind: number for number, kind in DTYPES.values()}


class Place(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("function", ctypes.c_char_p), ("line", ctypes.c_int)]


class Scope(ctypes.Structure):
    _fields_ = [("position", ctypes.c_size_t), ("depth", ctypes.c_size_t)]


class Grad(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("output", ctypes.c_void_p), ("inputs", records.Tensors),
                ("gradient", ctypes.c_void_p), ("retain_graph", ctypes.c_bool), ("create_graph", ctypes.c_bool)]


class WickError(Exception):
    """The library refused a call; the text is its whole message."""


HERE = Place(b"differential", b"test", 1)


class Library:
    def __init__(self, path):
        self.c = c = ctypes.CDLL(str(path))
        for name in ("wk_tensor_from_data_at", "wk_device_get_at"):
            getattr(c, name).restype = ctypes.c_void_p
        c.wk_scope_open.restype = Scope
        c.wk_tensor_shape.restype = records.Shape

    def check(self, status):
        if status == 0:
            return
        text = ctypes.create_string_buffer(8192)
        self.c.wk_error_text(text, ctypes.c_size_t(len(text)))
        self.c.wk_error_clear()
        raise WickError(text.value.decode())

    def scope(self):
        return OpenScope(self)

    def device(self, name):
        device = self.c.wk_device_get_at(HERE, name.encode())
        if not device:
            self.check(-1)
        return device

    def tensor(self, value, device=None):
        """A copy of a torch tensor, contiguous, in the open scope."""
        dense = value.detach().contiguous()
        shape = records.Shape(dense.dim(), (ctypes.c_int64 * records.MAX_RANK)(*dense.shape))
        pointer = self.c.wk_tensor_from_data_at(HERE, shape, NUMBER[value.dtype], ctypes.c_void_p(dense.data_ptr() or 1),
                                                ctypes.c_void_p(device))
        if not pointer:
            self.check(-1)
        return pointer

    def read(self, tensor):
        tensor = ctypes.c_void_p(tensor)
        shape = self.c.wk_tensor_shape(tensor)
        value = torch.empty(tuple(shape.dims[:shape.rank]), dtype=TORCH[self.c.wk_tensor_dtype(tensor)])
        size = ctypes.c_size_t(value.numel() * value.element_size())
        self.check(self.c.wk_tensor_read_at(HERE, tensor, ctypes.c_void_p(value.data_ptr() or 1), size))
        return value

    def require_gradient(self, tensor):
        self.check(self.c.wk_tensor_set_requires_gradient_at(HERE, ctypes.c_void_p(tensor), ctypes.c_bool(True)))

    def grad(self, output, inputs, gradient):
        items = (ctypes.c_void_p * len(inputs))(*inputs)
        results = (ctypes.c_void_p * len(inputs))()
        arguments = Grad(ctypes.sizeof(Grad), output, records.Tensors(len(inputs), items), gradient, True, False)
        self.check(self.c.wk_grad_at(HERE, results, ctypes.byref(arguments)))
        return list(results)

    def arguments(self, name, tensors, settings, device=None):
        """What wk_call_op takes; `tensors` are the op's inputs in order (None: left out, a list's one after the other)."""
        op = records.OPS[name]
        arguments = op.structure(ctypes.sizeof(op.structure))
        place = 0
        for name_, _, _, is_list in op.inputs:
            if is_list:
                rest = tensors[place:]
                items = (ctypes.c_void_p * max(len(rest), 1))(*rest)
                setattr(arguments, name_, records.Tensors(len(rest), items))
            elif place < len(tensors) and tensors[place]:
                setattr(arguments, name_, tensors[place])
            place += 1
        for name_, kind, *_ in op.attributes:
            if name_ in settings:
                set_field(arguments, name_, kind, settings[name_])
            elif kind == "device" and device:
                setattr(arguments, name_, device)
        return arguments

    def call(self, name, tensors, settings, device=None):
        """Runs an op with these arguments. Returns its outputs, which the open scope does not own: release() them."""
        op = records.OPS[name]
        arguments = self.arguments(name, tensors, settings, device)
        outputs = (ctypes.c_void_p * len(op.outputs))()
        self.check(self.c.wk_call_op(HERE, name.encode(), ctypes.byref(arguments), outputs,
                                     ctypes.c_size_t(len(op.outputs))))
        return list(outputs)

    def release(self, tensors):
        for tensor in tensors:
            self.c.wk_tensor_release(ctypes.c_void_p(tensor))


class OpenScope:
    def __init__(self, library):
        self.library = library

    def __enter__(self):
        self.scope = self.library.c.wk_scope_open()

    def __exit__(self, *_):
        self.library.c.wk_scope_close(ctypes.byref(self.scope))


def set_field(arguments, name, kind, value):
    if kind in ("shape", "axes"):
        field = getattr(arguments, name)
        values = field.dims if kind == "shape" else field.axis
        setattr(field, "rank" if kind == "shape" else "count", len(value))
        for i, v in enumerate(value):
            values[i] = v
    elif kind in ("pair", "triple"):
        getattr(arguments, name)[:len(value)] = value
    elif kind == "dtype":
        setattr(arguments, name, DTYPES[value][0])
    elif kind in records.ENUMS:
        setattr(arguments, name, records.ENUMS[kind].index(value))
    elif kind == "text":
        setattr(arguments, name, value.encode())
    else:
        setattr(arguments, name, value)
