/* SPDX-License-Identifier: Apache-2.0 */

/* Matrix products with any strides. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/product.h"

wk_status wk_cpu_gemm(wk_dtype dtype, const wk_cpu_gemm_operands *operands) {
  const wk_product_matrix a = {operands->a, operands->a_row_stride, operands->a_column_stride};
  const wk_product_matrix b = {operands->b, operands->b_row_stride, operands->b_column_stride};
  const wk_product product = {
      .m = operands->m,
      .n = operands->n,
      .k = operands->k,
      .real = wk_isa_real_of(dtype),
      .left_order = wk_product_order_of(&a),
      .pack_a = wk_product_pack_a_matrix,
      .pack_b = wk_product_pack_b_matrix,
      .find_c = wk_product_find_rows,
      .bias = operands->bias,
      .accumulate = operands->accumulate,
      .after = operands->after,
      .left = &a,
      .right = &b,
      .c = operands->c,
      .c_row_stride = operands->c_row_stride,
  };
  return wk_product_run(&product);
}
