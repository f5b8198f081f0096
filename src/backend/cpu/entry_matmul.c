/* SPDX-License-Identifier: Apache-2.0 */
/* The entry of matrix products: any strides, batch axes that broadcast. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "ops/matmul.h"

/* Elements to step in an operand from one matrix of the batch to the next; `index` counts the
 * result's batch axes, to which the operand's are aligned at the last. */
static int64_t batch_position(const wk_layout *layout, const wk_layout *result, int64_t index) {
  int64_t position = 0;
  for (int i = result->rank - 3; i >= 0; i--) {
    const int own = i - (result->rank - layout->rank);
    if (own >= 0 && layout->dims[own] != 1) {
      position += index % result->dims[i] * layout->strides[own];
    }
    index /= result->dims[i];
  }
  return position;
}

/* A batch of matrices times one matrix is one product with more rows, if the rows lie regularly. */
static bool rows_join(const wk_layout *x, const wk_layout *y) {
  if (y->rank != 2) return false;
  for (int i = 0; i + 2 < x->rank; i++) {
    if (x->strides[i] != x->strides[i + 1] * x->dims[i + 1]) return false;
  }
  return true;
}

wk_status wk_cpu_run_matmul(const wk_kernel_call *call) {
  if (call->part && call->part->step) { /* rows of y and columns of x: blocks of terms are added */
    *call->part->step = WK_PRODUCT_DEPTH, *call->part->state_size = 0;
    return WK_OK;
  }
  const wk_operand *x = &call->inputs[0], *y = &call->inputs[1], *z = &call->outputs[0];
  wk_matmul_operands operands;
  if (x->layout.rank == 1 || y->layout.rank == 1) {
    operands = wk_matmul_as_matrices(call);
    x = &operands.x, y = &operands.y, z = &operands.z;
  }
  const int rank = z->layout.rank, x_rank = x->layout.rank, y_rank = y->layout.rank;
  wk_cpu_gemm_operands product = {.m = z->layout.dims[rank - 2],
                                  .n = z->layout.dims[rank - 1],
                                  .k = x->layout.dims[x_rank - 1],
                                  .a_row_stride = x->layout.strides[x_rank - 2],
                                  .a_column_stride = x->layout.strides[x_rank - 1],
                                  .b_row_stride = y->layout.strides[y_rank - 2],
                                  .b_column_stride = y->layout.strides[y_rank - 1],
                                  .c_row_stride = z->layout.dims[rank - 1],
                                  .accumulate = call->part && call->part->begin > 0};
  int64_t batch = 1;
  for (int i = 0; i < rank - 2; i++) batch *= z->layout.dims[i];
  if (batch > 1 && rows_join(&x->layout, &y->layout)) {
    product.m *= batch;
    batch = 1;
  }
  const bool whole = batch == 1 && z == &call->outputs[0];
  product.after = whole ? call->after : NULL;
  const int64_t size = (int64_t)wk_dtype_size(z->layout.dtype);
  const int64_t matrix = product.m * product.n;
  for (int64_t i = 0; i < batch; i++) {
    product.a = x->data + batch_position(&x->layout, &z->layout, i) * size;
    product.b = y->data + batch_position(&y->layout, &z->layout, i) * size;
    product.c = z->data + i * matrix * size;
    const wk_status status = wk_cpu_gemm(z->layout.dtype, &product);
    if (status != WK_OK) return status;
  }
  const wk_layout *made = &call->outputs[0].layout;
  const int64_t columns = made->rank ? made->dims[made->rank - 1] : 1;
  if (!whole && columns) wk_cpu_tell_rows(call->after, wk_layout_count(made) / columns, columns);
  return WK_OK;
}

_Static_assert(WK_LINEAR_DEPTH <= WK_PRODUCT_DEPTH, "the bias is added to whole sums");

wk_status wk_cpu_run_linear(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0], *weight = &call->inputs[1], *y = &call->outputs[0];
  const int64_t rows = x->layout.dims[0], depth = x->layout.dims[1], units = y->layout.dims[1];
  return wk_cpu_gemm(y->layout.dtype, &(wk_cpu_gemm_operands){.m = rows,
                                                              .n = units,
                                                              .k = depth,
                                                              .a = x->data,
                                                              .a_row_stride = depth,
                                                              .a_column_stride = 1,
                                                              .b = weight->data,
                                                              .b_row_stride = 1,
                                                              .b_column_stride = depth,
                                                              .c = y->data,
                                                              .c_row_stride = units,
                                                              .bias = call->inputs[2].data,
                                                              .after = call->after});
}
