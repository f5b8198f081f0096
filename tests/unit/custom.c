/* SPDX-License-Identifier: Apache-2.0 */
/* Functions with gradients by hand, and ops that users register. */
#include "support/unit.h"

#include <math.h>

#include <wick/wick.h>

static wk_tensor *random_leaf(wk_shape shape, uint64_t seed) {
  wk_tensor *tensor = wk_uniform(shape, 0.5, 1.5, .dtype = WK_F64, .keyed = true, .seed = seed);
  wk_tensor_set_requires_gradient(tensor, true);
  return tensor;
}

static double first(const wk_tensor *tensor) {
  double values[64] = {0};
  wk_tensor_read(tensor, values, sizeof(double) * (size_t)wk_tensor_count(tensor));
  return values[0];
}

/* ---- functions: x^2 y and exp(x) at once ---- */

typedef struct uses {
  int ends, backwards;
  double sign; /* of the gradient; 1 is right */
} uses;

static wk_status forward(wk_function_call *call, void *context, wk_tensors in, wk_tensor **out) {
  (void)context;
  out[0] = wk_multiply(wk_multiply(in.item[0], in.item[0]), in.item[1]);
  out[1] = wk_exp(in.item[0]);
  return wk_function_save(call, WK_TENSORS(in.item[0], in.item[1], out[1]));
}

static wk_status backward(wk_function_call *call, void *context, wk_tensors g, wk_tensor **in) {
  uses *u = context;
  u->backwards++;
  wk_tensor *x = wk_function_saved(call, 0), *y = wk_function_saved(call, 1);
  wk_tensor *power = wk_function_saved(call, 2);
  wk_tensor *twice = wk_multiply(x, wk_scalar(2 * u->sign));
  if (wk_function_needs_gradient(call, 0))
    in[0] = wk_add(wk_multiply(g.item[0], wk_multiply(twice, y)), wk_multiply(g.item[1], power));
  if (wk_function_needs_gradient(call, 1)) in[1] = wk_multiply(g.item[0], wk_multiply(x, x));
  assert_int_equal(wk_function_input_shape(call, 1).rank, 1);
  return WK_OK;
}

static void end(void *context) { ((uses *)context)->ends++; }

static const wk_custom_function square_and_power = {
    sizeof(wk_custom_function), "square_and_power", 2, forward, backward, end};

static wk_tensor *apply(void *context, wk_tensors in) {
  wk_tensor *out[2];
  if (wk_function_apply(&square_and_power, context, in, out) < 0) return NULL;
  return wk_multiply(out[0], out[1]);
}

static void test_gradients_of_a_function(void **state) {
  (void)state;
  uses u = {.sign = 1};
  {
    WK_SCOPE;
    wk_tensor *x = random_leaf(WK_SHAPE(4), 1), *y = random_leaf(WK_SHAPE(4), 2);
    wk_gradient_check(apply, &u, WK_TENSORS(x, y), .order = 2);
    assert_no_error();
    u = (uses){.sign = -1};
    wk_gradient_check(apply, &u, WK_TENSORS(x, y));
    assert_error_says(WK_ERROR_NUMERIC, "input 0, element 0");
  }
  u = (uses){.sign = 1};
  {
    WK_SCOPE;
    wk_tensor *x = random_leaf(WK_SHAPE(4), 1), *y = wk_detach(random_leaf(WK_SHAPE(4), 2));
    wk_tensor *out[2];
    wk_function_apply(&square_and_power, &u, WK_TENSORS(x, y), out);
    assert_true(wk_tensor_requires_gradient(out[0]));
    wk_backward(wk_sum(out[1])); /* nothing depends on the other one */
    assert_no_error();
    assert_true(fabs(first(wk_tensor_gradient(x)) - exp(first(x))) < 1e-12);
    assert_int_equal(u.ends, 1);
    wk_function_apply(&square_and_power, &u, WK_TENSORS(wk_detach(x), y), out);
    assert_false(wk_tensor_requires_gradient(out[0]));
    assert_int_equal(u.ends, 2);
    wk_function_apply(&square_and_power, &u, WK_TENSORS(x, y), out); /* no backward */
    assert_int_equal(u.ends, 2);
  }
  assert_int_equal(u.ends, 3);
}

