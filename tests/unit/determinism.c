/* SPDX-License-Identifier: Apache-2.0 */
/* The levels of determinism as a setting; what they promise is in tests/done/5-levels. */
#include <stdlib.h>
#include <string.h>

#include <wick/wick.h>

#include "backend/cpu/isa.h"
#include "ops/records.gen.h"
#include "support/unit.h"

static void starts_as_the_variable_says(void **state) {
  (void)state;
  assert_int_equal(wk_determinism_get(), WK_DETERMINISM_THREADS);
}

static void has_names(void **state) {
  (void)state;
  assert_string_equal(wk_determinism_name(WK_DETERMINISM_DEFAULT), "default");
  assert_string_equal(wk_determinism_name(WK_DETERMINISM_MACHINE), "machine");
  assert_null(wk_determinism_name((wk_determinism)3));
  assert_null(wk_determinism_name((wk_determinism)-1));
}

static void refuses_what_is_no_level(void **state) {
  (void)state;
  assert_int_equal(wk_determinism_set(WK_DETERMINISM_MACHINE), WK_OK);
  assert_int_equal(wk_determinism_set((wk_determinism)7), WK_ERROR_ARGUMENT);
  wk_error_clear();
  assert_int_equal(wk_determinism_get(), WK_DETERMINISM_MACHINE);
}

/* A product's bits with the plain kernels; at `machine` they are those of the widest. */
static void rounds_once_at_machine(void **state) {
  (void)state;
  enum { SIZE = 37 };
  static float best[SIZE * SIZE], plain[SIZE * SIZE];
  const char *name = wk_cpu_isa_name();
  WK_SCOPE;
  for (int transposed = 0; transposed < 2; transposed++) {
    wk_tensor *a = wk_uniform(WK_SHAPE(SIZE, SIZE), .low = -1);
    wk_tensor *b = wk_uniform(WK_SHAPE(SIZE, SIZE), .low = -1);
    if (transposed) a = wk_transpose(a, 0, 1);
    wk_determinism_set(WK_DETERMINISM_MACHINE);
    wk_tensor_read(wk_matmul(a, b), best, sizeof best);
    wk_cpu_isa_select("baseline");
    wk_tensor_read(wk_matmul(a, b), plain, sizeof plain);
    wk_cpu_isa_select(name);
    if (strcmp(name, "baseline") != 0) assert_memory_equal(best, plain, sizeof best);
  }
}

/* The same of a gradient that is summed without packing. */
static void rounds_once_in_weight_gradients(void **state) {
  (void)state;
  enum { SIZE = 19, CHANNELS = 16, OUT = 12, COUNT = OUT * 3 * 3 * CHANNELS };
  static float best[COUNT], plain[COUNT];
  const char *name = wk_cpu_isa_name();
  WK_SCOPE;
  wk_tensor *x = wk_uniform(WK_SHAPE(2, SIZE, SIZE, CHANNELS), .low = -1);
  wk_tensor *gradient = wk_uniform(WK_SHAPE(2, SIZE - 2, SIZE - 2, OUT), .low = -1);
  const wk_shape weight = WK_SHAPE(OUT, 3, 3, CHANNELS);
  wk_determinism_set(WK_DETERMINISM_MACHINE);
  wk_tensor_read(wk_conv2d_weight_gradient(gradient, x, weight), best, sizeof best);
  wk_cpu_isa_select("baseline");
  wk_tensor_read(wk_conv2d_weight_gradient(gradient, x, weight), plain, sizeof plain);
  wk_cpu_isa_select(name);
  if (strcmp(name, "baseline") != 0) assert_memory_equal(best, plain, sizeof best);
}

int main(void) {
  setenv("WICK_DETERMINISM", "threads", 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(starts_as_the_variable_says),
                                     cmocka_unit_test(has_names),
                                     cmocka_unit_test(refuses_what_is_no_level),
                                     cmocka_unit_test(rounds_once_at_machine),
                                     cmocka_unit_test(rounds_once_in_weight_gradients)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
