/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers in compiled functions: the same as eagerly, call by call. */
#include "support/unit.h"

#include <string.h>

#include <wick/wick.h>

enum { CALLS = 3, MOST = 64 };

/* What calls of the function gave, and where they left the generator. */
typedef struct seen {
  float values[CALLS][MOST];
  uint64_t seeds[CALLS], offsets[CALLS];
} seen;

static seen run(wk_function_body body, void *context, wk_tensors in, bool compiled) {
  WK_SCOPE;
  seen s = {0};
  wk_generator_set(wk_generator_default(), 9, 4);
  wk_function *f = compiled ? wk_compile(body, context) : NULL;
  for (int i = 0; i < CALLS; i++) {
    wk_tensor *y = compiled ? wk_call(f, in) : body(context, in);
    assert_no_error();
    assert_true(wk_tensor_count(y) <= MOST);
    wk_tensor_read(y, s.values[i], (size_t)wk_tensor_count(y) * sizeof(float));
    wk_generator_get(wk_generator_default(), &s.seeds[i], &s.offsets[i]);
  }
  wk_function_free(f);
  return s;
}

static void check_same(wk_function_body body, void *context, wk_tensors in) {
  const seen eager = run(body, context, in, false), compiled = run(body, context, in, true);
  assert_memory_equal(eager.offsets, compiled.offsets, sizeof eager.offsets);
  assert_memory_equal(eager.seeds, compiled.seeds, sizeof eager.seeds);
  assert_memory_equal(eager.values, compiled.values, sizeof eager.values);
}

/* ---- numbers that the user names ---- */

/* Where the generator stands at the first call, and where the first draw leaves it. */
static wk_tensor *draw_keyed(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *first = wk_uniform(WK_SHAPE(6), 0, 1);
  wk_tensor *a = wk_uniform(WK_SHAPE(6), 0, 1, .keyed = true, .seed = 9, .offset = 4);
  wk_tensor *b = wk_dropout(in.item[0], 0.5, .keyed = true, .seed = 9, .offset = 10);
  return wk_concatenate(WK_TENSORS(first, a, wk_dropout(in.item[0], 0.5), b));
}

static void keyed_ops_are_no_draws(void **state) {
  (void)state;
  WK_SCOPE;
  check_same(draw_keyed, NULL, WK_TENSORS(wk_ones(WK_SHAPE(6))));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keyed_ops_are_no_draws),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
