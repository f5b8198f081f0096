/* SPDX-License-Identifier: Apache-2.0 */
#include <wick/autograd.h>

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
static wk_tensor *as_strided_reach(void) {
  return wk_as_strided(F32(3, 4), WK_SHAPE(4, 4), WK_SHAPE(4, 1));
}
static wk_tensor *as_strided_below(void) {
  return wk_as_strided(F32(12), WK_SHAPE(3), WK_SHAPE(-1), .offset = 1);
}
static wk_tensor *diagonal_axes(void) { return wk_diagonal(F32(3, 4), .axis1 = 1, .axis2 = -1); }
static wk_tensor *sliding_windows_size(void) { return wk_sliding_windows(F32(3, 4), 1, 5); }
static wk_tensor *narrow_reach(void) { return wk_narrow(F32(3, 4), 1, 2, 3); }
static wk_tensor *unflatten_sizes(void) { return wk_unflatten(F32(3, 4), 1, WK_SHAPE(3, -1)); }
static wk_tensor *expand_new(void) { return wk_expand(F32(3), WK_SHAPE(-1, 3)); }
static wk_tensor *move_axes_twice(void) {
  return wk_move_axes(F32(3, 4), WK_AXES(0, 0), WK_AXES(0, 1));
}
static wk_tensor *repeat_negative(void) { return wk_repeat(F32(3), WK_SHAPE(-1)); }
static wk_tensor *repeat_interleave_counts(void) {
  return wk_repeat_interleave(F32(3), 0, .counts = I64(1, 2));
}
static wk_tensor *roll_counts(void) {
  return wk_roll(F32(3, 2), WK_SHAPE(1, 1), .axes = WK_AXES(0));
}
static wk_tensor *rotate90_axes(void) { return wk_rotate90(F32(3, 2), .axes = WK_AXES(0, -2)); }
static wk_tensor *pad_reflect(void) {
  return wk_pad(F32(3), WK_SHAPE(3), WK_SHAPE(0), .mode = WK_PAD_MODE_REFLECT);
}
static wk_tensor *pad_empty(void) {
  return wk_pad(F32(0), WK_SHAPE(3), WK_SHAPE(0), .mode = WK_PAD_MODE_CIRCULAR);
}
static wk_tensor *select_scatter_index(void) { return wk_select_scatter(F32(3, 2), F32(2), 0, 3); }
static wk_tensor *scatter_reduce_index(void) {
  return wk_scatter_reduce(F32(3), I64(3, 1), F32(1), 0, .reduction = WK_SCATTER_REDUCTION_MAX);
}
static wk_tensor *index_reduce_rank(void) {
  return wk_index_reduce(F32(3, 2), I64(0, 1, 1), F32(1, 2), 0);
}
static wk_tensor *index_reduce_source(void) {
  return wk_index_reduce(F32(3, 2), I64(0, 4), F32(1, 2), 0);
}
static wk_tensor *take_index(void) { return wk_take(F32(3, 2), I64(6, 1)); }
static wk_tensor *gather_nd_many(void) { return wk_gather_nd(F32(3, 2), I64(0, 4, 3)); }
static wk_tensor *scatter_nd_none(void) { return wk_scatter_nd(F32(4), I64(0, 4, 0), WK_SHAPE(3)); }
static wk_tensor *masked_select_sizes(void) {
  return wk_masked_select(F32(3, 2), wk_cast(F32(3), WK_BOOL));
}
static wk_tensor *masked_scatter_few(void) {
  return wk_masked_scatter(F32(3, 2), wk_cast(F32(2), WK_BOOL), F32(5));
}
static wk_tensor *embedding_index(void) { return wk_embedding(F32(3, 2), I64(-1, 4)); }
static wk_tensor *embedding_rank(void) { return wk_embedding(F32(3), I64(0, 4)); }
static wk_tensor *embedding_padding(void) {
  return wk_embedding(F32(3, 2), I64(0, 4), .has_padding = true, .padding_index = 3);
}
static wk_tensor *embedding_norm(void) {
  wk_tensor *w = F32(3, 2);
  wk_tensor_set_requires_gradient(w, true);
  return wk_embedding(wk_negative(w), I64(1, 1), .max_norm = 1);
}
static wk_tensor *embedding_bag_last(void) {
  return wk_embedding_bag(F32(3, 2), I64(0, 2), .offsets = I64(0, 0), .include_last_offset = true);
}
static wk_tensor *embedding_bag_index(void) {
  return wk_embedding_bag(F32(3, 2), I64(-1, 4), .offsets = I64(0, 1));
}
static wk_tensor *embedding_bag_offsets(void) {
  return wk_embedding_bag(F32(3, 2), I64(0, 4), .offsets = I64(1, 2));
}
static wk_tensor *embedding_bag_shape(void) { return wk_embedding_bag(F32(3, 2), I64(0, 4)); }
static wk_tensor *segment_sum_rank(void) { return wk_segment_sum(F32(3, 2), I64(0, 3, 2)); }
static wk_tensor *segment_max_count(void) {
  return wk_segment_max(F32(3, 2), I64(5, 3), .count = 4);
}
static wk_tensor *put_index(void) { return wk_put(F32(3, 2), I64(6, 1), F32(1)); }
static wk_tensor *vstack_sizes(void) { return wk_vstack(WK_TENSORS(F32(3), F32(2, 2))); }
static wk_tensor *hstack_none(void) { return wk_hstack(((wk_tensors){0, NULL})); }
static wk_tensor *diagonal_scatter_sizes(void) { return wk_diagonal_scatter(F32(3, 3), F32(2)); }

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
    {"as_strided reach",
     as_strided_reach,
     WK_ERROR_INDEX,
     "as_strided",
     {"element 0 to 15 of x's 12"}},
    {"as_strided below", as_strided_below, WK_ERROR_INDEX, "as_strided", {"element -1 to 1"}},
    {"diagonal axes", diagonal_axes, WK_ERROR_ARGUMENT, "diagonal", {"both axes are axis 1"}},
    {"sliding_windows size",
     sliding_windows_size,
     WK_ERROR_SHAPE,
     "sliding_windows",
     {"window of 5"}},
    {"narrow reach",
     narrow_reach,
     WK_ERROR_INDEX,
     "narrow",
     {"3 elements from 2 on", "axis 1 of 4"}},
    {"unflatten sizes", unflatten_sizes, WK_ERROR_SHAPE, "unflatten", {"a multiple of 3"}},
    {"expand new", expand_new, WK_ERROR_SHAPE, "expand", {"size 0 is -1"}},
    {"move_axes twice", move_axes_twice, WK_ERROR_ARGUMENT, "move_axes", {"listed twice"}},
    {"repeat negative", repeat_negative, WK_ERROR_ARGUMENT, "repeat", {"count 0 is negative: -1"}},
    {"repeat_interleave counts",
     repeat_interleave_counts,
     WK_ERROR_SHAPE,
     "repeat_interleave",
     {"3 numbers"}},
    {"roll counts", roll_counts, WK_ERROR_ARGUMENT, "roll", {"2 shifts are listed for 1 axes"}},
    {"rotate90 axes", rotate90_axes, WK_ERROR_ARGUMENT, "rotate90", {"both axes are axis 0"}},
    {"pad reflect", pad_reflect, WK_ERROR_SHAPE, "pad", {"reflected by 3", "at most 2"}},
    {"pad empty", pad_empty, WK_ERROR_SHAPE, "pad", {"axis 0 has no elements"}},
    {"select_scatter index",
     select_scatter_index,
     WK_ERROR_INDEX,
     "select_scatter",
     {"index 3", "-3 .. 2"}},
    {"scatter_reduce index",
     scatter_reduce_index,
     WK_ERROR_INDEX,
     "scatter_reduce",
     {"index 3 at [0]"}},
    {"index_reduce rank", index_reduce_rank, WK_ERROR_SHAPE, "index_reduce", {"2 dimensions"}},
    {"index_reduce source",
     index_reduce_source,
     WK_ERROR_SHAPE,
     "index_reduce",
     {"must be f32 [4, 2]"}},
    {"take index", take_index, WK_ERROR_INDEX, "take", {"index 6 at [0]", "-6 .. 5"}},
    {"gather_nd many", gather_nd_many, WK_ERROR_SHAPE, "gather_nd", {"3 index tensors"}},
    {"scatter_nd none", scatter_nd_none, WK_ERROR_SHAPE, "scatter_nd", {"coordinates"}},
    {"masked_select sizes", masked_select_sizes, WK_ERROR_SHAPE, "masked_select", {"operand 2"}},
    {"masked_scatter few",
     masked_scatter_few,
     WK_ERROR_SHAPE,
     "masked_scatter",
     {"6 true elements", "only 5"}},
    {"embedding index",
     embedding_index,
     WK_ERROR_INDEX,
     "embedding",
     {"index -1 at [0]", "0 .. 2"}},
    {"embedding rank", embedding_rank, WK_ERROR_SHAPE, "embedding", {"[rows, width]"}},
    {"embedding padding", embedding_padding, WK_ERROR_INDEX, "embedding", {"padding_index 3"}},
    {"embedding norm", embedding_norm, WK_ERROR_STATE, "embedding", {"in place", "negative"}},
    {"embedding_bag last", embedding_bag_last, WK_ERROR_SHAPE, "embedding_bag", {"[bags + 1]"}},
    {"embedding_bag index", embedding_bag_index, WK_ERROR_INDEX, "embedding_bag", {"-1"}},
    {"embedding_bag offsets",
     embedding_bag_offsets,
     WK_ERROR_INDEX,
     "embedding_bag",
     {"offset 1 at [0]"}},
    {"embedding_bag shape", embedding_bag_shape, WK_ERROR_SHAPE, "embedding_bag", {"offsets"}},
    {"segment_sum rank", segment_sum_rank, WK_ERROR_SHAPE, "segment_sum", {"one-dimensional"}},
    {"put index", put_index, WK_ERROR_INDEX, "put", {"6 at [0]", "-6 .. 5"}},
    {"vstack sizes", vstack_sizes, WK_ERROR_SHAPE, "vstack", {"tensor 2"}},
    {"hstack none", hstack_none, WK_ERROR_ARGUMENT, "hstack", {"no tensors"}},
    {"diagonal_scatter sizes",
     diagonal_scatter_sizes,
     WK_ERROR_SHAPE,
     "diagonal_scatter",
     {"f32 [3]"}},
    {"segment_max count", segment_max_count, WK_ERROR_INDEX, "segment_max", {"index 5"}},
};

const wrong_call_table wrong_indexing = {calls, sizeof calls / sizeof *calls};
