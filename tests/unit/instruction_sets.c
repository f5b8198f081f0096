/* SPDX-License-Identifier: Apache-2.0 */

/* Pointwise ops, casts and reductions give the same bits with the kernels of every instruction set
 * that this processor has. NaN counts as NaN, whatever its bits. */

#include "support/unit.h"

#include <math.h>

#include <wick/wick.h>

#include "backend/cpu/isa.h"

enum { COUNT = 65536 + 13 };

typedef struct unary {
  const char *name;
  wk_tensor *(*run)(wk_tensor *x);
} unary;

#define DEFINE(name, call)                                                                         \
  static wk_tensor *run_##name(wk_tensor *x) { return call; }
DEFINE(exp, wk_exp(x))
DEFINE(log, wk_log(x))
DEFINE(tanh, wk_tanh(x))
DEFINE(sigmoid, wk_sigmoid(x))
DEFINE(erf, wk_erf(x))
DEFINE(sin, wk_sin(x))
DEFINE(cos, wk_cos(x))
DEFINE(tan, wk_tan(x))
DEFINE(exp2, wk_exp2(x))
DEFINE(log2, wk_log2(x))
DEFINE(log10, wk_log10(x))
DEFINE(expm1, wk_expm1(x))
DEFINE(log1p, wk_log1p(x))
DEFINE(power, wk_power(x, wk_flip(x, WK_AXES(0))))
DEFINE(gelu, wk_gelu(x))
DEFINE(sqrt, wk_sqrt(x))
DEFINE(f16, wk_cast(wk_cast(x, WK_F16), WK_F32))
DEFINE(bf16, wk_cast(wk_cast(x, WK_BF16), WK_F32))
DEFINE(i32, wk_cast(wk_cast(x, WK_I32), WK_F32))
DEFINE(u8, wk_cast(wk_add(wk_cast(x, WK_U8), wk_cast(x, WK_U8)), WK_F32))
DEFINE(f64, wk_cast(wk_multiply(wk_cast(x, WK_F64), wk_cast(x, WK_F64)), WK_F32))
DEFINE(i64, wk_cast(wk_multiply(wk_cast(x, WK_I64), wk_cast(x, WK_I64)), WK_F32))
DEFINE(less, wk_cast(wk_less(x, wk_flip(x, WK_AXES(0))), WK_F32))
DEFINE(sum, wk_sum(wk_sin(x)))
DEFINE(sum_f64, wk_cast(wk_sum(wk_cast(wk_sin(x), WK_F64)), WK_F32))
DEFINE(max, wk_max(wk_where(wk_is_nan(x), wk_scalar(0), x)))
#undef DEFINE

static const unary functions[] = {
    {"exp", run_exp},
    {"log", run_log},
    {"tanh", run_tanh},
    {"sigmoid", run_sigmoid},
    {"erf", run_erf},
    {"sin", run_sin},
    {"cos", run_cos},
    {"tan", run_tan},
    {"exp2", run_exp2},
    {"log2", run_log2},
    {"log10", run_log10},
    {"expm1", run_expm1},
    {"log1p", run_log1p},
    {"power", run_power},
    {"gelu", run_gelu},
    {"sqrt", run_sqrt},
    {"f16", run_f16},
    {"bf16", run_bf16},
    {"i32", run_i32},
    {"u8", run_u8},
    {"f64", run_f64},
    {"i64", run_i64},
    {"less", run_less},
    {"sum", run_sum},
    {"sum of f64", run_sum_f64},
    {"max", run_max},
};

static float given[COUNT], first[COUNT], got[COUNT];

static size_t evaluate(const unary *function, float *result) {
  WK_SCOPE;
  wk_tensor *y = function->run(wk_tensor_from_data(WK_SHAPE(COUNT), WK_F32, given, NULL));
  const size_t count = y ? (size_t)wk_tensor_count(y) : 0;
  wk_tensor_read(y, result, count * sizeof *result);
  assert_int_equal(wk_error_status(), WK_OK);
  return count;
}

static void sets_agree(void **state) {
  (void)state;
  static const char *const others[] = {"avx2", "avx512"};
  for (uint32_t i = 0; i < COUNT; i++) {
    const uint32_t bits = i * 65519u + (i >> 3);
    memcpy(&given[i], &bits, sizeof bits);
  }
  for (size_t f = 0; f < COUNT_OF(functions); f++) {
    assert_true(wk_cpu_isa_select("baseline"));
    const size_t count = evaluate(&functions[f], first);
    for (size_t s = 0; s < COUNT_OF(others); s++) {
      if (!wk_cpu_isa_select(others[s])) continue;
      assert_int_equal(evaluate(&functions[f], got), count);
      for (size_t i = 0; i < count; i++)
        if (memcmp(&got[i], &first[i], sizeof *got) && !(isnan(got[i]) && isnan(first[i])))
          fail_msg("%s: element %zu of %a is %a with %s, %a with the baseline", functions[f].name,
                   i, (double)given[i], (double)got[i], others[s], (double)first[i]);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sets_agree)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