static void test_a_function_in_a_checkpoint(void **state) {
  (void)state;
  WK_SCOPE;
  uses u = {.sign = 1};
  wk_tensor *x = random_leaf(WK_SHAPE(4), 1), *y = random_leaf(WK_SHAPE(4), 2);
  wk_backward(wk_sum(wk_checkpoint(apply, &u, WK_TENSORS(x, y))));
  assert_no_error();
  const double inside = first(wk_tensor_gradient(x));
  wk_tensor_clear_gradient(x);
  wk_backward(wk_sum(apply(&u, WK_TENSORS(x, y))));
  assert_true(first(wk_tensor_gradient(x)) == inside);
}

/* Keeps something that is neither input nor output, and returns its input. */
static wk_status odd_forward(wk_function_call *call, void *context, wk_tensors in,
                             wk_tensor **out) {
  (void)context;
  out[0] = in.item[0];
  return wk_function_save(call, WK_TENSORS(wk_exp(in.item[0])));
}

static wk_status odd_backward(wk_function_call *call, void *context, wk_tensors g, wk_tensor **in) {
  (void)context;
  in[0] = wk_multiply(g.item[0], wk_function_saved(call, 0));
  wk_function_saved(call, 7);
  return WK_OK;
}

static wk_status wrong_backward(wk_function_call *call, void *context, wk_tensors g,
                                wk_tensor **in) {
  (void)call, (void)context;
  in[0] = wk_sum(g.item[0]);
  return WK_OK;
}

static wk_status silent(wk_function_call *call, void *context, wk_tensors in, wk_tensor **out) {
  (void)call, (void)context, (void)in, (void)out;
  return WK_ERROR_CANCELLED;
}

static wk_status idle(wk_function_call *call, void *context, wk_tensors in, wk_tensor **out) {
  (void)call, (void)context, (void)in, (void)out;
  return WK_OK;
}

static void test_mistakes_in_functions(void **state) {
  (void)state;
  WK_SCOPE;
  uses u = {0};
  wk_tensor *x = random_leaf(WK_SHAPE(4), 1), *out[3];
  wk_custom_function f = {sizeof f, "odd", 1, odd_forward, odd_backward, end};
  wk_function_apply(&f, &u, WK_TENSORS(x), out);
  assert_ptr_not_equal(out[0], x);
  wk_backward(wk_sum(out[0]));
  assert_error_says(WK_ERROR_ARGUMENT, "tensor 7 was not kept");
  f.backward = wrong_backward;
  wk_function_apply(&f, &u, WK_TENSORS(x), out);
  wk_backward(wk_sum(out[0]));
  assert_error_says(WK_ERROR_SHAPE, "the backward of odd gives input 0, which is f64 [4]");
  u.ends = 0;
  f.forward = silent;
  assert_int_equal(wk_function_apply(&f, &u, WK_TENSORS(x), out), WK_ERROR_CANCELLED);
  assert_error_says(WK_ERROR_CANCELLED, "odd failed without saying why");
  f.forward = idle;
  wk_function_apply(&f, &u, WK_TENSORS(x), out);
  assert_error_says(WK_ERROR_CALLBACK, "gave no output 0");
  f.output_count = 4;
  wk_function_apply(&f, &u, WK_TENSORS(x), out);
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(out[0]);
  wk_function_apply(NULL, &u, WK_TENSORS(x), out);
  assert_error(WK_ERROR_ARGUMENT);
  assert_int_equal(u.ends, 3);
}

/* ---- ops: y = factor * x^power, with a kernel ---- */

typedef struct scaled_power_arguments {
  size_t struct_size;
  wk_tensor *x;
  double factor;
  int64_t power;
} scaled_power_arguments;

static wk_status infer(const void *arguments, wk_tensors in, wk_op_result *results) {
  (void)arguments;
  if (wk_tensor_rank(in.item[0]) > 2)
    return wk_error_set(WK_ERROR_SHAPE, "x has %d dimensions", wk_tensor_rank(in.item[0]));
  results[0] = (wk_op_result){wk_tensor_dtype(in.item[0]), wk_tensor_shape(in.item[0])};
  return WK_OK;
}

static wk_status kernel(const void *arguments, const wk_array *in, const wk_array *out) {
  const scaled_power_arguments *a = arguments;
  int64_t count = 1;
  for (int i = 0; i < in->shape.rank; i++) count *= in->shape.dims[i];
  for (int64_t i = 0; i < count; i++) {
    if (in->dtype == WK_F64)
      ((double *)out->data)[i] = a->factor * pow(((double *)in->data)[i], (double)a->power);
    else
      ((float *)out->data)[i] =
          (float)(a->factor * pow((double)((float *)in->data)[i], (double)a->power));
  }
  return WK_OK;
}

