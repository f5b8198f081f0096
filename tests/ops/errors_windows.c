/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

static wk_tensor *conv2d_filters_rank(void) { return wk_conv2d(F32(1, 5, 5, 3), F32(4, 3, 3)); }

static const wrong_call calls[] = {
    {"conv2d filters rank", conv2d_filters_rank, WK_ERROR_SHAPE, "conv2d", {"f32 [4, 3, 3]"}},
};

const wrong_call_table wrong_windows = {calls, sizeof calls / sizeof *calls};
