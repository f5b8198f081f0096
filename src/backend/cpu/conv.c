/* SPDX-License-Identifier: Apache-2.0 */

/* Convolution and its two gradients as products of patches, one product per group:
 *   y        [pixels, O]          = patches(x) [pixels, KH KW C] * weight transposed
 *   gradient of x [pixels of a phase, C] = patches(gradient of y) * weight with taps reversed
 *   gradient of weight [O, KH KW C] = gradient of y transposed * patches(x)
 * With strides, pixels of x fall into stride_height * stride_width phases; those of a phase are
 * seen through the same taps, so each phase is a product with those taps alone. */

#include <string.h>

#include "backend/cpu/depthwise.h"
#include "backend/cpu/direct.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/patches.h"
#include "backend/cpu/product.h"
#include "backend/cpu/weight_gradient.h"

static wk_patches patches_of_x(wk_isa_real real, const wk_cpu_conv2d_shape *s, const char *x) {
  return (wk_patches){
      .real = real,
      .images = x,
      .height = s->height,
      .width = s->width,
      .pixel_stride = s->channels,
      .channels = s->channels / s->groups,
      .taps_height = s->kernel_height,
      .taps_width = s->kernel_width,
      .tap_step_height = s->dilation_height,
      .tap_step_width = s->dilation_width,
      .grid_height = s->out_height,
      .grid_width = s->out_width,
      .grid_step_height = s->stride_height,
      .grid_step_width = s->stride_width,
      .origin_height = -s->padding_top,
      .origin_width = -s->padding_left,
  };
}

static void pack_a_patches(const wk_product *product, int64_t row, int64_t rows, int64_t k,
                           int64_t depth, char *to) {
  wk_patches_copy(product->left, row, rows, k, depth, to, WK_PRODUCT_DEPTH);
}

static void pack_b_patches(const wk_product *product, int64_t k, int64_t depth, int64_t column,
                           int64_t columns, int64_t width, char *to) {
  wk_patches_copy(product->right, k, depth, column, columns, to, width);
}

/* A 1x1 window that moves by single pixels and never sticks out: the patches are x itself. */
static bool is_pointwise(const wk_cpu_conv2d_shape *s) {
  return s->kernel_height == 1 && s->kernel_width == 1 && s->stride_height == 1 &&
         s->stride_width == 1 && s->padding_top == 0 && s->padding_left == 0 &&
         s->out_height == s->height && s->out_width == s->width;
}

wk_status wk_cpu_conv2d(wk_dtype dtype, const wk_cpu_conv2d_shape *s, const void *x,
                        const void *weight, const void *bias, void *y, const wk_after *after) {
  if (wk_is_depthwise(s)) return wk_cpu_depthwise(dtype, s, x, weight, bias, y, after);
  if (wk_direct_fits(dtype, s)) return wk_direct_run(s, x, weight, bias, y, after);
  const wk_isa_real real = wk_isa_real_of(dtype);
  const int64_t element = (int64_t)wk_isa_real_size(real);
  const int64_t group_channels = s->channels / s->groups, group_out = s->out_channels / s->groups;
  const int64_t columns = s->kernel_height * s->kernel_width * group_channels;
  for (int64_t group = 0; group < s->groups; group++) {
    const char *group_x = (const char *)x + group * group_channels * element;
    const wk_patches patches = patches_of_x(real, s, group_x);
    const wk_product_matrix pixels = {group_x, s->channels, 1};
    const wk_product_matrix filters = {(const char *)weight + group * group_out * columns * element,
                                       1, columns};
    const bool pointwise = is_pointwise(s);
    const wk_product product = {
        .m = s->batch * s->out_height * s->out_width,
        .n = group_out,
        .k = columns,
        .real = real,
        .pack_a = pointwise ? wk_product_pack_a_matrix : pack_a_patches,
        .pack_b = wk_product_pack_b_matrix,
        .find_c = wk_product_find_rows,
        .bias = bias ? (const char *)bias + group * group_out * element : NULL,
        .left = pointwise ? (const void *)&pixels : &patches,
        .right = &filters,
        .c = (char *)y + group * group_out * element,
        .c_row_stride = s->out_channels,
        .after = s->groups == 1 ? after : NULL,
    };
    const wk_status status = wk_product_run(&product);
    if (status < 0) return status;
  }
  if (s->groups > 1)
    wk_cpu_tell_rows(after, s->batch * s->out_height * s->out_width, s->out_channels);
  return WK_OK;
}

static int64_t greatest_common_divisor(int64_t a, int64_t b) {
  while (b) {
    const int64_t rest = a % b;
    a = b, b = rest;
  }
  return a;
}

/* Of how many images parts of a weight gradient are multiples; 0: there are none. */
static int64_t part_step(wk_dtype dtype, const wk_cpu_conv2d_shape *s) {
  if (wk_is_depthwise(s)) return 0;
  if (wk_weight_gradient_fits(dtype, s)) return wk_weight_gradient_step(s);
  return WK_PRODUCT_DEPTH / greatest_common_divisor(WK_PRODUCT_DEPTH, s->out_height * s->out_width);
}

