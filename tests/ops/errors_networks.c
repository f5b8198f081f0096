/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

static wk_tensor *log_softmax_of_a_number(void) { return wk_log_softmax(NUMBER); }

static const wrong_call calls[] = {
    {"log_softmax of a number", log_softmax_of_a_number, WK_ERROR_SHAPE, "log_softmax", {"f32 []"}},
};

const wrong_call_table wrong_networks = {calls, sizeof calls / sizeof *calls};
