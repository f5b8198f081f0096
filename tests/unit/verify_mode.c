/* SPDX-License-Identifier: Apache-2.0 */
/* Verify mode: plans run beside eager mode, and the first op whose values differ is named. What is
 * wrong here was made so on purpose. */
#include "support/unit.h"

#include <wick/graph.h>
#include <wick/wick.h>

#include "graph/watch.h"
#include "ops/records.gen.h"
#include "support/trainer.h"

static bool other_branch; /* state in C that decides what is called */

static wk_tensor *branching_step(void *context, wk_tensors in) {
  wk_tensor *loss = train_step(context, in);
  return other_branch ? wk_exp(loss) : loss;
}

static trainer create_trainer(void) {
  wk_generator_set(wk_generator_default(), 7, 0);
  trainer t = {.network = wk_sequential(wk_conv2d_layer(4, 3), wk_batch_norm_layer(),
                                        wk_relu_layer(), wk_max_pool2d_layer(2), wk_flatten_layer(),
                                        wk_dropout_layer(0.3), wk_linear_layer(5))};
  wk_module_build_for(t.network, WK_SHAPE(8, 8, 2), WK_F32, NULL);
  t.optimizer = wk_adam_create(t.network, .learning_rate = 1e-2, .clip_norm = 0.5);
  return t;
}

static wk_tensors make_batch(int step, wk_tensor **batch) {
  batch[0] = wk_uniform(WK_SHAPE(6, 8, 8, 2), -1, 1, .keyed = true, .seed = 3,
                        .offset = (uint64_t)(step * 10000));
  batch[1] = wk_random_integers(WK_SHAPE(6), 5, .keyed = true, .seed = 4,
                                .offset = (uint64_t)(step * 100));
  return (wk_tensors){2, batch};
}

enum { STEPS = 4, MOST = 2048 };

static size_t read_all(const trainer *t, float *values) {
  wk_parameters *set = wk_module_parameters(t->network);
  size_t count = 0;
  for (size_t i = 0; i < wk_parameters_count(set); i++) {
    const wk_tensor *p = wk_parameters_get(set, i);
    const size_t n = (size_t)wk_tensor_count(p);
    assert_true(count + n <= MOST);
    wk_tensor_read(p, values + count, n * sizeof *values);
    count += n;
  }
  return count;
}

static size_t run(bool verified, float *values) {
  WK_SCOPE;
  trainer t = create_trainer();
  wk_function *f = wk_compile(train_step, &t, .verify = verified);
  size_t count = 0;
  for (int i = 0; i < STEPS; i++) {
    WK_SCOPE;
    wk_tensor *batch[2];
    values[count++] = (float)wk_item(wk_call(f, make_batch(i, batch)));
    assert_no_error();
  }
  assert_int_equal(wk_optimizer_step_count(t.optimizer), STEPS);
  count += read_all(&t, values + count);
  wk_function_free(f);
  free_trainer(&t);
  return count;
}

static float expected[MOST], found[MOST];

static void a_right_plan_passes_and_steps_once(void **state) {
  (void)state;
  const size_t count = run(false, expected);
  assert_int_equal(run(true, found), count);
  assert_memory_equal(expected, found, count * sizeof *expected);
}

/* ---- plans spoilt on purpose ---- */

static const wk_kernel *right;

/* Does what the right kernel does, but for one bit of the last element. */
static wk_status run_wrong(const wk_kernel_call *call) {
  const wk_status status = right->run(call);
  const wk_operand *y = call->output_count ? &call->outputs[0] : &call->inputs[0];
  char *last = y->data + (wk_layout_count(&y->layout) - 1) * (int64_t)sizeof(float);
  *last = (char)(*last ^ 1);
  return status;
}

static wk_kernel wrong;
static int wrong_op;

static void spoil_kernel(wk_plan *plan) {
  for (size_t i = 0; i < plan->step_count; i++) {
    if (!plan->steps[i].kernel || plan->steps[i].node->op->id != wrong_op) continue;
    right = plan->steps[i].kernel;
    wrong = *right;
    wrong.run = run_wrong;
    plan->steps[i].kernel = &wrong;
    return;
  }
  fail_msg("the plan has no such step");
}

/* As a pass would that thinks the dropout's numbers are drawn somewhere else. */
static void spoil_arguments(wk_plan *plan) {
  for (size_t n = 0; n < plan->graph.node_count; n++) {
    wk_graph_node *node = &plan->graph.nodes[n];
    if (!node->op || node->op->id != WK_OP_MAX_POOL2D) continue;
    ((wk_max_pool2d_arguments *)node->arguments)->padding[0] = 0;
    ((wk_max_pool2d_arguments *)node->arguments)->stride[0] = 1;
  }
}

static void assert_found(void (*spoil)(wk_plan *), const char *op) {
  WK_SCOPE;
  trainer t = create_trainer();
  const size_t count = read_all(&t, expected);
  wk_function *f = wk_compile(train_step, &t, .verify = 1);
  wk_tensor *batch[2];
  wk_plan_made = spoil;
  assert_null(wk_call(f, make_batch(0, batch)));
  wk_plan_made = NULL;
  char text[4096];
  wk_error_text(text, sizeof text);
  if (!strstr(text, op)) fail_msg("%s", text);
  assert_error_says(WK_ERROR_STATE, "is not the same from the plan and eagerly");
  read_all(&t, found);
  assert_memory_equal(expected, found, count * sizeof *expected);
  assert_int_equal(wk_optimizer_step_count(t.optimizer), 0);
  wk_function_free(f);
  free_trainer(&t);
}

static void a_wrong_kernel_is_named(void **state) {
  (void)state;
  wrong_op = WK_OP_RELU;
  assert_found(spoil_kernel, "error in relu, at network.2 (relu)");
  wrong_op = WK_OP_ADAM_UPDATE;
  assert_found(spoil_kernel, "what adam_update writes");
}

static void a_wrong_pass_is_named(void **state) {
  (void)state;
  assert_found(spoil_arguments, "error in max_pool2d, at network.3 (max_pool2d)");
}

static void another_way_through_the_function_is_named(void **state) {
  (void)state;
  WK_SCOPE;
  trainer t = create_trainer();
  wk_function *f = wk_compile(branching_step, &t, .verify = 1);
  wk_tensor *batch[2];
  const wk_tensors in = make_batch(0, batch);
  wk_call(f, in);
  assert_no_error();
  other_branch = true; /* no field of Wick's: only verify mode can see it */
  assert_null(wk_call(f, in));
  assert_error_says(WK_ERROR_STATE, "calls exp here, but called nothing when it was traced");
  assert_int_equal(wk_optimizer_step_count(t.optimizer), 1);
  other_branch = false;
  wk_function_free(f);
  free_trainer(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_right_plan_passes_and_steps_once),
      cmocka_unit_test(a_wrong_kernel_is_named),
      cmocka_unit_test(a_wrong_pass_is_named),
      cmocka_unit_test(another_way_through_the_function_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
