/* SPDX-License-Identifier: Apache-2.0 */
/* The null device: the plans of the cpu, without memory and without values. */
#include "support/unit.h"

#include <wick/wick.h>

#include "support/loop.h"
#include "support/trainer.h"

static trainer make_trainer(void) {
  wk_module *network = wk_sequential(wk_conv2d_layer(8, 3), wk_batch_norm_layer(), wk_relu_layer(),
                                     wk_max_pool2d_layer(2), wk_dropout_layer(0.3),
                                     wk_flatten_layer(), wk_linear_layer(10));
  wk_module_build_for(network, WK_SHAPE(16, 16, 3), WK_F32, NULL);
  return (trainer){network, wk_adam_create(network, .learning_rate = 1e-3)};
}

/* A call of a training step on the device: what its plan does, and what it takes. */
static wk_plan_memory plan_on(const char *device, int64_t batch, char *text, size_t size) {
  WK_SCOPE;
  wk_device_use(wk_device_get(device));
  trainer t = make_trainer();
  wk_function *step = wk_compile(train_step, &t);
  wk_tensor *in[] = {wk_full(WK_SHAPE(batch, 16, 16, 3), 0.5),
                     wk_full(WK_SHAPE(batch), 1, .dtype = WK_I64)};
  wk_tensor *loss = wk_call(step, (wk_tensors){2, in});
  assert_no_error();
  assert_int_equal(wk_tensor_rank(loss), 0);
  wk_function_describe(step, text, size);
  wk_plan_memory memory = {.struct_size = sizeof memory};
  wk_function_memory(step, &memory);
  wk_function_free(step);
  free_trainer(&t);
  wk_device_use(NULL);
  assert_no_error();
  return memory;
}

static void it_plans_what_the_cpu_does(void **state) {
  (void)state;
  char on_cpu[65536], on_null[65536];
  const wk_plan_memory a = plan_on("cpu", 8, on_cpu, sizeof on_cpu);
  const wk_plan_memory b = plan_on("null", 8, on_null, sizeof on_null);
  assert_string_equal(on_cpu, on_null);
  assert_memory_equal(&a, &b, sizeof a);
  assert_true(a.arena > 0);
}

static void it_takes_no_memory(void **state) {
  (void)state;
  char text[65536];
  wk_memory_statistics before = {.struct_size = sizeof before}, after = before, planned = before;
  wk_memory_peak_reset(wk_device_get("cpu"));
  wk_memory_statistics_get(wk_device_get("cpu"), &before);
  const wk_plan_memory m = plan_on("null", (int64_t)1 << 24, text, sizeof text); /* terabytes */
  wk_memory_statistics_get(wk_device_get("cpu"), &after);
  assert_int_equal(after.peak, before.peak);
  assert_true(m.arena > (size_t)1 << 37);
  wk_memory_statistics_get(wk_device_get("null"), &planned);
  assert_int_equal(planned.active, 0);
  assert_true(planned.peak >= m.arena + m.inputs);
}

static void it_has_no_values(void **state) {
  (void)state;
  WK_SCOPE;
  wk_device *null = wk_device_get("null"), *cpu = wk_device_get("cpu");
  float values[6] = {1, 2, 3, 4, 5, 6};
  wk_tensor *x = wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, values, null);
  wk_tensor *y = wk_matmul(x, wk_permute(wk_exp(x), WK_AXES(1, 0)));
  assert_no_error();
  assert_int_equal(wk_tensor_dim(y, 0), 2);
  assert_int_equal(wk_tensor_dim(y, 1), 2);
  wk_tensor_read(x, values, sizeof values);
  assert_error_says(WK_ERROR_STATE, "tensors of the null device have sizes and no values");
  wk_item(wk_sum(y));
  assert_error_says(WK_ERROR_STATE, "no values");
  wk_tensor_to(y, cpu);
  assert_error_says(WK_ERROR_STATE, "no values");
  wk_nonzero(x);
  assert_error_says(WK_ERROR_STATE, "no values");
  assert_null(wk_tensor_to_dlpack(y));
  wk_error_clear();
  wk_add(x, wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, values, cpu));
  assert_int_not_equal(wk_error_status(), WK_OK); /* of another device */
  wk_error_clear();
}

/* ---- one function, called on two devices ---- */

static wk_tensor *add_exp(void *context, wk_tensors in) {
  (void)context;
  return in.count > 1 ? wk_add(wk_exp(in.item[0]), in.item[1]) : wk_exp(in.item[0]);
}

static void each_device_has_a_plan_of_its_own(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(1 << 20), 0);
  wk_tensor *on_null = wk_full(WK_SHAPE(1 << 20), 0, .device = wk_device_get("null"));
  wk_function *f = wk_compile(add_exp, NULL);
  assert_true(wk_item(wk_sum(wk_call(f, WK_TENSORS(x)))) == 1 << 20);
  wk_tensor *y = wk_call(f, WK_TENSORS(on_null));
  assert_no_error();
  assert_ptr_equal(wk_tensor_device(y), wk_device_get("null"));
  assert_true(wk_item(wk_sum(wk_call(f, WK_TENSORS(x)))) == 1 << 20);
  assert_int_equal(wk_function_plan_count(f), 2);
  wk_call(f, WK_TENSORS(x, x));
  assert_no_error();
  assert_null(wk_call(f, WK_TENSORS(x, on_null)));
  assert_error_says(WK_ERROR_DEVICE, "input 1 is on null, but input 0 is on cpu");
  wk_function_free(f);
}

static void verify_mode_has_nothing_to_compare(void **state) {
  (void)state;
  WK_SCOPE;
  wk_device_use(wk_device_get("null"));
  wk_function *f = wk_compile(add_exp, NULL, .verify = 1);
  wk_call(f, WK_TENSORS(wk_full(WK_SHAPE(1 << 20), 0)));
  wk_device_use(NULL);
  assert_no_error();
  wk_function_free(f);
}

/* ---- loops ---- */

static void it_plans_loops(void **state) {
  (void)state;
  WK_SCOPE;
  wk_device_use(wk_device_get("null"));
  wk_function *f = wk_compile(loop, NULL);
  wk_tensor *in[] = {wk_full(WK_SHAPE(1), 1)};
  wk_tensor *y = wk_call(f, (wk_tensors){1, in});
  wk_device_use(NULL);
  assert_no_error();
  assert_int_equal(wk_tensor_count(y), 1);
  loop(NULL, (wk_tensors){1, in}); /* eagerly only values know how long it goes on */
  assert_error_says(WK_ERROR_STATE, "no values");
  wk_function_free(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_plans_what_the_cpu_does),
      cmocka_unit_test(it_takes_no_memory),
      cmocka_unit_test(it_has_no_values),
      cmocka_unit_test(each_device_has_a_plan_of_its_own),
      cmocka_unit_test(verify_mode_has_nothing_to_compare),
      cmocka_unit_test(it_plans_loops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