static wk_status vjp(const wk_op_gradient *gradient) {
  const scaled_power_arguments *a = gradient->arguments;
  scaled_power_arguments slope = {sizeof slope, gradient->inputs.item[0],
                                  a->factor * (double)a->power, a->power - 1};
  wk_tensor *y = NULL;
  if (a->power == 1)
    return gradient->input_gradients[0] =
               wk_multiply(gradient->output_gradients.item[0], wk_scalar(a->factor)),
           wk_error_status();
  if (wk_call_op(WK_HERE, "scaled_power", &slope, &y, 1) < 0) return wk_error_status();
  gradient->input_gradients[0] = wk_multiply(gradient->output_gradients.item[0], y);
  wk_tensor_release(y);
  return wk_error_status();
}

static const wk_op_operand inputs[] = {{"x", offsetof(scaled_power_arguments, x),
                                        (1u << WK_F32) | (1u << WK_F64), false, false, false}};
static const wk_op_setting settings[] = {
    {"factor", WK_SETTING_DOUBLE, offsetof(scaled_power_arguments, factor), false, 2, 0, 0, NULL},
    {"power", WK_SETTING_INT, offsetof(scaled_power_arguments, power), false, 3, 1, 9, "exponent"}};

static wk_op_definition scaled_power(void) {
  return (wk_op_definition){.struct_size = sizeof(wk_op_definition),
                            .name = "scaled_power",
                            .doc = "factor * x^power",
                            .inputs = inputs,
                            .input_count = 1,
                            .output_count = 1,
                            .settings = settings,
                            .setting_count = 2,
                            .arguments_size = sizeof(scaled_power_arguments),
                            .infer = infer,
                            .kernel = kernel,
                            .vjp = vjp,
                            .gradient_reads_inputs = 1};
}

static wk_tensor *call_scaled_power(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *y = NULL, *kept;
  const scaled_power_arguments a = {.struct_size = sizeof a, .x = in.item[0]};
  if (wk_call_op(WK_HERE, "scaled_power", &a, &y, 1) < 0) return NULL;
  kept = wk_reshape(y, wk_tensor_shape(y)); /* to the scope */
  wk_tensor_release(y);
  return kept;
}

static void test_an_op_with_a_kernel(void **state) {
  (void)state;
  WK_SCOPE;
  const wk_op_definition d = scaled_power();
  assert_int_equal(wk_op_register(&d), WK_OK);
  wk_tensor *x = random_leaf(WK_SHAPE(2, 3), 3);
  wk_gradient_check(call_scaled_power, NULL, WK_TENSORS(x), .order = 2);
  assert_no_error();
  wk_tensor *turned = wk_permute(wk_detach(x), WK_AXES(1, 0)); /* kernels get row-major inputs */
  const double expected = 2 * pow(first(x), 3);
  assert_true(fabs(first(call_scaled_power(NULL, WK_TENSORS(turned))) - expected) < 1e-12);
  wk_tensor *on_reference = wk_tensor_to(wk_detach(x), wk_device_get("reference"));
  assert_true(fabs(first(call_scaled_power(NULL, WK_TENSORS(on_reference))) - expected) < 1e-12);
  assert_int_equal(wk_tensor_count(call_scaled_power(NULL, WK_TENSORS(wk_full(WK_SHAPE(0), 1)))),
                   0);
  wk_backward(wk_sum(wk_checkpoint(call_scaled_power, NULL, WK_TENSORS(x))));
  assert_no_error();
  bool listed = false;
  for (int i = 0; wk_op_name_at(i); i++)
    listed = listed || strcmp(wk_op_name_at(i), "scaled_power") == 0;
  assert_true(listed);
}

static void test_errors_of_an_op(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *y = NULL;
  scaled_power_arguments a = {sizeof a, wk_full(WK_SHAPE(1, 1, 1), 1), 0, 0};
  wk_call_op(WK_HERE, "scaled_power", &a, &y, 1);
  assert_error_says(WK_ERROR_SHAPE, "scaled_power");
  a.x = wk_full(WK_SHAPE(1), 1), a.power = 12;
  wk_call_op(WK_HERE, "scaled_power", &a, &y, 1);
  assert_error_says(WK_ERROR_ARGUMENT, "power of scaled_power is 12; it must be from 1 to 9");
  a.x = wk_arange(3, .dtype = WK_I64), a.power = 2;
  wk_call_op(WK_HERE, "scaled_power", &a, &y, 1);
  assert_error_says(WK_ERROR_DTYPE, "must be f32 or f64");
  a.x = NULL;
  wk_call_op(WK_HERE, "scaled_power", &a, &y, 1);
  assert_error_says(WK_ERROR_ARGUMENT, "x of scaled_power is NULL");
}

