/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

static wk_tensor *minimum_sizes(void) { return wk_minimum(F32(2, 3), F32(2, 4)); }

static const wrong_call calls[] = {
    {"minimum sizes", minimum_sizes, WK_ERROR_SHAPE, "minimum", {"f32 [2, 3]", "f32 [2, 4]"}},
};

const wrong_call_table wrong_pointwise = {calls, sizeof calls / sizeof *calls};
