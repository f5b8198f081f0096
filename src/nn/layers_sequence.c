/* SPDX-License-Identifier: Apache-2.0 */

/* Layers over sequences [N, L, features]; layers.c says how layers are made. First values are drawn
 * from [-1 / sqrt(H), 1 / sqrt(H)) for recurrent layers, as PyTorch's are, and from that of the
 * inputs' number for attention. */

#include <math.h>

#include <wick/ops.h>

#include "base/error.h"
#include "base/text.h"
#include "nn/module.h"

/* Ops called here are called on behalf of the user's line. */
#undef WK_HERE
#define WK_HERE wk_forward_place()

static wk_status check_sequences(const wk_tensor *x) {
  if (wk_tensor_rank(x) == 3) return WK_OK;
  char text[128];
  wk_tensor_describe(x, text, sizeof text);
  wk_fail(WK_ERROR_SHAPE, "the input must be sequences [N, L, features], but is %s", text);
  wk_error_add_hint("wk_reshape can add a missing dimension: one feature is [N, L, 1]");
  return WK_ERROR_SHAPE;
}

/* ---- recurrent ---- */

/* The settings of both kinds. */
typedef struct recurrent {
  int64_t size, layers, directions, gates;
  double dropout;
  bool no_bias, only_last;
  const char *const *names; /* of one direction's parameters, weights first, ending in NULL */
} recurrent;

#define RECURRENT(a, gates_, names_)                                                               \
  {                                                                                                \
    .size = (a)->hidden_size, .layers = (a)->layers, .directions = (a)->bidirectional ? 2 : 1,     \
    .gates = (gates_), .dropout = (a)->dropout, .no_bias = (a)->no_bias,                           \
    .only_last = (a)->only_last, .names = (names_)                                                 \
  }

static const char *const lstm_names[] = {"weight_input", "weight_hidden", "bias", NULL};
static const char *const gru_names[] = {"weight_input", "weight_hidden", "bias_input",
                                        "bias_hidden", NULL};

static void name_of(const recurrent *r, int which, int64_t place, char *name, size_t size) {
  wk_print_into(name, size, 0, "%s_%lld", r->names[which], (long long)place);
}

static wk_status build(wk_module *self, wk_tensor *x, const recurrent *r) {
  wk_status status = check_sequences(x);
  const double bound = 1 / sqrt((double)r->size);
  for (int64_t place = 0; place < r->layers * r->directions; place++) {
    const bool first = place < r->directions;
    const int64_t rows = r->gates * r->size;
    const int64_t in = first ? wk_tensor_dim(x, -1) : r->directions * r->size;
    for (int i = 0; status >= 0 && r->names[i] && (i < 2 || !r->no_bias); i++) {
      const wk_shape shape = {i < 2 ? 2 : 1, {rows, i == 0 ? in : r->size}};
      char name[48];
      name_of(r, i, place, name, sizeof name);
      status = wk_module_add_parameter(self, name, shape, wk_tensor_dtype(x), bound);
    }
  }
  return status;
}

#define MOST_WEIGHTS 256

/* All parameters in the ops' order; count 0 with an error pending if there are too many. */
static wk_tensors weights_of(const wk_module *self, const recurrent *r, wk_tensor **item) {
  wk_tensors all = {0, item};
  for (int64_t place = 0; place < r->layers * r->directions; place++)
    for (int i = 0; r->names[i] && (i < 2 || !r->no_bias); i++) {
      if (all.count == MOST_WEIGHTS) {
        wk_fail(WK_ERROR_UNSUPPORTED, "more than %d parameters", MOST_WEIGHTS);
        return (wk_tensors){0, NULL};
      }
      char name[48];
      name_of(r, i, place, name, sizeof name);
      item[all.count++] = wk_module_parameter(self, name);
    }
  return all;
}

