/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes in making, building and training networks. */
#include "golden/mistakes.h"

static wk_module *dense_network(void) {
  wk_module *network = wk_sequential(wk_linear_layer(16), wk_relu_layer(), wk_linear_layer(10));
  wk_module_build_for(network, WK_SHAPE(20), WK_F32, NULL);
  return network;
}

static wk_module *image_network(void) {
  wk_module *network = wk_sequential(wk_conv2d_layer(4, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                                     wk_flatten_layer(), wk_linear_layer(10));
  wk_module_build_for(network, WK_SHAPE(28, 28, 1), WK_F32, NULL);
  return network;
}

static void feed(wk_module *network, wk_shape batch, wk_dtype dtype) {
  WK_SCOPE;
  wk_forward(network, wk_full(batch, 1, .dtype = dtype));
  wk_module_free(network);
}

/* ---- batches that do not fit ---- */

static void wrong_feature_count(void) {
  WK_SCOPE;
  wk_module *network = dense_network();
  wk_forward(network, wk_full(WK_SHAPE(64, 12), 1));
  wk_module_free(network);
}

static void batch_of_another_image_size(void) {
  WK_SCOPE;
  wk_module *network = image_network();
  wk_forward(network, wk_full(WK_SHAPE(8, 32, 32, 1), 1));
  wk_module_free(network);
}

static void channels_first(void) { feed(image_network(), WK_SHAPE(8, 1, 28, 28), WK_F32); }
static void colour_images(void) { feed(image_network(), WK_SHAPE(8, 28, 28, 3), WK_F32); }
static void channel_missing(void) { feed(image_network(), WK_SHAPE(8, 28, 28), WK_F32); }
static void double_precision_batch(void) { feed(image_network(), WK_SHAPE(8, 28, 28, 1), WK_F64); }
static void bytes_not_converted(void) { feed(image_network(), WK_SHAPE(8, 28, 28, 1), WK_U8); }

/* ---- building ---- */

static void forward_before_build(void) {
  WK_SCOPE;
  wk_module *network = wk_sequential(wk_flatten_layer(), wk_linear_layer(10));
  wk_forward(network, wk_full(WK_SHAPE(8, 28, 28, 1), 1));
  wk_module_free(network);
}

static void built_twice(void) {
  wk_module *network = dense_network();
  wk_module_build_for(network, WK_SHAPE(20), WK_F32, NULL);
  wk_module_free(network);
}

static void pooled_to_nothing(void) {
  wk_module *network = wk_sequential(wk_max_pool2d_layer(4), wk_max_pool2d_layer(8),
                                     wk_flatten_layer(), wk_linear_layer(10));
  wk_module_build_for(network, WK_SHAPE(28, 28, 1), WK_F32, NULL);
  wk_module_free(network);
}

static void filter_larger_than_image(void) {
  wk_module *network = wk_sequential(wk_conv2d_layer(8, 31), wk_flatten_layer());
  wk_module_build_for(network, WK_SHAPE(28, 28, 1), WK_F32, NULL);
  wk_module_free(network);
}

static void convolution_after_flatten(void) {
  wk_module *network = wk_sequential(wk_flatten_layer(), wk_conv2d_layer(8, 3));
  wk_module_build_for(network, WK_SHAPE(28, 28, 1), WK_F32, NULL);
  wk_module_free(network);
}

static void groups_do_not_divide(void) {
  wk_module *network = wk_sequential(wk_conv2d_layer(8, 3, .groups = 2));
  wk_module_build_for(network, WK_SHAPE(32, 32, 3), WK_F32, NULL);
  wk_module_free(network);
}

static void layer_without_size(void) {
  wk_module *network = wk_sequential(wk_flatten_layer(), wk_linear_layer());
  wk_module_free(network);
}

static void dropout_of_more_than_all(void) {
  wk_module *network = wk_sequential(wk_linear_layer(10), wk_dropout_layer(1.5));
  wk_module_free(network);
}

static void forward_of_nothing(void) {
  WK_SCOPE;
  wk_module *network = dense_network();
  wk_forward(network, NULL);
  wk_module_free(network);
}

static void save_before_build(void) {
  wk_module *network = wk_sequential(wk_linear_layer(10));
  wk_module_save(network, "network.safetensors");
  wk_module_free(network);
}

/* ---- optimizers ---- */

static void optimizer_before_build(void) {
  wk_module *network = wk_sequential(wk_linear_layer(10));
  wk_optimizer_free(wk_adam_create(network, .learning_rate = 1e-3));
  wk_module_free(network);
}

static void negative_learning_rate(void) {
  wk_module *network = dense_network();
  wk_optimizer_free(wk_sgd_create(network, .learning_rate = -0.1));
  wk_module_free(network);
}

static void unknown_setting(void) {
  wk_module *network = dense_network();
  wk_optimizer *optimizer = wk_adam_create(network, .learning_rate = 1e-3);
  wk_optimizer_set(optimizer, "lr", 1e-4);
  wk_optimizer_free(optimizer);
  wk_module_free(network);
}

static void setting_out_of_range(void) {
  wk_module *network = dense_network();
  wk_optimizer *optimizer = wk_adam_create(network, .learning_rate = 1e-3);
  wk_optimizer_set(optimizer, "beta1", 2);
  wk_optimizer_free(optimizer);
  wk_module_free(network);
}

static void write_to_a_parameter(void) {
  wk_module *network = dense_network();
  const float zeros[10] = {0};
  wk_tensor *bias = wk_parameters_find(wk_module_parameters(network), "2.bias");
  wk_tensor_write(bias, zeros, sizeof zeros);
  wk_module_free(network);
}

/* ---- losses and gradients ---- */

static void labels_one_hot(void) {
  WK_SCOPE;
  wk_cross_entropy(wk_full(WK_SHAPE(64, 10), 1), wk_full(WK_SHAPE(64, 10), 0, .dtype = WK_I64));
}

static void labels_transposed(void) {
  WK_SCOPE;
  wk_cross_entropy(wk_full(WK_SHAPE(64, 10), 1), wk_full(WK_SHAPE(1, 64), 0, .dtype = WK_I64));
}

static void labels_of_another_batch(void) {
  WK_SCOPE;
  wk_cross_entropy(wk_full(WK_SHAPE(64, 10), 1), wk_full(WK_SHAPE(32), 0, .dtype = WK_I64));
}

static void label_out_of_range(void) {
  WK_SCOPE;
  wk_cross_entropy(wk_full(WK_SHAPE(64, 10), 1), wk_full(WK_SHAPE(64), 10, .dtype = WK_I64));
}

static void labels_as_floats(void) {
  WK_SCOPE;
  wk_cross_entropy(wk_full(WK_SHAPE(64, 10), 1), wk_full(WK_SHAPE(64), 3));
}

static void flatten_forgotten(void) {
  WK_SCOPE;
  wk_module *network = wk_sequential(wk_conv2d_layer(4, 3), wk_linear_layer(10));
  wk_module_build_for(network, WK_SHAPE(8, 8, 1), WK_F32, NULL);
  wk_cross_entropy(wk_forward(network, wk_full(WK_SHAPE(2, 8, 8, 1), 1)),
                   wk_full(WK_SHAPE(2), 0, .dtype = WK_I64));
  wk_module_free(network);
}

static void backward_of_many(void) {
  WK_SCOPE;
  wk_module *network = dense_network();
  wk_backward(wk_forward(network, wk_full(WK_SHAPE(64, 20), 1)));
  wk_module_free(network);
}

static void backward_twice(void) {
  WK_SCOPE;
  wk_module *network = dense_network();
  wk_tensor *loss = wk_mean(wk_forward(network, wk_full(WK_SHAPE(64, 20), 1)));
  wk_backward(loss);
  wk_backward(loss);
  wk_module_free(network);
}

static void backward_without_gradients(void) {
  WK_SCOPE;
  WK_NO_GRADIENT;
  wk_module *network = dense_network();
  wk_backward(wk_mean(wk_forward(network, wk_full(WK_SHAPE(64, 20), 1))));
  wk_module_free(network);
}

static void overwritten_before_backward(void) {
  WK_SCOPE;
  const double two = 2;
  wk_tensor *x = wk_full(WK_SCALAR, 1, .dtype = WK_F64),
            *y = wk_full(WK_SCALAR, 3, .dtype = WK_F64);
  wk_tensor_set_requires_gradient(x, true);
  wk_tensor *loss = wk_multiply(x, y);
  wk_tensor_write(y, &two, sizeof two);
  wk_backward(loss);
}

const mistake network_mistakes[] = {
    MISTAKE(wrong_feature_count, "MS"),
    MISTAKE(batch_of_another_image_size, "MS"),
    MISTAKE(channels_first, "MS"),
    MISTAKE(colour_images, "MS"),
    MISTAKE(channel_missing, "MS"),
    MISTAKE(double_precision_batch, "MS"),
    MISTAKE(bytes_not_converted, "MS"),
    MISTAKE(forward_before_build, "M"),
    MISTAKE(built_twice, "M"),
    MISTAKE(pooled_to_nothing, "MS"),
    MISTAKE(filter_larger_than_image, "MS"),
    MISTAKE(convolution_after_flatten, "MS"),
    MISTAKE(groups_do_not_divide, "MS"),
    MISTAKE(layer_without_size, ""),
    MISTAKE(dropout_of_more_than_all, ""),
    MISTAKE(forward_of_nothing, "M"),
    MISTAKE(save_before_build, "M"),
    MISTAKE(optimizer_before_build, "M"),
    MISTAKE(negative_learning_rate, ""),
    MISTAKE(unknown_setting, ""),
    MISTAKE(setting_out_of_range, ""),
    MISTAKE(write_to_a_parameter, ""),
    MISTAKE(labels_one_hot, "S"),
    MISTAKE(labels_transposed, "S"),
    MISTAKE(labels_of_another_batch, "S"),
    MISTAKE(label_out_of_range, "S"),
    MISTAKE(labels_as_floats, "S"),
    MISTAKE(flatten_forgotten, "S"),
    MISTAKE(backward_of_many, ""),
    MISTAKE(backward_twice, ""),
    MISTAKE(backward_without_gradients, ""),
    MISTAKE(overwritten_before_backward, ""),
    {NULL, NULL, NULL},
};