wk_status wk_cpu_conv2d_weight_gradient(wk_dtype dtype, const wk_cpu_conv2d_shape *s, const void *x,
                                        const void *y_gradient, void *weight_gradient,
                                        const wk_part *part) {
  if (part && part->step) {
    *part->step = part_step(dtype, s), *part->state_size = 0;
    return WK_OK;
  }
  if (wk_is_depthwise(s))
    return wk_cpu_depthwise_weight_gradient(dtype, s, x, y_gradient, weight_gradient);
  wk_cpu_conv2d_shape whole = *s;
  if (part) whole.batch = part->whole;
  if (wk_weight_gradient_fits(dtype, &whole))
    return wk_weight_gradient_run(s, x, y_gradient, weight_gradient, part);
  const wk_isa_real real = wk_isa_real_of(dtype);
  const int64_t element = (int64_t)wk_isa_real_size(real);
  const int64_t group_channels = s->channels / s->groups, group_out = s->out_channels / s->groups;
  const int64_t columns = s->kernel_height * s->kernel_width * group_channels;
  for (int64_t group = 0; group < s->groups; group++) {
    const char *group_x = (const char *)x + group * group_channels * element;
    const wk_patches patches = patches_of_x(real, s, group_x);
    const wk_product_matrix pixels = {group_x, s->channels, 1};
    const wk_product_matrix gradients = {(const char *)y_gradient + group * group_out * element, 1,
                                         s->out_channels};
    const bool pointwise = is_pointwise(s);
    const wk_product product = {
        .m = group_out,
        .n = columns,
        .k = s->batch * s->out_height * s->out_width,
        .real = real,
        .left_order = wk_product_order_of(&gradients),
        .pack_a = wk_product_pack_a_matrix,
        .pack_b = pointwise ? wk_product_pack_b_matrix : pack_b_patches,
        .find_c = wk_product_find_rows,
        .left = &gradients,
        .right = pointwise ? (const void *)&pixels : &patches,
        .accumulate = part && part->begin > 0,
        .c = (char *)weight_gradient + group * group_out * columns * element,
        .c_row_stride = columns,
    };
    const wk_status status = wk_product_run(&product);
    if (status < 0) return status;
  }
  return WK_OK;
}

/* ---- the gradient of x ---- */

/* One axis of a phase: which pixels, seen through which taps. */
typedef struct phase_axis {
  int64_t first, count;     /* pixels first, first + stride, .. */
  int64_t tap, taps, step;  /* taps tap, tap - step, .. */
  int64_t origin, tap_step; /* the first pixel's first tap in y; from tap to tap, in pixels of y */
} phase_axis;

/* Taps k with (first + padding - k * dilation) divisible by the stride, from the last one down, so
 * that pixels of y come in ascending order. */
static phase_axis find_phase(int64_t first, int64_t size, int64_t stride, int64_t padding,
                             int64_t dilation, int64_t kernel) {
  phase_axis axis = {.first = first, .count = first < size ? (size - 1 - first) / stride + 1 : 0};
  const int64_t common = greatest_common_divisor(stride, dilation);
  axis.step = stride / common, axis.tap_step = dilation / common;
  for (int64_t k = kernel - 1; k >= 0 && k >= kernel - axis.step; k--) {
    const int64_t at = first + padding - k * dilation;
    if (at % stride) continue;
    axis.tap = k, axis.taps = k / axis.step + 1, axis.origin = at / stride;
    break;
  }
  return axis;
}

typedef struct phase {
  const wk_cpu_conv2d_shape *shape;
  phase_axis row, column;
  const char *weight; /* of the group */
  int64_t element;
} phase;

/* b[(tap row, tap column, o), c] = weight[o, tap row, tap column, c] */
static void pack_b_filters(const wk_product *product, int64_t k, int64_t depth, int64_t column,
                           int64_t columns, int64_t width, char *to) {
  const phase *p = product->right;
  const wk_cpu_conv2d_shape *s = p->shape;
  const int64_t group_out = s->out_channels / s->groups;
  const int64_t filter = s->kernel_height * s->kernel_width * product->n;
  const wk_isa_product *isa = wk_cpu_isa_get()->product[product->real];
  while (depth > 0) {
    const int64_t tap = k / group_out, o = k % group_out;
    const int64_t kernel_row = p->row.tap - tap / p->column.taps * p->row.step;
    const int64_t kernel_column = p->column.tap - tap % p->column.taps * p->column.step;
    const int64_t count = depth < group_out - o ? depth : group_out - o;
    const int64_t at =
        o * filter + (kernel_row * s->kernel_width + kernel_column) * product->n + column;
    isa->copy(to, width, p->weight + at * p->element, filter, count, columns);
    to += count * width * p->element;
    k += count, depth -= count;
  }
}

