/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

static wk_tensor *mean_axis(void) { return wk_mean(F32(2, 3), .axes = WK_AXES(-3)); }

static const wrong_call calls[] = {
    {"mean axis", mean_axis, WK_ERROR_ARGUMENT, "mean", {"axis -3"}},
};

const wrong_call_table wrong_reductions = {calls, sizeof calls / sizeof *calls};
