/* SPDX-License-Identifier: Apache-2.0 */
/* Type promotion. Dtypes are of three categories: bool, integer, float. A tensor with dimensions
 * outranks a zero-dimensional one, and that a number written in the program, unless the lower one
 * is of a higher category: f16 [3] + f64 [] is f16, but i64 [3] + f32 [] is f32. */
#include "ops/promote.h"

#include "base/error.h"
#include "ops/records.gen.h"

static bool is_integer(wk_dtype dtype) { return WK_DTYPES_INTEGER >> dtype & 1; }

/* Of two integers the one that holds both; u8 beside i8 needs 16 bits. */
static wk_dtype wider_integer(wk_dtype a, wk_dtype b) {
  if ((a == WK_U8 && b == WK_I8) || (a == WK_I8 && b == WK_U8)) return WK_I16;
  return wk_dtype_size(a) >= wk_dtype_size(b) ? a : b;
}

wk_dtype wk_promote_dtypes(wk_dtype a, wk_dtype b) {
  if (a == b || b == WK_DTYPE_DEFAULT) return a;
  if (a == WK_DTYPE_DEFAULT) return b;
  const bool a_float = wk_dtype_is_float(a), b_float = wk_dtype_is_float(b);
  if (a_float && b_float) {
    const size_t a_size = wk_dtype_size(a), b_size = wk_dtype_size(b);
    if (a_size == b_size) return WK_F32; /* f16 and bf16 */
    return a_size > b_size ? a : b;
  }
  if (a_float || b == WK_BOOL) return a;
  if (b_float || a == WK_BOOL) return b;
  return wider_integer(a, b);
}

bool wk_can_cast(wk_dtype from, wk_dtype to) {
  if (wk_dtype_is_float(from)) return wk_dtype_is_float(to);
  return is_integer(from) ? to != WK_BOOL : true;
}

/* The dtype of operands of two ranks, either of which may be absent (WK_DTYPE_DEFAULT). */
static wk_dtype combine(wk_dtype higher, wk_dtype lower) {
  if (wk_dtype_is_float(higher)) return higher;
  if (higher == WK_BOOL || wk_dtype_is_float(lower)) return wk_promote_dtypes(higher, lower);
  return higher ? higher : lower;
}

static wk_dtype weak_dtype(const wk_tensor *number) {
  return wk_dtype_is_float(number->layout.dtype) ? WK_F32 : number->layout.dtype;
}

static wk_dtype common_dtype(const wk_op *op, wk_tensor *const *inputs, int count) {
  wk_dtype with_dims = WK_DTYPE_DEFAULT, without = WK_DTYPE_DEFAULT, weak = WK_DTYPE_DEFAULT;
  for (int i = 0; i < count; i++) {
    const wk_tensor *input = inputs[i];
    if (!input || (op && !wk_op_input_at(op, i)->same_dtype)) continue;
    if (input->weak)
      weak = wk_promote_dtypes(weak, weak_dtype(input));
    else if (input->layout.rank == 0)
      without = wk_promote_dtypes(without, input->layout.dtype);
    else
      with_dims = wk_promote_dtypes(with_dims, input->layout.dtype);
  }
  return combine(with_dims, combine(without, weak));
}

wk_dtype wk_result_dtype(wk_tensors tensors) {
  return common_dtype(NULL, tensors.item, tensors.count > INT32_MAX ? 0 : (int)tensors.count);
}

/* What the op works in: a float where it knows no integers. */
static wk_dtype working_dtype(const wk_op *op, wk_tensor *const *inputs, int count) {
  const wk_dtype common = common_dtype(op, inputs, count);
  uint32_t allowed = WK_DTYPES_ANY;
  for (int i = 0; i < op->input_count; i++)
    if (op->inputs[i].same_dtype) allowed &= op->inputs[i].dtypes;
  const bool only_floats = !(allowed & ~WK_DTYPES_FLOAT);
  return only_floats && !wk_dtype_is_float(common) ? WK_F32 : common;
}

bool wk_must_promote(const wk_op *op, wk_tensor *const *inputs, int count) {
  if (!op->promotes) return false;
  wk_dtype same = WK_DTYPE_DEFAULT;
  const wk_root *first = NULL;
  for (int i = 0; i < count; i++) {
    if (!inputs[i]) continue;
    if (!first) first = inputs[i]->root;
    if (inputs[i]->weak || first->storage->device != inputs[i]->root->storage->device) return true;
    const wk_op_input *input = wk_op_input_at(op, i);
    if (!input->same_dtype) continue;
    const wk_dtype dtype = inputs[i]->layout.dtype;
    if (same == WK_DTYPE_DEFAULT) same = dtype;
    if (dtype != same || !(input->dtypes >> dtype & 1)) return true;
  }
  return false;
}

/* Single numbers go where the others are. */
static wk_device *joint_device(wk_tensor *const *inputs, int count) {
  wk_device *device = NULL;
  for (int i = 0; i < count; i++) {
    if (!inputs[i]) continue;
    if (inputs[i]->layout.rank > 0) return wk_tensor_device_of(inputs[i]);
    if (!device || !inputs[i]->weak) device = wk_tensor_device_of(inputs[i]);
  }
  return device;
}

wk_status wk_promote_inputs(const wk_op *op, wk_tensor *const *inputs, int count,
                            wk_tensor **promoted) {
  const wk_dtype dtype = working_dtype(op, inputs, count);
  wk_device *device = joint_device(inputs, count);
  for (int i = 0; i < count; i++) {
    wk_tensor *input = inputs[i];
    if (input && input->layout.rank == 0 && wk_tensor_device_of(input) != device &&
        !input->requires_gradient)
      input = wk_tensor_to(input, device);
    const wk_op_input *record = wk_op_input_at(op, i);
    const bool convert =
        input && record->same_dtype && input->layout.dtype != dtype && record->dtypes >> dtype & 1;
    promoted[i] = convert ? wk_cast(input, dtype) : input;
  }
  return wk_error_status();
}

wk_tensor *wk_scalar_at(wk_place here, double value, bool whole) {
  if (wk_failed()) return NULL;
  const wk_dtype dtype = whole && value >= -0x1p63 && value < 0x1p63 ? WK_I64 : WK_F64;
  const int64_t integer = dtype == WK_I64 ? (int64_t)value : 0;
  wk_tensor *scalar = wk_tensor_from_data(WK_SCALAR, dtype,
                                          dtype == WK_I64 ? (const void *)&integer : &value, NULL);
  if (scalar) {
    scalar->weak = true;
  } else {
    wk_error_add_op("scalar");
    wk_error_add_place(here);
  }
  return scalar;
}
