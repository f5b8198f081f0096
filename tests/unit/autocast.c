/* SPDX-License-Identifier: Apache-2.0 */
/* Autocast: which op runs in which type, weights that are cast once, gradients in f32, and training
 * that is as good as in f32. */
#include "support/unit.h"

#include <math.h>

#include <wick/wick.h>

#include "ops/autocast.h"
#include "ops/op.h"
#include "support/temporary.h"

static wk_tensor *ramp(wk_shape shape, wk_dtype dtype) {
  return wk_cast(wk_reshape(wk_arange(12, .start = -1, .step = 0.25), shape), dtype);
}

#define DTYPE_IS(expression, dtype) assert_int_equal(wk_tensor_dtype(expression), dtype)

static void test_classes(void **state) {
  (void)state;
  WK_SCOPE;
  const wk_dtype lows[] = {WK_BF16, WK_F16};
  for (int i = 0; i < 2; i++) {
    const wk_dtype low = lows[i];
    WK_AUTOCAST(low);
    wk_tensor *x = ramp(WK_SHAPE(3, 4), WK_F32), *h = wk_cast(x, low);
    /* products in the low type */
    DTYPE_IS(wk_matmul(x, wk_permute(x, WK_AXES(1, 0))), low);
    DTYPE_IS(wk_matmul(x, wk_permute(h, WK_AXES(1, 0))), low);
    DTYPE_IS(wk_linear(h, x, .bias = wk_full(WK_SHAPE(3), 1)), low);
    DTYPE_IS(wk_conv2d(wk_full(WK_SHAPE(1, 5, 5, 2), 1), wk_full(WK_SHAPE(3, 3, 3, 2), 1)), low);
    DTYPE_IS(wk_scaled_dot_product_attention(wk_full(WK_SHAPE(1, 1, 3, 4), 1),
                                             wk_full(WK_SHAPE(1, 1, 3, 4), 1),
                                             wk_full(WK_SHAPE(1, 1, 3, 4), 1)),
             low);
    /* sums, norms, losses and exponentials in f32 */
    DTYPE_IS(wk_sum(h), WK_F32);
    DTYPE_IS(wk_mean(h), WK_F32);
    DTYPE_IS(wk_softmax(h), WK_F32);
    DTYPE_IS(wk_exp(h), WK_F32);
    DTYPE_IS(wk_power(h, wk_scalar(2)), WK_F32);
    DTYPE_IS(wk_layer_norm(h, .weight = wk_full(WK_SHAPE(4), 1)), WK_F32);
    DTYPE_IS(wk_cross_entropy(h, wk_full(WK_SHAPE(3), 1, .dtype = WK_I64)), WK_F32);
    DTYPE_IS(wk_mse_loss(h, x), WK_F32);
    /* the rest as they come; the wider one of two */
    DTYPE_IS(wk_relu(h), low);
    DTYPE_IS(wk_relu(x), WK_F32);
    DTYPE_IS(wk_add(h, h), low);
    DTYPE_IS(wk_add(h, x), WK_F32);
    DTYPE_IS(wk_add(h, wk_scalar(0.5)), low);
    DTYPE_IS(wk_concatenate(WK_TENSORS(h, x), 0), WK_F32);
    DTYPE_IS(wk_reshape(h, WK_SHAPE(4, 3)), low);
    /* what is no f32 stays: f64, integers */
    wk_tensor *wide = ramp(WK_SHAPE(3, 4), WK_F64);
    DTYPE_IS(wk_matmul(wide, wk_permute(wide, WK_AXES(1, 0))), WK_F64);
    DTYPE_IS(wk_exp(wide), WK_F64);
    DTYPE_IS(wk_sum(wk_cast(x, WK_I32)), WK_I64);
    assert_no_error();
  }
  wk_tensor *x = ramp(WK_SHAPE(3, 4), WK_F32);
  DTYPE_IS(wk_matmul(x, wk_permute(x, WK_AXES(1, 0))), WK_F32);
  assert_no_error();
}

/* As one would write the casts oneself, to the last bit. */
static void test_values_and_gradients(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = ramp(WK_SHAPE(3, 4), WK_F32), *w = ramp(WK_SHAPE(3, 4), WK_F32), *g[2], *loss;
  wk_tensor_set_requires_gradient(w, true);
  {
    WK_AUTOCAST(WK_BF16);
    loss = wk_mean(wk_exp(wk_linear(x, w)));
  }
  wk_grad(&g[0], loss, WK_TENSORS(w));
  wk_tensor *y = wk_linear(wk_cast(x, WK_BF16), wk_cast(w, WK_BF16));
  wk_tensor *by_hand = wk_mean(wk_exp(wk_cast(y, WK_F32)));
  wk_grad(&g[1], by_hand, WK_TENSORS(w));
  assert_no_error();
  DTYPE_IS(loss, WK_F32);
  DTYPE_IS(g[0], WK_F32);
  assert_true(wk_item(loss) == wk_item(by_hand));
  float a[12], b[12];
  wk_tensor_read(g[0], a, sizeof a);
  wk_tensor_read(g[1], b, sizeof b);
  assert_memory_equal(a, b, sizeof a);
}

