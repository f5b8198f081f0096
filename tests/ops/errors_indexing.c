/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

static wk_tensor *slice_of_a_number(void) { return wk_slice(NUMBER, 0, 0, 1); }

static const wrong_call calls[] = {
    {"slice of a number", slice_of_a_number, WK_ERROR_ARGUMENT, "slice", {"axis 0"}},
};

const wrong_call_table wrong_indexing = {calls, sizeof calls / sizeof *calls};
