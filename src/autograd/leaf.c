/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves, their gradients, and the switch for recording. */
#include <wick/autograd.h>
#include <wick/ops.h>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/memory.h"
#include "tensor/parameters.h"

bool wk_set_gradients_recorded(bool recorded) {
  const bool before = wk_gradients_recorded;
  wk_gradients_recorded = recorded;
  return before;
}

bool wk_gradients_are_recorded(void) { return wk_gradients_recorded; }

void wk_no_gradient_end(const bool *before) { wk_gradients_recorded = *before; }

static wk_status set_requires_gradient(wk_tensor *tensor, bool required) {
  if (!tensor) return wk_fail(WK_ERROR_ARGUMENT, "the tensor is NULL");
  if (tensor->link) {
    wk_fail(WK_ERROR_STATE, "the tensor is the result of a recorded %s, not a leaf",
            tensor->producer ? tensor->producer : "op");
    wk_error_add_hint("wk_detach gives the same values without their history");
    return WK_ERROR_STATE;
  }
  if (!(WK_DTYPES_FLOAT >> tensor->layout.dtype & 1)) {
    return wk_fail(WK_ERROR_DTYPE, "only floats have gradients, not %s",
                   wk_dtype_name(tensor->layout.dtype));
  }
  tensor->requires_gradient = required;
  return WK_OK;
}

wk_status wk_tensor_set_requires_gradient_at(wk_place here, wk_tensor *tensor, bool required) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = set_requires_gradient(tensor, required);
  wk_error_add_call("tensor_set_requires_gradient", here);
  return status;
}

bool wk_tensor_requires_gradient(const wk_tensor *tensor) {
  return tensor && tensor->requires_gradient;
}

wk_tensor *wk_tensor_gradient(const wk_tensor *tensor) {
  return tensor && tensor->leaf && tensor->leaf->valid ? tensor->leaf->gradient : NULL;
}

void wk_tensor_clear_gradient(wk_tensor *tensor) {
  if (tensor && tensor->leaf) tensor->leaf->valid = false;
}

wk_tensor *wk_detach_at(wk_place here, wk_tensor *tensor) {
  if (wk_failed()) return NULL;
  wk_tensor *detached = NULL;
  if (tensor)
    detached = wk_tensor_on_root(tensor->root, &tensor->layout, tensor->offset);
  else
    wk_fail(WK_ERROR_ARGUMENT, "the tensor is NULL");
  if (detached) detached->producer = "detach";
  detached = wk_scope_add(detached);
  wk_error_add_call("detach", here);
  return detached;
}