/* The root of what a weight was cast to, as its gradient rule keeps it. */
static void test_weights_are_cast_once(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = ramp(WK_SHAPE(3, 4), WK_F32), *w = ramp(WK_SHAPE(3, 4), WK_F32);
  wk_tensor_set_requires_gradient(w, true);
  const wk_op *linear = wk_op_find("linear");
  WK_AUTOCAST(WK_BF16);
  wk_tensor *first[] = {w}, *second[] = {w}, *third[] = {w}, *other[] = {x}, *again[] = {x};
  wk_autocast_inputs(linear, first, 1);
  wk_autocast_inputs(linear, second, 1);
  assert_ptr_equal(first[0]->root, second[0]->root);
  assert_ptr_not_equal(first[0]->link, second[0]->link); /* each has a record of its own */
  wk_autocast_inputs(linear, other, 1);
  wk_autocast_inputs(linear, again, 1);
  assert_ptr_not_equal(other[0]->root, again[0]->root);
  /* two walks through one scope, no matter that the first one has let go of its records */
  for (int i = 0; i < 2; i++) wk_backward(wk_sum(wk_linear(x, w)));
  DTYPE_IS(wk_tensor_gradient(w), WK_F32);
  /* written: cast anew */
  {
    WK_NO_GRADIENT;
    const float zeros[12] = {0};
    wk_tensor_write(w, zeros, sizeof zeros);
  }
  wk_autocast_inputs(linear, third, 1);
  assert_ptr_not_equal(first[0]->root, third[0]->root);
  assert_true(wk_item(wk_sum(wk_abs(third[0]))) == 0);
  assert_no_error();
}

static void test_nesting(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = ramp(WK_SHAPE(3, 4), WK_F32), *y = wk_permute(x, WK_AXES(1, 0));
  {
    WK_AUTOCAST(WK_F16);
    {
      WK_AUTOCAST(WK_DTYPE_DEFAULT);
      DTYPE_IS(wk_matmul(x, y), WK_F32);
      {
        WK_AUTOCAST(WK_BF16);
        DTYPE_IS(wk_matmul(x, y), WK_BF16);
      }
    }
    DTYPE_IS(wk_matmul(x, y), WK_F16);
    assert_int_equal(wk_autocast_dtype(), WK_F16);
  }
  assert_int_equal(wk_autocast_dtype(), WK_DTYPE_DEFAULT);
  wk_set_autocast(WK_F64);
  assert_error_says(WK_ERROR_DTYPE, "autocast is to bf16 or f16, not to f64");
  assert_int_equal(wk_autocast_dtype(), WK_DTYPE_DEFAULT);
}

static wk_tensor *square_product(void *context, wk_tensors in) {
  return wk_matmul(in.item[0], context);
}

/* A checkpointed part runs again as it ran at first, though backward stands outside. */
static void test_recomputation(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = ramp(WK_SHAPE(3, 4), WK_F32), *y;
  wk_tensor_set_requires_gradient(x, true);
  wk_tensor *w = wk_permute(ramp(WK_SHAPE(3, 4), WK_F32), WK_AXES(1, 0));
  {
    WK_AUTOCAST(WK_BF16);
    y = wk_sum(wk_checkpoint(square_product, w, WK_TENSORS(x)));
  }
  assert_int_equal(wk_backward(y), WK_OK);
  DTYPE_IS(wk_tensor_gradient(x), WK_F32);
  assert_no_error();
}

/* What f16 rounds to zero comes through a loss scaler. */
static void test_small_gradients(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = wk_sequential(wk_linear_layer(3));
  wk_module_build_for(network, WK_SHAPE(4), WK_F32, NULL);
  wk_optimizer *sgd = wk_sgd_create(network, .learning_rate = 1);
  wk_loss_scaler *scaler = wk_loss_scaler_create();
  wk_tensor *weight = wk_parameters_get(wk_module_parameters(network), 0), *loss;
  wk_tensor *x = ramp(WK_SHAPE(3, 4), WK_F32);
  for (int with = 0; with < 2; with++) {
    {
      WK_AUTOCAST(WK_F16);
      loss = wk_multiply(wk_mean(wk_forward(network, x)), wk_scalar(1e-7));
    }
    wk_backward(with ? wk_loss_scaler_scale(scaler, loss) : loss);
    if (with) wk_loss_scaler_unscale(scaler, sgd);
    const double largest = wk_item(wk_max(wk_abs(wk_tensor_gradient(weight))));
    if (with)
      assert_true(largest > 1e-8 && largest < 1e-7);
    else
      assert_true(largest == 0);
    wk_tensor_clear_gradient(weight);
  }
  assert_no_error();
  wk_loss_scaler_free(scaler);
  wk_optimizer_free(sgd);
  wk_module_free(network);
}

