/* SPDX-License-Identifier: Apache-2.0 */

/* Layers that look rows of a table up; layers.c says how layers are made. */

#include <wick/ops.h>

#include "base/error.h"
#include "nn/layers.h"
#include "nn/module.h"
#include "tensor/tensor.h"

/* Ops called here are called on behalf of the user's line. */
#undef WK_HERE
#define WK_HERE wk_forward_place()

static wk_status build(wk_module *self, const wk_tensor *x, int64_t rows, int64_t features,
                       int64_t zero_row, bool sparse) {
  if (wk_tensor_dtype(x) != WK_I64) {
    char text[128];
    wk_tensor_describe(x, text, sizeof text);
    wk_fail(WK_ERROR_DTYPE, "the input must be numbers of rows, i64, but is %s", text);
    wk_error_add_hint("build the network for them: wk_module_build_for(network, shape, WK_I64, "
                      "NULL)");
    return WK_ERROR_DTYPE;
  }
  if (zero_row >= rows) {
    wk_fail(WK_ERROR_ARGUMENT, "padding_index is %lld, but the table has rows 0 to %lld",
            (long long)zero_row, (long long)rows - 1);
    return WK_ERROR_ARGUMENT;
  }
  const wk_status status = wk_module_add_table(self, "weight", rows, features, zero_row);
  if (status >= 0) wk_module_parameter(self, "weight")->row_sparse = sparse;
  return status;
}

wk_status wk_layer_build_embedding(wk_module *self, wk_tensor *x) {
  const wk_embedding_layer_arguments *a = wk_layer_settings(self);
  return build(self, x, a->rows, a->features, a->has_padding ? a->padding_index : -1, a->sparse);
}

wk_tensor *wk_layer_forward_embedding(wk_module *self, wk_tensor *x) {
  const wk_embedding_layer_arguments *a = wk_layer_settings(self);
  return wk_embedding(wk_module_parameter(self, "weight"), x, .has_padding = a->has_padding,
                      .padding_index = a->padding_index, .sparse = a->sparse,
                      .max_norm = a->max_norm, .norm_type = a->norm_type);
}

wk_status wk_layer_build_embedding_bag(wk_module *self, wk_tensor *x) {
  const wk_embedding_bag_layer_arguments *a = wk_layer_settings(self);
  return build(self, x, a->rows, a->features, a->has_padding ? a->padding_index : -1, a->sparse);
}

wk_tensor *wk_layer_forward_embedding_bag(wk_module *self, wk_tensor *x) {
  const wk_embedding_bag_layer_arguments *a = wk_layer_settings(self);
  if (wk_tensor_rank(x) != 2) {
    wk_layer_wrong_input(x, "[N, size]", "bags hold `size` numbers of rows each");
    return NULL;
  }
  return wk_embedding_bag(wk_module_parameter(self, "weight"), x, .mode = a->mode,
                          .has_padding = a->has_padding, .padding_index = a->padding_index,
                          .sparse = a->sparse, .max_norm = a->max_norm, .norm_type = a->norm_type);
}
