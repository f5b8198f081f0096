/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

#include <wick/ops.h>

enum { WORDS = 8192, FEATURES = 128, HEADS = 4, HIDDEN = 512, LAYERS = 2 };

/* ---- a vector for each place, which training finds ---- */

static wk_status build_positions(wk_module *self, void *context, wk_tensor *x) {
  (void)context;
  const wk_shape shape = WK_SHAPE(wk_tensor_dim(x, 1), wk_tensor_dim(x, 2));
  return wk_module_add_parameter(self, "weight", shape, wk_tensor_dtype(x), 0.1);
}

static wk_tensor *add_positions(wk_module *self, void *context, wk_tensor *x) {
  (void)context;
  return wk_add(x, wk_module_parameter(self, "weight"));
}

static wk_module *load_positions(const char *settings) {
  (void)settings;
  return wk_module_create(&wk_model_positions_type, NULL);
}

const wk_module_type wk_model_positions_type = {.struct_size = sizeof(wk_module_type),
                                                .name = "positions",
                                                .build = build_positions,
                                                .forward = add_positions,
                                                .save = wk_model_save_nothing,
                                                .load = load_positions};

/* ---- the mean over the places ---- */

static wk_tensor *mean(wk_module *self, void *context, wk_tensor *x) {
  (void)self, (void)context;
  return wk_mean(x, .axes = WK_AXES(1));
}

static wk_module *load_mean(const char *settings) {
  (void)settings;
  return wk_module_create(&wk_model_mean_type, NULL);
}

const wk_module_type wk_model_mean_type = {.struct_size = sizeof(wk_module_type),
                                           .name = "sequence_mean",
                                           .forward = mean,
                                           .save = wk_model_save_nothing,
                                           .load = load_mean};

/* ---- the network ---- */

/* Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762: two encoder layers, each
 * normalised behind its residual, between an embedding of words with learnt places and a classifier
 * of their mean. 1,453,570 parameters for two classes and 64 words. */
wk_module *wk_model_transformer(int64_t classes) {
  wk_module *layers[16];
  size_t count = 0;
  layers[count++] = wk_embedding_layer(WORDS, FEATURES);
  layers[count++] = wk_module_create(&wk_model_positions_type, NULL);
  layers[count++] = wk_dropout_layer(0.1);
  for (int i = 0; i < LAYERS; i++) {
    wk_module *attention =
        wk_sequential(wk_multi_head_attention_layer(HEADS, .dropout = 0.1), wk_dropout_layer(0.1));
    wk_module *dense = wk_sequential(wk_linear_layer(HIDDEN), wk_relu_layer(),
                                     wk_linear_layer(FEATURES), wk_dropout_layer(0.1));
    layers[count++] = wk_model_residual(attention, NULL);
    layers[count++] = wk_layer_norm_layer();
    layers[count++] = wk_model_residual(dense, NULL);
    layers[count++] = wk_layer_norm_layer();
  }
  layers[count++] = wk_module_create(&wk_model_mean_type, NULL);
  layers[count++] = wk_linear_layer(classes);
  return wk_sequential_at(WK_HERE, count, layers);
}
