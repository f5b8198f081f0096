/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

static wk_tensor *log_softmax_of_a_number(void) { return wk_log_softmax(NUMBER); }
static wk_tensor *softmax_axes(void) { return wk_softmax(F32(2, 3, 4), .axes = WK_AXES(0, 2)); }
static wk_tensor *label_in_composite(void) {
  return wk_cross_entropy(F32(4, 3), I64(3, 4), .label_smoothing = 0.1);
}
static wk_tensor *label_ignored(void) {
  return wk_cross_entropy(F32(4, 3), I64(-100, 4), .ignore_index = -1);
}
static wk_tensor *class_weight(void) {
  return wk_cross_entropy(F32(4, 3), I64(1, 4), .weight = F32(4));
}
static wk_tensor *probability_sizes(void) { return wk_cross_entropy(F32(4, 3), F32(4, 2)); }
static wk_tensor *label_rank(void) { return wk_cross_entropy(F32(2, 5, 5, 3), I64(1, 2)); }
static wk_tensor *nll_probabilities(void) { return wk_nll_loss(F32(4, 3), F32(4, 3)); }
static wk_tensor *smoothing(void) {
  return wk_cross_entropy(F32(4, 3), I64(1, 4), .label_smoothing = 1.5);
}
static wk_tensor *mse_sizes(void) { return wk_mse_loss(F32(4, 3), F32(4, 2)); }
static wk_tensor *loss_reduction(void) {
  return wk_mse_loss(F32(4), F32(4), .reduction = (wk_reduction)7);
}
static wk_tensor *ctc_rank(void) { return wk_ctc_loss(F32(7, 4), I64(1, 2), I64(7, 1), I64(2, 1)); }
static wk_tensor *ctc_blank(void) {
  return wk_ctc_loss(F32(1, 7, 4), I64(1, 1, 2), I64(7, 1), I64(2, 1), .blank = 4);
}
static wk_tensor *ctc_length(void) {
  return wk_ctc_loss(F32(1, 7, 4), I64(1, 1, 2), I64(8, 1), I64(2, 1));
}
static wk_tensor *ctc_target(void) {
  return wk_ctc_loss(F32(1, 7, 4), I64(4, 1, 2), I64(7, 1), I64(2, 1));
}
static wk_tensor *ctc_total(void) {
  return wk_ctc_loss(F32(2, 7, 4), I64(1, 5), I64(7, 2), I64(2, 2));
}
static wk_tensor *dice_rank(void) { return wk_dice_loss(F32(4), F32(4)); }
static wk_tensor *multi_margin_rank(void) { return wk_multi_margin_loss(F32(2, 3, 4), I64(1, 2)); }
static wk_tensor *multilabel_sizes(void) {
  return wk_multilabel_margin_loss(F32(2, 3), I64(1, 2, 4));
}
static wk_tensor *attention_width(void) {
  return wk_scaled_dot_product_attention(F32(2, 5, 4), F32(2, 5, 3), F32(2, 5, 3));
}
static wk_tensor *attention_heads(void) {
  return wk_scaled_dot_product_attention(F32(1, 3, 5, 4), F32(1, 2, 5, 4), F32(1, 2, 5, 4));
}
static wk_tensor *attention_values(void) {
  return wk_scaled_dot_product_attention(F32(5, 4), F32(6, 4), F32(7, 4));
}
static wk_tensor *attention_mask(void) {
  return wk_scaled_dot_product_attention(F32(5, 4), F32(6, 4), F32(6, 4), .mask = F32(5, 7));
}
static wk_tensor *attention_mask_dtype(void) {
  return wk_scaled_dot_product_attention(F32(5, 4), F32(6, 4), F32(6, 4), .mask = I64(1, 5, 6));
}
static wk_tensor *head_weights(void) {
  return wk_multi_head_attention(F32(2, 5, 4), WK_TENSORS(F32(4, 4), F32(4, 4)), 2);
}
static wk_tensor *rotary_odd(void) { return wk_rotary_embedding(F32(5, 3)); }
static wk_tensor *lstm_rank(void) {
  return wk_lstm(F32(3, 4), WK_TENSORS(F32(8, 4), F32(8, 2), F32(8))).y;
}
static wk_tensor *lstm_weights(void) {
  return wk_lstm(F32(2, 3, 4), WK_TENSORS(F32(8, 4), F32(8, 2))).y;
}
static wk_tensor *gru_weight_sizes(void) {
  return wk_gru(F32(2, 3, 4), WK_TENSORS(F32(6, 4), F32(8, 2), F32(6), F32(6))).y;
}
static wk_tensor *lstm_state(void) {
  return wk_lstm(F32(2, 3, 4), WK_TENSORS(F32(8, 4), F32(8, 2), F32(8)), .hidden = F32(2, 2, 2)).y;
}
static wk_tensor *lstm_length(void) {
  return wk_lstm(F32(2, 3, 4), WK_TENSORS(F32(8, 4), F32(8, 2), F32(8)), .lengths = I64(4, 2)).y;
}
static wk_tensor *rnn_lengths(void) {
  return wk_rnn(F32(2, 3, 4), WK_TENSORS(F32(2, 4), F32(2, 2), F32(2)), .lengths = I64(3, 5)).y;
}
static wk_tensor *cell_rank(void) { return wk_gru_cell(F32(4), F32(2, 3), F32(9, 4), F32(9, 3)); }

