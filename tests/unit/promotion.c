/* SPDX-License-Identifier: Apache-2.0 */
/* Type promotion against what PyTorch says of every pair of dtypes, ranks and numbers. */
#include <wick/ops.h>
#include <wick/tensor.h>

#include "support/unit.h"

typedef enum operand_kind { DIMENSIONS, SINGLE, NUMBER } operand_kind;

typedef struct promotion_row {
  struct {
    wk_dtype dtype;
    operand_kind kind;
  } a, b;
  wk_dtype result;
} promotion_row;

#include "promotion.gen.h"

static wk_tensor *make(wk_dtype dtype, operand_kind kind) {
  if (kind == NUMBER) return dtype == WK_I64 ? wk_scalar(1) : wk_scalar(1.5);
  const wk_shape shape = {.rank = kind == DIMENSIONS, .dims = {3}};
  return wk_full(shape, 1, .dtype = dtype);
}

static void test_result_dtype(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(promotion_table); i++) {
    WK_SCOPE;
    const promotion_row *row = &promotion_table[i];
    wk_tensor *a = make(row->a.dtype, row->a.kind), *b = make(row->b.dtype, row->b.kind);
    const wk_dtype result = wk_result_dtype(WK_TENSORS(a, b));
    if (result != row->result)
      fail_msg("row %zu: %s and %s give %s instead of %s", i, wk_dtype_name(row->a.dtype),
               wk_dtype_name(row->b.dtype), wk_dtype_name(result), wk_dtype_name(row->result));
    if (row->a.kind == DIMENSIONS && row->b.kind == DIMENSIONS)
      assert_int_equal(wk_promote_dtypes(row->a.dtype, row->b.dtype), row->result);
  }
}

/* The op itself, where it takes both. */
static void test_results(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(promotion_table); i++) {
    WK_SCOPE;
    const promotion_row *row = &promotion_table[i];
    if (row->result == WK_BOOL) continue; /* there is no sum of truth values */
    wk_tensor *a = make(row->a.dtype, row->a.kind), *b = make(row->b.dtype, row->b.kind);
    assert_int_equal(wk_tensor_dtype(wk_add(a, b)), row->result);
    const wk_dtype quotient = wk_tensor_dtype(wk_divide(a, b));
    const bool is_float = row->result == WK_F32 || row->result == WK_F64 || row->result == WK_F16 ||
                          row->result == WK_BF16;
    assert_int_equal(quotient, is_float ? row->result : WK_F32);
    assert_int_equal(wk_tensor_dtype(wk_equal(a, b)), WK_BOOL);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_result_dtype),
                                     cmocka_unit_test(test_results)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
