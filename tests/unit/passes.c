/* SPDX-License-Identifier: Apache-2.0 */
/* What passes over graphs do, and leave alone. */
#include "support/unit.h"

#include <wick/graph.h>
#include <wick/wick.h>

#include "graph/timeline.h"

static wk_tensor *random(wk_shape shape, uint64_t seed) {
  return wk_uniform(shape, -1, 1, .keyed = true, .seed = seed);
}

/* ---- what is computed again stays so ---- */

enum { SEGMENTS = 6, ELEMENTS = 50000 };

static wk_tensor *segment(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *x = in.item[0];
  for (int i = 0; i < 4; i++) x = wk_sin(wk_exp(wk_tanh(x)));
  return x;
}

typedef struct chain {
  wk_tensor *parameter;
  bool checkpointed;
} chain;

static wk_tensor *train(void *context, wk_tensors in) {
  const chain *c = context;
  wk_tensor *x = wk_multiply(in.item[0], c->parameter);
  for (int i = 0; i < SEGMENTS; i++)
    x = c->checkpointed ? wk_checkpoint(segment, NULL, WK_TENSORS(x))
                        : segment(NULL, WK_TENSORS(x));
  wk_tensor *loss = wk_mean(x);
  wk_backward(loss);
  return loss;
}

static size_t arena_of(chain *c, wk_tensors in) {
  WK_SCOPE;
  wk_function *f = wk_compile(train, c);
  wk_call(f, in);
  assert_no_error();
  const wk_plan *plan = wk_function_plan(f, in);
  const size_t size = plan->arena_size;
  wk_function_free(f);
  return size;
}

static void test_checkpoints_stay(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *parameter = random(WK_SHAPE(ELEMENTS), 1);
  wk_tensor_set_requires_gradient(parameter, true);
  const wk_tensors in = WK_TENSORS(random(WK_SHAPE(ELEMENTS), 2));
  chain kept = {parameter, false}, again = {parameter, true};
  const size_t all = arena_of(&kept, in), some = arena_of(&again, in);
  assert_true(all > 2 * some);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_checkpoints_stay)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