#define ATTENTION "scaled_dot_product_attention"

static const wrong_call calls[] = {
    {"log_softmax of a number", log_softmax_of_a_number, WK_ERROR_SHAPE, "log_softmax", {"f32 []"}},
    {"softmax axes apart",
     softmax_axes,
     WK_ERROR_ARGUMENT,
     "softmax",
     {"neighbours", "wk_permute"}},
    {"label in a composite",
     label_in_composite,
     WK_ERROR_INDEX,
     "cross_entropy",
     {"label 3", "position 0", "f32 [4, 3]"}},
    {"another label ignored", label_ignored, WK_ERROR_INDEX, "cross_entropy", {"label -100"}},
    {"class weight", class_weight, WK_ERROR_SHAPE, "cross_entropy", {"weight", "[3]"}},
    {"probabilities' sizes",
     probability_sizes,
     WK_ERROR_DTYPE,
     "cross_entropy",
     {"labels", "probabilities"}},
    {"label rank", label_rank, WK_ERROR_SHAPE, "cross_entropy", {"[2, 5, 5]", "wk_flatten_layer"}},
    {"nll of probabilities", nll_probabilities, WK_ERROR_DTYPE, "nll_loss", {"labels", "i64"}},
    {"smoothing", smoothing, WK_ERROR_ARGUMENT, "cross_entropy", {"label_smoothing", "1.5"}},
    {"mse sizes", mse_sizes, WK_ERROR_SHAPE, "mse_loss", {"f32 [4, 3]", "f32 [4, 2]"}},
    {"loss reduction", loss_reduction, WK_ERROR_ARGUMENT, "mse_loss", {"reduction", "7", "mean"}},
    {"ctc rank", ctc_rank, WK_ERROR_SHAPE, "ctc_loss", {"[N, T, C]", "wk_permute"}},
    {"ctc blank", ctc_blank, WK_ERROR_ARGUMENT, "ctc_loss", {"blank is 4"}},
    {"ctc length", ctc_length, WK_ERROR_INDEX, "ctc_loss", {"input length 8", "0 .. 7"}},
    {"ctc target", ctc_target, WK_ERROR_INDEX, "ctc_loss", {"label 4", "0 .. 3"}},
    {"ctc total", ctc_total, WK_ERROR_SHAPE, "ctc_loss", {"5 targets", "4"}},
    {"dice rank", dice_rank, WK_ERROR_SHAPE, "dice_loss", {"first axis"}},
    {"multi_margin rank", multi_margin_rank, WK_ERROR_SHAPE, "multi_margin_loss", {"[N, C]"}},
    {"multilabel sizes",
     multilabel_sizes,
     WK_ERROR_SHAPE,
     "multilabel_margin_loss",
     {"i64 [2, 4]"}},
    {"attention width", attention_width, WK_ERROR_SHAPE, ATTENTION, {"size 4", "keys 3"}},
    {"attention heads", attention_heads, WK_ERROR_SHAPE, ATTENTION, {"3 query heads", "2 key"}},
    {"attention values", attention_values, WK_ERROR_SHAPE, ATTENTION, {"6 keys", "7 values"}},
    {"attention mask", attention_mask, WK_ERROR_SHAPE, ATTENTION, {"mask", "[..., 1, 5, 6]"}},
    {"attention mask dtype", attention_mask_dtype, WK_ERROR_DTYPE, ATTENTION, {"i64", "WK_BOOL"}},
    {"head weights", head_weights, WK_ERROR_ARGUMENT, "multi_head_attention", {"2 weights"}},
    {"rotary size", rotary_odd, WK_ERROR_SHAPE, "rotary_embedding", {"even"}},
    {"lstm rank", lstm_rank, WK_ERROR_SHAPE, "lstm", {"[N, L, I]", "f32 [3, 4]"}},
    {"lstm weights", lstm_weights, WK_ERROR_ARGUMENT, "lstm", {"2 weights", "3 each", "no_bias"}},
    {"gru weight sizes", gru_weight_sizes, WK_ERROR_SHAPE, "gru", {"weight 2", "[6, 2]"}},
    {"lstm state", lstm_state, WK_ERROR_SHAPE, "lstm", {"hidden", "[1, 2, 2]"}},
    {"lstm length", lstm_length, WK_ERROR_INDEX, "lstm", {"length 4", "0 .. 3"}},
    {"rnn lengths", rnn_lengths, WK_ERROR_SHAPE, "rnn", {"lengths must be [2]"}},
    {"cell rank", cell_rank, WK_ERROR_SHAPE, "gru_cell", {"[N, I]"}},
};

const wrong_call_table wrong_networks = {calls, sizeof calls / sizeof *calls};