/* The share of the library's own digits that a network gets right after two epochs. */
static double trained(wk_dtype precision) {
  wk_dataset *train_set = wk_dataset_open("glyphs", .count = 6000);
  wk_dataset *test_set = wk_dataset_open("glyphs", .test = true);
  wk_loader *batches = wk_loader_create(train_set, .batch_size = 64, .shuffle = true, .seed = 1);
  wk_loader *unseen = wk_loader_create(test_set, .batch_size = 500);
  wk_generator_set(wk_generator_default(), 1, 0);
  wk_module *network =
      wk_sequential(wk_flatten_layer(), wk_linear_layer(64), wk_relu_layer(), wk_linear_layer(10));
  wk_module_build(network, train_set);
  wk_optimizer *adamw = wk_adamw_create(network, .learning_rate = 3e-3);
  wk_fit(network, adamw, batches, .epochs = 2, .precision = precision);
  const double accuracy = wk_accuracy(network, unseen);
  assert_no_error();
  wk_optimizer_free(adamw);
  wk_module_free(network);
  wk_loader_free(batches);
  wk_loader_free(unseen);
  wk_dataset_free(train_set);
  wk_dataset_free(test_set);
  return accuracy;
}

static void test_training(void **state) {
  (void)state;
  const double f32 = trained(WK_F32), bf16 = trained(WK_BF16), f16 = trained(WK_F16);
  print_message("accuracy in f32 %.2f%%, bf16 %.2f%%, f16 %.2f%%\n", 100 * f32, 100 * bf16,
                100 * f16);
  assert_true(f32 > 0.9);
  assert_true(bf16 > f32 - 0.01);
  assert_true(f16 > f32 - 0.01);
}

/* The first values of a network trained for two epochs, in one go or resumed after the first. */
static void train_in_f16(bool resumed, float *values) {
  const char *folder = temporary_path(resumed ? "resumed" : "whole");
  wk_dataset *data = wk_dataset_open("glyphs", .count = 640);
  for (int64_t epochs = resumed ? 1 : 2; epochs <= 2; epochs++) {
    wk_loader *batches = wk_loader_create(data, .batch_size = 64, .shuffle = true, .seed = 1);
    wk_generator_set(wk_generator_default(), 1, 0);
    wk_module *network = wk_sequential(wk_flatten_layer(), wk_linear_layer(10));
    wk_module_build(network, data);
    wk_optimizer *adam = wk_adam_create(network);
    wk_fit(network, adam, batches, .epochs = epochs, .precision = WK_F16, .run_folder = folder,
           .resume = resumed && epochs == 2);
    wk_tensor_read(wk_parameters_get(wk_module_parameters(network), 0), values,
                   7840 * sizeof *values);
    assert_no_error();
    wk_optimizer_free(adam);
    wk_module_free(network);
    wk_loader_free(batches);
  }
  wk_dataset_free(data);
}

static void test_resuming(void **state) {
  (void)state;
  static float whole[7840], resumed[7840];
  train_in_f16(false, whole);
  train_in_f16(true, resumed);
  assert_memory_equal(whole, resumed, sizeof whole);
}

static void test_wrong_precision(void **state) {
  (void)state;
  WK_SCOPE;
  wk_dataset *data =
      wk_dataset_from_tensors(wk_full(WK_SHAPE(4, 3), 1), wk_full(WK_SHAPE(4), 0, .dtype = WK_I64));
  wk_loader *loader = wk_loader_create(data, .batch_size = 2);
  wk_module *network = wk_sequential(wk_linear_layer(2));
  wk_module_build(network, data);
  wk_optimizer *sgd = wk_sgd_create(network);
  wk_fit(network, sgd, loader, .precision = WK_I32);
  assert_error_says(WK_ERROR_ARGUMENT, "precision is i32");
  wk_optimizer_free(sgd);
  wk_module_free(network);
  wk_loader_free(loader);
  wk_dataset_free(data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_classes),
      cmocka_unit_test(test_values_and_gradients),
      cmocka_unit_test(test_weights_are_cast_once),
      cmocka_unit_test(test_nesting),
      cmocka_unit_test(test_recomputation),
      cmocka_unit_test(test_small_gradients),
      cmocka_unit_test(test_training),
      cmocka_unit_test(test_resuming),
      cmocka_unit_test(test_wrong_precision),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
