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

/* ---- normalisations in convolutions ---- */

enum { CHANNELS = 24 };

typedef struct network {
  bool bias, training, twice;
} network;

static wk_tensor *normalised(void *context, wk_tensors in) {
  const network *n = context;
  wk_tensor *const *p = in.item;
  wk_tensor *y = wk_conv2d(p[0], p[1], n->bias ? p[2] : NULL, .same = true);
  wk_tensor *z =
      wk_batch_norm(y, .weight = p[3], .bias = n->bias ? p[4] : NULL,
                    .running_mean = n->training ? NULL : p[5],
                    .running_variance = n->training ? NULL : p[6], .training = n->training);
  return wk_relu(n->twice ? wk_add(z, y) : z);
}

static int count_op(wk_function *f, wk_tensors in, const char *name) {
  const wk_plan *plan = wk_function_plan(f, in);
  int count = 0;
  for (size_t i = 0; i < plan->step_count; i++)
    count += plan->steps[i].node->op && strcmp(plan->steps[i].node->op->name, name) == 0;
  return count;
}

/* Folded or not: near to what eager mode gives, and to the bit where nothing is folded. */
static void check_folding(network n, wk_tensors in, int left) {
  WK_SCOPE;
  static float eager[16 * 16 * CHANNELS], compiled[16 * 16 * CHANNELS];
  wk_tensor *expected = normalised(&n, in);
  wk_function *f = wk_compile(normalised, &n, .fold_batch_norm = 1);
  wk_tensor *y = wk_call(f, in);
  assert_no_error();
  assert_int_equal(wk_tensor_count(y), COUNT_OF(eager));
  wk_tensor_read(expected, eager, sizeof eager);
  wk_tensor_read(y, compiled, sizeof compiled);
  for (size_t i = 0; i < COUNT_OF(eager); i++) {
    const float difference = eager[i] - compiled[i], bound = 2e-5f * (1 + eager[i]);
    assert_true(difference <= bound && -difference <= bound);
  }
  assert_int_equal(count_op(f, in, "scale_shift"), left);
  if (n.twice || n.training) assert_memory_equal(eager, compiled, sizeof eager);
  wk_function_free(f);
}

static void test_batch_norm_folds(void **state) {
  (void)state;
  WK_SCOPE;
  const wk_shape row = WK_SHAPE(CHANNELS);
  const wk_tensors in =
      WK_TENSORS(random(WK_SHAPE(1, 16, 16, 8), 1), random(WK_SHAPE(CHANNELS, 3, 3, 8), 2),
                 random(row, 3), random(row, 4), random(row, 5), random(row, 6),
                 wk_add(wk_square(random(row, 7)), wk_scalar(0.5)));
  check_folding((network){false, false, false}, in, 0);
  check_folding((network){true, false, false}, in, 1); /* the bias, of one pixel's size */
  check_folding((network){false, true, false}, in, 0);
  check_folding((network){false, false, true}, in, 1);
  assert_null(wk_compile(normalised, NULL, .fold_batch_norm = 1, .verify = 1));
  assert_error_says(WK_ERROR_ARGUMENT, "fold_batch_norm changes bits");
}

/* ---- transposes ---- */

static wk_tensor *transposed(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *x = wk_contiguous(wk_transpose(wk_permute(in.item[0], WK_AXES(1, 0)), 0, 1));
  wk_tensor *y = wk_matmul(wk_contiguous(wk_transpose(x, 0, 1)), in.item[1]);
  return wk_relu(wk_contiguous(wk_transpose(y, 0, 1)));
}

static void test_transposes_go(void **state) {
  (void)state;
  WK_SCOPE;
  static float eager[70 * 50], compiled[70 * 50];
  const wk_tensors in = WK_TENSORS(random(WK_SHAPE(90, 50), 1), random(WK_SHAPE(90, 70), 2));
  wk_tensor *expected = transposed(NULL, in);
  wk_function *f = wk_compile(transposed, NULL);
  wk_tensor *y = wk_call(f, in);
  assert_no_error();
  wk_tensor_read(expected, eager, sizeof eager);
  wk_tensor_read(y, compiled, sizeof compiled);
  assert_memory_equal(eager, compiled, sizeof eager);
  assert_int_equal(count_op(f, in, "contiguous"), 0);
  wk_function_free(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_checkpoints_stay),
                                     cmocka_unit_test(test_batch_norm_folds),
                                     cmocka_unit_test(test_transposes_go)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
