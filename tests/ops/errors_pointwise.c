/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

static wk_tensor *minimum_sizes(void) { return wk_minimum(F32(2, 3), F32(2, 4)); }
static wk_tensor *power_sizes(void) { return wk_power(F32(3, 5), F32(4)); }
static wk_tensor *clamp_bool(void) { return wk_clamp(wk_is_nan(F32(3)), 0, 1); }
static wk_tensor *fill_mask(void) { return wk_masked_fill(F32(3), F32(3), 1); }
static wk_tensor *fill_sizes(void) { return wk_masked_fill(F32(3), wk_is_nan(F32(4)), 1); }
static wk_tensor *bits_of_floats(void) { return wk_bitwise_and(F32(3), F32(3)); }
static wk_tensor *shift_of_floats(void) { return wk_left_shift(F32(3), I64(1, 3)); }
static wk_tensor *logit_epsilon(void) { return wk_logit(F32(3), .epsilon = 0.75); }
static wk_tensor *lerp_null(void) { return wk_lerp(F32(3), F32(3), NULL); }
static wk_tensor *glu_odd(void) { return wk_glu(F32(3, 5), -1); }
static wk_tensor *glu_axis(void) { return wk_glu(F32(3, 4), 2); }
static wk_tensor *prelu_channels(void) { return wk_prelu(F32(3, 4), F32(3)); }
static wk_tensor *triangle_rank(void) { return wk_tril(F32(3)); }
static wk_tensor *bitcast_size(void) { return wk_bitcast(F32(3), WK_I64); }
static wk_tensor *grid_rank(void) { return wk_meshgrid(F32(3), F32(3, 4)).rows; }
static wk_tensor *eye_rows(void) { return wk_eye(-1, .device = wrong_call_device); }
static wk_tensor *linspace_count(void) {
  return wk_linspace(0, 1, -2, .device = wrong_call_device);
}
static wk_tensor *range_direction(void) {
  return wk_range(5, 1, .step = 2, .device = wrong_call_device);
}
static wk_tensor *one_hot_floats(void) { return wk_one_hot(F32(3), 5); }
static wk_tensor *zeros_sizes(void) {
  return wk_zeros(WK_SHAPE(2, -3), .device = wrong_call_device);
}
static wk_tensor *integers_order(void) {
  return wk_random_integers(WK_SHAPE(3), 4, .low = 4, .device = wrong_call_device);
}
static wk_tensor *integers_bool(void) {
  return wk_random_integers(WK_SHAPE(3), 4, .dtype = WK_BOOL, .device = wrong_call_device);
}
static wk_tensor *normal_integer(void) {
  return wk_normal(WK_SHAPE(3), .dtype = WK_I64, .device = wrong_call_device);
}
static wk_tensor *truncated_order(void) {
  return wk_truncated_normal(WK_SHAPE(3), 2, -2, .device = wrong_call_device);
}
static wk_tensor *mask_probability(void) {
  return wk_random_mask(WK_SHAPE(3), 1.5, .device = wrong_call_device);
}
static wk_tensor *multinomial_many(void) { return wk_multinomial(F32(2, 3), 4); }
static wk_tensor *multinomial_negative(void) { return wk_multinomial(wk_negative(F32(2, 3)), 1); }
static wk_tensor *multinomial_zero(void) {
  return wk_multinomial(wk_subtract(F32(3), F32(3)), 1, .replacement = true);
}
static wk_tensor *multinomial_rank(void) { return wk_multinomial(NUMBER, 1); }
static wk_tensor *permutation_count(void) {
  return wk_random_permutation(-1, .device = wrong_call_device);
}

static const wrong_call calls[] = {
    {"minimum sizes", minimum_sizes, WK_ERROR_SHAPE, "minimum", {"f32 [2, 3]", "f32 [2, 4]"}},
    {"power sizes", power_sizes, WK_ERROR_SHAPE, "power", {"f32 [3, 5]", "f32 [4]"}},
    {"clamp of bool", clamp_bool, WK_ERROR_DTYPE, "clamp", {"bool [3]", "wk_cast"}},
    {"mask dtype", fill_mask, WK_ERROR_DTYPE, "masked_fill", {"mask", "bool"}},
    {"mask sizes", fill_sizes, WK_ERROR_SHAPE, "masked_fill", {"f32 [3]", "bool [4]"}},
    {"bits of floats", bits_of_floats, WK_ERROR_DTYPE, "bitwise_and", {"f32", "i64"}},
    {"shift of floats", shift_of_floats, WK_ERROR_DTYPE, "left_shift", {"f32", "i64"}},
    {"logit epsilon", logit_epsilon, WK_ERROR_ARGUMENT, "logit", {"epsilon", "0.75"}},
    {"lerp NULL", lerp_null, WK_ERROR_ARGUMENT, "lerp", {"weight of lerp is NULL"}},
    {"glu of an odd size", glu_odd, WK_ERROR_SHAPE, "glu", {"f32 [3, 5]", "even"}},
    {"glu axis", glu_axis, WK_ERROR_ARGUMENT, "glu", {"axis 2", "f32 [3, 4]"}},
    {"prelu channels", prelu_channels, WK_ERROR_SHAPE, "prelu", {"f32 [3, 4]", "f32 [3]"}},
    {"triangle of a vector", triangle_rank, WK_ERROR_SHAPE, "tril", {"f32 [3]", "two"}},
    {"bitcast size", bitcast_size, WK_ERROR_DTYPE, "bitcast", {"f32", "i64", "wk_cast"}},
    {"grid of a matrix", grid_rank, WK_ERROR_SHAPE, "meshgrid", {"f32 [3, 4]", "one"}},
    {"eye rows", eye_rows, WK_ERROR_ARGUMENT, "eye", {"rows", "-1"}},
    {"linspace count", linspace_count, WK_ERROR_ARGUMENT, "linspace", {"count", "-2"}},
    {"range direction", range_direction, WK_ERROR_ARGUMENT, "range", {"step"}},
    {"one_hot of floats", one_hot_floats, WK_ERROR_DTYPE, "one_hot", {"f32 [3]", "wk_cast"}},
    {"zeros sizes", zeros_sizes, WK_ERROR_SHAPE, "zeros", {"-3"}},
    {"integers order", integers_order, WK_ERROR_ARGUMENT, "random_integers", {"low", "high"}},
    {"integers bool", integers_bool, WK_ERROR_DTYPE, "random_integers", {"wk_random_mask"}},
    {"normal integers", normal_integer, WK_ERROR_DTYPE, "normal", {"i64"}},
    {"truncated order", truncated_order, WK_ERROR_ARGUMENT, "truncated_normal", {"low"}},
    {"mask probability", mask_probability, WK_ERROR_ARGUMENT, "random_mask", {"1.5"}},
    {"multinomial count", multinomial_many, WK_ERROR_ARGUMENT, "multinomial", {"4", "replacement"}},
    {"multinomial weight",
     multinomial_negative,
     WK_ERROR_ARGUMENT,
     "multinomial",
     {"weight 0 of row 0 is -1"}},
    {"multinomial of zeros", multinomial_zero, WK_ERROR_ARGUMENT, "multinomial", {"row 0"}},
    {"multinomial rank", multinomial_rank, WK_ERROR_SHAPE, "multinomial", {"f32 []"}},
    {"permutation count",
     permutation_count,
     WK_ERROR_ARGUMENT,
     "random_permutation",
     {"count", "-1"}},
};

const wrong_call_table wrong_pointwise = {calls, sizeof calls / sizeof *calls};