/* The last layer's states [D, N, H] side by side: [N, D * H]. */
static wk_tensor *last_states(const recurrent *r, wk_tensor *hidden) {
  const int64_t count = r->layers * r->directions;
  wk_tensor *last = wk_slice(hidden, 0, count - r->directions, count);
  return wk_flatten(wk_permute(last, WK_AXES(1, 0, 2)), 1);
}

wk_status wk_layer_build_lstm(wk_module *self, wk_tensor *x) {
  const wk_lstm_layer_arguments *a = wk_layer_settings(self);
  const recurrent r = RECURRENT(a, 4, lstm_names);
  return build(self, x, &r);
}

wk_tensor *wk_layer_forward_lstm(wk_module *self, wk_tensor *x) {
  const wk_lstm_layer_arguments *a = wk_layer_settings(self);
  const recurrent r = RECURRENT(a, 4, lstm_names);
  wk_tensor *item[MOST_WEIGHTS];
  const wk_lstm_result y =
      wk_lstm(x, weights_of(self, &r, item), .layers = r.layers, .bidirectional = r.directions == 2,
              .no_bias = r.no_bias,
              .dropout = self->training && r.dropout > 0 ? r.dropout : WK_EXACTLY_ZERO);
  return r.only_last ? last_states(&r, y.hidden) : y.y;
}

wk_status wk_layer_build_gru(wk_module *self, wk_tensor *x) {
  const wk_gru_layer_arguments *a = wk_layer_settings(self);
  const recurrent r = RECURRENT(a, 3, gru_names);
  return build(self, x, &r);
}

wk_tensor *wk_layer_forward_gru(wk_module *self, wk_tensor *x) {
  const wk_gru_layer_arguments *a = wk_layer_settings(self);
  const recurrent r = RECURRENT(a, 3, gru_names);
  wk_tensor *item[MOST_WEIGHTS];
  const wk_gru_result y =
      wk_gru(x, weights_of(self, &r, item), .layers = r.layers, .bidirectional = r.directions == 2,
             .no_bias = r.no_bias,
             .dropout = self->training && r.dropout > 0 ? r.dropout : WK_EXACTLY_ZERO);
  return r.only_last ? last_states(&r, y.hidden) : y.y;
}

/* ---- attention ---- */

static const char *const attention_names[] = {
    "weight_query", "weight_key", "weight_value", "weight_out",
    "bias_query",   "bias_key",   "bias_value",   "bias_out",
};

wk_status wk_layer_build_multi_head_attention(wk_module *self, wk_tensor *x) {
  const wk_multi_head_attention_layer_arguments *a = wk_layer_settings(self);
  wk_status status = check_sequences(x);
  const int64_t size = wk_tensor_dim(x, -1);
  if (status >= 0 && size % a->heads != 0)
    return wk_fail(WK_ERROR_SHAPE, "%lld features cannot be cut into %lld heads", (long long)size,
                   (long long)a->heads);
  const double bound = 1 / sqrt((double)(size > 0 ? size : 1));
  for (int i = 0; status >= 0 && i < (a->no_bias ? 4 : 8); i++) {
    const wk_shape shape = {i < 4 ? 2 : 1, {size, size}};
    status = wk_module_add_parameter(self, attention_names[i], shape, wk_tensor_dtype(x), bound);
  }
  return status;
}

wk_tensor *wk_layer_forward_multi_head_attention(wk_module *self, wk_tensor *x) {
  const wk_multi_head_attention_layer_arguments *a = wk_layer_settings(self);
  wk_tensor *item[8];
  const size_t count = a->no_bias ? 4 : 8;
  for (size_t i = 0; i < count; i++) item[i] = wk_module_parameter(self, attention_names[i]);
  return wk_multi_head_attention(x, (wk_tensors){count, item}, a->heads, .causal = a->causal,
                                 .dropout = self->training && a->dropout > 0 ? a->dropout
                                                                             : WK_EXACTLY_ZERO);
}
