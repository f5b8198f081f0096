/* SPDX-License-Identifier: Apache-2.0 */
/* Traces and triangles of matrices. */
#include "base/error.h"
#include "ops/build.h"

wk_status wk_composite_trace(wk_call *call) {
  call->outputs[0] =
      wk_sum(wk_diagonal(call->inputs[0], .axis1 = -2, .axis2 = -1), .axes = WK_AXES(-1));
  return wk_error_status();
}

/* ---- triangles ---- */

/* For each element of a matrix, how far above the main diagonal it stands: column - row. */
static wk_tensor *heights(int64_t rows, int64_t columns, wk_device *device) {
  wk_tensor *row = wk_arange(rows, .dtype = WK_I64, .device = device);
  wk_tensor *column = wk_arange(columns, .dtype = WK_I64, .device = device);
  return wk_subtract(column, wk_add_axis(row, 1));
}

static wk_tensor *heights_of(wk_tensor *x) {
  return heights(wk_tensor_dim(x, -2), wk_tensor_dim(x, -1), wk_tensor_device_of(x));
}

wk_tensor *wk_identity_like(wk_tensor *x) {
  wk_tensor *one = wk_cast(wk_equal(heights_of(x), wk_scalar(0)), x->layout.dtype);
  return wk_broadcast_to(one, wk_tensor_shape(x));
}