static void find_phase_pixels(const wk_product *product, int64_t row, int64_t rows, char **c) {
  const phase *p = product->right;
  const wk_cpu_conv2d_shape *s = p->shape;
  const int64_t grid = p->row.count * p->column.count;
  for (int64_t i = 0; i < rows; i++, row++) {
    const int64_t y = p->row.first + row % grid / p->column.count * s->stride_height;
    const int64_t x = p->column.first + row % p->column.count * s->stride_width;
    const int64_t pixel = (row / grid * s->height + y) * s->width + x;
    c[i] = product->c + pixel * s->channels * p->element;
  }
}

static wk_patches patches_of_phase(wk_isa_real real, const phase *p, const char *y_gradient) {
  const wk_cpu_conv2d_shape *s = p->shape;
  return (wk_patches){
      .real = real,
      .images = y_gradient,
      .height = s->out_height,
      .width = s->out_width,
      .pixel_stride = s->out_channels,
      .channels = s->out_channels / s->groups,
      .taps_height = p->row.taps,
      .taps_width = p->column.taps,
      .tap_step_height = p->row.tap_step,
      .tap_step_width = p->column.tap_step,
      .grid_height = p->row.count,
      .grid_width = p->column.count,
      .grid_step_height = 1,
      .grid_step_width = 1,
      .origin_height = p->row.origin,
      .origin_width = p->column.origin,
  };
}

/* The pixels of one phase and the channels of one group. */
static wk_status run_phase(wk_isa_real real, const phase *p, const char *y_gradient,
                           char *x_gradient) {
  const wk_cpu_conv2d_shape *s = p->shape;
  const wk_patches patches = patches_of_phase(real, p, y_gradient);
  const wk_product product = {
      .m = s->batch * p->row.count * p->column.count,
      .n = s->channels / s->groups,
      .k = wk_patches_columns(&patches),
      .real = real,
      .pack_a = pack_a_patches,
      .pack_b = pack_b_filters,
      .find_c = find_phase_pixels,
      .left = &patches,
      .right = p,
      .c = x_gradient,
  };
  return wk_product_run(&product);
}

static wk_status run_pointwise(wk_isa_real real, const phase *p, const char *y_gradient,
                               char *x_gradient) {
  const wk_cpu_conv2d_shape *s = p->shape;
  const wk_product_matrix gradients = {y_gradient, s->out_channels, 1};
  const wk_product_matrix filters = {p->weight, s->channels / s->groups, 1};
  const wk_product product = {
      .m = s->batch * s->height * s->width,
      .n = s->channels / s->groups,
      .k = s->out_channels / s->groups,
      .real = real,
      .pack_a = wk_product_pack_a_matrix,
      .pack_b = wk_product_pack_b_matrix,
      .find_c = wk_product_find_rows,
      .left = &gradients,
      .right = &filters,
      .c = x_gradient,
      .c_row_stride = s->channels,
  };
  return wk_product_run(&product);
}

static wk_status run_group(wk_isa_real real, phase *p, const char *y_gradient, char *x_gradient) {
  const wk_cpu_conv2d_shape *s = p->shape;
  if (is_pointwise(s)) return run_pointwise(real, p, y_gradient, x_gradient);
  for (int64_t i = 0; i < s->stride_height; i++) {
    p->row = find_phase(i, s->height, s->stride_height, s->padding_top, s->dilation_height,
                        s->kernel_height);
    for (int64_t j = 0; j < s->stride_width; j++) {
      p->column = find_phase(j, s->width, s->stride_width, s->padding_left, s->dilation_width,
                             s->kernel_width);
      const wk_status status = run_phase(real, p, y_gradient, x_gradient);
      if (status < 0) return status;
    }
  }
  return WK_OK;
}

wk_status wk_cpu_conv2d_data_gradient(wk_dtype dtype, const wk_cpu_conv2d_shape *s,
                                      const void *y_gradient, const void *weight,
                                      void *x_gradient) {
  if (wk_is_depthwise(s))
    return wk_cpu_depthwise_data_gradient(dtype, s, y_gradient, weight, x_gradient);
  if (wk_direct_data_gradient_fits(dtype, s))
    return wk_direct_data_gradient_run(s, y_gradient, weight, x_gradient);
  const wk_isa_real real = wk_isa_real_of(dtype);
  const int64_t element = (int64_t)wk_isa_real_size(real);
  const int64_t group_channels = s->channels / s->groups, group_out = s->out_channels / s->groups;
  const int64_t filter = s->kernel_height * s->kernel_width * group_channels;
  for (int64_t group = 0; group < s->groups; group++) {
    phase p = {.shape = s,
               .weight = (const char *)weight + group * group_out * filter * element,
               .element = element};
    const wk_status status =
        run_group(real, &p, (const char *)y_gradient + group * group_out * element,
                  (char *)x_gradient + group * group_channels * element);
    if (status < 0) return status;
  }
  return WK_OK;
}