/* A composite over a list, with a default. */
typedef struct mean_of_arguments {
  size_t struct_size;
  wk_tensors x;
} mean_of_arguments;

static wk_status composite(const void *arguments, wk_tensors in, wk_tensor **out) {
  (void)arguments;
  if (!in.count) return wk_error_set(WK_ERROR_ARGUMENT, "there is nothing to average");
  out[0] = in.item[0];
  for (size_t i = 1; i < in.count; i++) out[0] = wk_add(out[0], in.item[i]);
  out[0] = wk_divide(out[0], wk_scalar((double)in.count));
  return wk_error_status();
}

static void test_a_composite(void **state) {
  (void)state;
  WK_SCOPE;
  const wk_op_operand list[] = {
      {"x", offsetof(mean_of_arguments, x), WK_DTYPES_FLOAT, false, true, false}};
  const wk_op_definition d = {.struct_size = sizeof d,
                              .name = "mean_of",
                              .inputs = list,
                              .input_count = 1,
                              .output_count = 1,
                              .arguments_size = sizeof(mean_of_arguments),
                              .composite = composite};
  assert_int_equal(wk_op_register(&d), WK_OK);
  wk_tensor *x = random_leaf(WK_SHAPE(3), 4), *y = random_leaf(WK_SHAPE(3), 5), *mean;
  const mean_of_arguments a = {sizeof a, WK_TENSORS(x, y)}, none = {sizeof none, {0, NULL}};
  wk_call_op(WK_HERE, "mean_of", &a, &mean, 1);
  assert_no_error();
  wk_backward(wk_sum(mean));
  wk_tensor_release(mean);
  assert_true(first(wk_tensor_gradient(y)) == 0.5);
  wk_call_op(WK_HERE, "mean_of", &none, &mean, 1);
  assert_error_says(WK_ERROR_ARGUMENT, "nothing to average");
}

static void test_definitions_that_do_not_fit(void **state) {
  (void)state;
  wk_op_definition d = scaled_power();
  wk_op_register(&d);
  assert_error_says(WK_ERROR_STATE, "there is an op called scaled_power already");
  d.name = "add";
  wk_op_register(&d);
  assert_error(WK_ERROR_STATE);
  d.name = "other";
  d.kernel = NULL;
  wk_op_register(&d);
  assert_error_says(WK_ERROR_ARGUMENT, "needs an infer and a kernel, or a composite");
  d = scaled_power(), d.name = "other", d.gradient_reads_inputs = 2;
  wk_op_register(&d);
  assert_error(WK_ERROR_ARGUMENT);
  d = scaled_power(), d.name = "other", d.arguments_size = 8;
  wk_op_register(&d);
  assert_error(WK_ERROR_ARGUMENT);
  d = scaled_power(), d.name = "other", d.output_count = 9;
  wk_op_register(&d);
  assert_error(WK_ERROR_ARGUMENT);
  wk_op_register(NULL);
  assert_error(WK_ERROR_ARGUMENT);
}

static void test_shutdown_unloads(void **state) {
  (void)state;
  wk_shutdown();
  WK_SCOPE;
  wk_tensor *y = NULL;
  const scaled_power_arguments a = {.struct_size = sizeof a, .x = wk_full(WK_SHAPE(1), 1)};
  wk_call_op(WK_HERE, "scaled_power", &a, &y, 1);
  assert_error(WK_ERROR_NOT_FOUND);
  const wk_op_definition d = scaled_power();
  assert_int_equal(wk_op_register(&d), WK_OK); /* anew */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gradients_of_a_function),
      cmocka_unit_test(test_a_function_in_a_checkpoint),
      cmocka_unit_test(test_mistakes_in_functions),
      cmocka_unit_test(test_an_op_with_a_kernel),
      cmocka_unit_test(test_errors_of_an_op),
      cmocka_unit_test(test_a_composite),
      cmocka_unit_test(test_definitions_that_do_not_fit),
      cmocka_unit_test(test_shutdown_unloads),
  };
  const int failures = cmocka_run_group_tests(tests, NULL, NULL);
  wk_shutdown();
  return failures;
}
