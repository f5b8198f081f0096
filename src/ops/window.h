/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_WINDOW_H
#define WICK_OPS_WINDOW_H

/* Where the windows of convolutions and pooling lie: worked out once, for shape rules and for every
 * kernel. */

#include "ops/op.h"

typedef struct wk_window_axis {
  int64_t size, out; /* of the image, of the result */
  int64_t kernel, stride, dilation;
  int64_t padding_before; /* top or left; what is needed behind follows from `out` */
  int64_t padded_end;     /* pooling: where the image with its padding ends */
} wk_window_axis;

typedef struct wk_window {
  wk_window_axis height, width;
} wk_window;

/* The geometry of a convolution of images `dims` [N, H, W, C] with filters `filter_dims` [O, KH,
 * KW, C / groups]; `arguments` are those of conv2d or, with the same fields, of one of its
 * gradients. */
typedef struct wk_conv2d_geometry {
  wk_window window;
  int64_t batch, channels, out_channels, groups;
} wk_conv2d_geometry;

typedef struct wk_conv2d_settings {
  int64_t stride[2], padding[2], dilation[2], groups;
  bool same;
} wk_conv2d_settings;

/* The settings out of any of the three ops' arguments. */
wk_conv2d_settings wk_conv2d_settings_of(const wk_op *op, const void *arguments);

/* Raises WK_ERROR_SHAPE when the sizes do not fit. */
wk_status wk_conv2d_geometry_of(const wk_conv2d_settings *settings, const int64_t *dims,
                                const int64_t *filter_dims, wk_conv2d_geometry *geometry);

/* The same for pooling of images `dims`. */
typedef struct wk_pool2d_settings {
  int64_t window[2], stride[2], padding[2], dilation[2];
  bool ceil_mode, same, count_padding;
} wk_pool2d_settings;

/* The settings out of any pooling op's arguments. */
wk_pool2d_settings wk_pool2d_settings_of(const wk_op *op, const void *arguments);
wk_status wk_pool2d_window_of(const wk_pool2d_settings *settings, const int64_t *dims,
                              wk_window *result);

/* The same for unfold2d and fold2d of images `dims`: windows never stick out of the padding. */
wk_status wk_unfold2d_window_of(const wk_op *op, const void *arguments, const int64_t *dims,
                                wk_window *result);

/* Bin i of n of an axis of this size, for adaptive pooling: from *begin to before *end. */
static inline void wk_adaptive_bin(int64_t size, int64_t n, int64_t i, int64_t *begin,
                                   int64_t *end) {
  *begin = i * size / n;
  *end = ((i + 1) * size + n - 1) / n;
}

/* [A, B, C] as [A, 1, B, C], a sequence as an image of one row, and back. NULL passes through. */
wk_tensor *wk_as_row(wk_tensor *x);
wk_tensor *wk_from_row(wk_tensor *y);

#endif
