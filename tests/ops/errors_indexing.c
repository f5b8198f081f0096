/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

static wk_tensor *slice_of_a_number(void) { return wk_slice(NUMBER, 0, 0, 1); }
static wk_tensor *slice_update_sizes(void) {
  return wk_slice_update(F32(4, 3), F32(2, 3), 0, 0, 3);
}
static wk_tensor *squeeze_axis(void) { return wk_squeeze(F32(1, 3), .axes = WK_AXES(2)); }
static wk_tensor *unsqueeze_axis(void) { return wk_unsqueeze(F32(1, 3), 4); }
static wk_tensor *transpose_axis(void) { return wk_transpose(F32(2, 3), 0, 2); }
static wk_tensor *select_index(void) { return wk_select(F32(2, 3), 1, -4); }
static wk_tensor *flip_twice(void) { return wk_flip(F32(2, 3), .axes = WK_AXES(1, -1)); }
static wk_tensor *stack_sizes(void) { return wk_stack(WK_TENSORS(F32(2), F32(3)), 0); }
static wk_tensor *gather_rank(void) { return wk_gather(F32(2, 3), I64(0, 2), 1); }
static wk_tensor *gather_size(void) { return wk_gather(F32(2, 3), I64(0, 4, 2), 1); }
static wk_tensor *gather_index(void) { return wk_gather(F32(2, 3), I64(3, 2, 2), 1); }
static wk_tensor *gather_negative(void) { return wk_gather(F32(2, 3), I64(-1, 2, 2), 1); }
static wk_tensor *gather_dtype(void) { return wk_gather(F32(2, 3), F32(2, 3), 1); }
static wk_tensor *scatter_source(void) { return wk_scatter(F32(2, 3), I64(0, 2, 2), F32(2, 1), 1); }
static wk_tensor *scatter_add_index(void) {
  return wk_scatter_add(F32(2, 3), I64(9, 2, 1), F32(2, 1), 1);
}
static wk_tensor *index_get_many(void) {
  return wk_index_get(F32(2, 3), WK_TENSORS(I64(0, 2), I64(0, 2)), .axis = 1);
}
static wk_tensor *index_get_sizes(void) {
  return wk_index_get(F32(2, 3), WK_TENSORS(I64(0, 2), I64(0, 3)));
}
static wk_tensor *index_get_index(void) {
  return wk_index_get(F32(2, 3), WK_TENSORS(I64(1, 2), I64(-4, 2)));
}
static wk_tensor *index_get_empty(void) {
  return wk_index_get(F32(2, 0, 4), WK_TENSORS(I64(0, 2)), .axis = 1);
}
static wk_tensor *index_put_sizes(void) {
  return wk_index_put(F32(4, 3), F32(3, 3), WK_TENSORS(I64(0, 2)));
}
static wk_tensor *index_select_index(void) { return wk_index_select(F32(4, 3), I64(4, 2), 0); }

static const wrong_call calls[] = {
    {"slice of a number", slice_of_a_number, WK_ERROR_ARGUMENT, "slice", {"axis 0"}},
    {"slice_update sizes", slice_update_sizes, WK_ERROR_SHAPE, "slice_update", {"f32 [3, 3]"}},
    {"squeeze axis", squeeze_axis, WK_ERROR_ARGUMENT, "squeeze", {"axis 2"}},
    {"unsqueeze axis", unsqueeze_axis, WK_ERROR_ARGUMENT, "unsqueeze", {"axis 4"}},
    {"transpose axis", transpose_axis, WK_ERROR_ARGUMENT, "transpose", {"axis 2"}},
    {"select index", select_index, WK_ERROR_INDEX, "select", {"index -4", "-3 .. 2", "axis 1"}},
    {"flip twice", flip_twice, WK_ERROR_ARGUMENT, "flip", {"axis 1 is listed twice"}},
    {"stack sizes", stack_sizes, WK_ERROR_SHAPE, "stack", {"tensor 2"}},
    {"gather rank", gather_rank, WK_ERROR_SHAPE, "gather", {"1 dimensions, x has 2"}},
    {"gather size", gather_size, WK_ERROR_SHAPE, "gather", {"size 4 in dimension 0, x only 2"}},
    {"gather index", gather_index, WK_ERROR_INDEX, "gather", {"index 3 at [0, 0]", "0 .. 2"}},
    {"gather negative", gather_negative, WK_ERROR_INDEX, "gather", {"index -1", "from the end"}},
    {"gather dtype", gather_dtype, WK_ERROR_DTYPE, "gather", {"index is f32", "i64"}},
    {"scatter source", scatter_source, WK_ERROR_SHAPE, "scatter", {"sizes of index"}},
    {"scatter_add index", scatter_add_index, WK_ERROR_INDEX, "scatter_add", {"index 9 at [0, 0]"}},
    {"index_get many",
     index_get_many,
     WK_ERROR_SHAPE,
     "index_get",
     {"2 index tensors from axis 1"}},
    {"index_get sizes", index_get_sizes, WK_ERROR_SHAPE, "index_get", {"index tensor 2"}},
    {"index_get index", index_get_index, WK_ERROR_INDEX, "index_get", {"-4 at [0]", "-3 .. 2"}},
    {"index_get empty", index_get_empty, WK_ERROR_INDEX, "index_get", {"without elements"}},
    {"index_put sizes", index_put_sizes, WK_ERROR_SHAPE, "index_put", {"select f32 [2, 3]"}},
    {"index_select index",
     index_select_index,
     WK_ERROR_INDEX,
     "index_select",
     {"4 at [0]", "-4 .. 3"}},
};

const wrong_call_table wrong_indexing = {calls, sizeof calls / sizeof *calls};
