/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <math.h>

#include "device/host_memory.h"
#include "tensor/tensor.h"

/* A device whose memory is only reached by copies, as a graphics processor's. */
static wk_device far_device;

static int start(void **state) {
  (void)state;
  far_device = (wk_device){.name = "far",
                           .index = 9,
                           .host_memory = false,
                           .functions = &wk_host_device_functions,
                           .stream = {&far_device}};
  return wk_host_allocator_set(WK_HOST_GUARD);
}

static int finish(void **state) {
  (void)state;
  for (int i = 0; i < wk_device_count(); i++) {
    wk_memory_statistics s = {.struct_size = sizeof s};
    wk_memory_statistics_get(wk_device_get(wk_device_name_at(i)), &s);
    if (s.active) return -1;
  }
  wk_shutdown();
  return wk_host_guard_damage() ? -1 : 0;
}

static const float six[] = {1, 2, 3, 4, 5, 6};

/* A view of `tensor`'s root, in the scope. */
static wk_tensor *view(wk_tensor *tensor, wk_shape shape, const int64_t *strides, int64_t offset) {
  wk_layout layout;
  assert_true(wk_layout_contiguous(&layout, tensor->layout.dtype, &shape));
  memcpy(layout.strides, strides, (size_t)shape.rank * sizeof *strides);
  return wk_scope_add(wk_tensor_on_root(tensor->root, &layout, offset));
}

static void dtypes_have_names_and_sizes(void **state) {
  (void)state;
  static const wk_dtype dtypes[] = {WK_F32, WK_F64, WK_I64, WK_I32, WK_U8, WK_BOOL};
  static const char *const names[] = {"f32", "f64", "i64", "i32", "u8", "bool"};
  static const size_t sizes[] = {4, 8, 8, 4, 1, 1};
  for (size_t i = 0; i < COUNT_OF(dtypes); i++) {
    assert_string_equal(wk_dtype_name(dtypes[i]), names[i]);
    assert_int_equal(wk_dtype_size(dtypes[i]), sizes[i]);
  }
  assert_int_equal(wk_dtype_size((wk_dtype)99), 0);
  assert_int_equal(wk_dtype_size((wk_dtype)-1), 0);
  assert_string_equal(wk_dtype_name((wk_dtype)99), "unknown");
}

static void layouts_are_checked(void **state) {
  (void)state;
  wk_layout layout;
  assert_true(wk_layout_contiguous(&layout, WK_DTYPE_DEFAULT, &WK_SHAPE(2, 0, 3)));
  assert_int_equal(layout.dtype, WK_F32);
  assert_int_equal(wk_layout_count(&layout), 0);
  assert_true(wk_layout_is_contiguous(&layout));
  assert_false(wk_layout_contiguous(&layout, WK_F32, &WK_SHAPE(2, -1)));
  assert_error_says(WK_ERROR_SHAPE, "dimension 1 is -1");
  assert_false(wk_layout_contiguous(&layout, WK_F32, &(wk_shape){.rank = 9}));
  assert_error(WK_ERROR_SHAPE);
  assert_false(wk_layout_contiguous(&layout, (wk_dtype)42, &WK_SHAPE(2)));
  assert_error(WK_ERROR_DTYPE);
  const int64_t large = (int64_t)1 << 40;
  assert_false(wk_layout_contiguous(&layout, WK_F32, &WK_SHAPE(large, large)));
  assert_error_says(WK_ERROR_SHAPE, "larger than any memory");
  assert_false(wk_layout_contiguous(&layout, WK_F32, &WK_SHAPE(large, 0, large)));
  assert_error(WK_ERROR_SHAPE);
}

static void axes_count_from_both_ends(void **state) {
  (void)state;
  assert_int_equal(wk_axis_resolve(0, 3), 0);
  assert_int_equal(wk_axis_resolve(-1, 3), 2);
  assert_int_equal(wk_axis_resolve(-3, 3), 0);
  assert_int_equal(wk_axis_resolve(3, 3), -1);
  assert_error_says(WK_ERROR_ARGUMENT, "axis 3 is not between -3 and 2");
  assert_int_equal(wk_axis_resolve(0, 0), -1);
  assert_error(WK_ERROR_ARGUMENT);
}

static void tensors_answer(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *t = wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, six, NULL);
  assert_int_equal(wk_tensor_rank(t), 2);
  assert_int_equal(wk_tensor_count(t), 6);
  assert_int_equal(wk_tensor_dim(t, -1), 3);
  assert_int_equal(wk_tensor_dim(t, 2), 0);
  assert_int_equal(wk_tensor_stride(t, 0), 3);
  assert_int_equal(wk_tensor_shape(t).dims[1], 3);
  assert_true(wk_tensor_is_contiguous(t));
  assert_ptr_equal(wk_tensor_device(t), wk_device_get("cpu"));
  assert_string_equal(wk_tensor_name(t), "");
  char text[64];
  assert_int_equal(wk_tensor_describe(t, text, sizeof text), 10);
  assert_string_equal(text, "f32 [2, 3]");
  /* NULL is the answer of a failed call, and may be asked too */
  assert_int_equal(wk_tensor_count(NULL), 0);
  assert_int_equal(wk_tensor_dim(NULL, 0), 0);
  assert_int_equal(wk_tensor_describe(NULL, text, sizeof text), 0);
  assert_null(wk_tensor_device(NULL));
  assert_no_error();
}

static void values_go_in_and_out(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *t = wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, six, NULL);
  float back[6] = {0};
  assert_int_equal(wk_tensor_read(t, back, sizeof back), WK_OK);
  assert_memory_equal(back, six, sizeof six);
  const float other[] = {9, 8, 7, 6, 5, 4};
  const unsigned version = t->root->version;
  assert_int_equal(wk_tensor_write(t, other, sizeof other), WK_OK);
  assert_int_equal(t->root->version, version + 1);
  wk_tensor_read(t, back, sizeof back);
  assert_memory_equal(back, other, sizeof other);
  wk_tensor *empty = wk_tensor_from_data(WK_SHAPE(0, 4), WK_I64, NULL, NULL);
  assert_non_null(empty);
  assert_int_equal(wk_tensor_read(empty, NULL, 0), WK_OK);
  assert_int_equal(wk_tensor_write(empty, NULL, 0), WK_OK);
  assert_no_error();
}

static void check_strided(wk_tensor *t) {
  const float transposed[] = {1, 4, 2, 5, 3, 6}, backwards[] = {6, 5, 4}, one = 2;
  float back[6];
  wk_tensor *v = view(t, WK_SHAPE(3, 2), (int64_t[]){1, 3}, 0);
  assert_false(wk_tensor_is_contiguous(v));
  assert_int_equal(wk_tensor_read(v, back, sizeof back), WK_OK);
  assert_memory_equal(back, transposed, sizeof transposed);
  wk_tensor *r = view(t, WK_SHAPE(3), (int64_t[]){-1}, 5);
  assert_int_equal(wk_tensor_read(r, back, sizeof backwards), WK_OK);
  assert_memory_equal(back, backwards, sizeof backwards);
  wk_tensor *b = view(t, WK_SHAPE(2, 2), (int64_t[]){0, 0}, 1);
  assert_int_equal(wk_tensor_read(b, back, 4 * sizeof one), WK_OK);
  for (int i = 0; i < 4; i++) assert_true(back[i] == one);
  /* a write through a view is seen by all, and touches nothing else */
  const float column[] = {10, 20}, after[] = {1, 10, 3, 4, 20, 6};
  wk_tensor *c = view(t, WK_SHAPE(2), (int64_t[]){3}, 1);
  assert_int_equal(wk_tensor_write(c, column, sizeof column), WK_OK);
  assert_int_equal(wk_tensor_read(t, back, sizeof back), WK_OK);
  assert_memory_equal(back, after, sizeof after);
  assert_no_error();
}

static void strided_views_are_gathered(void **state) {
  (void)state;
  WK_SCOPE;
  check_strided(wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, six, NULL));
  check_strided(wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, six, &far_device));
}

static void mistakes_are_named(void **state) {
  (void)state;
  float back[6];
  assert_null(wk_tensor_from_data(WK_SHAPE(6), WK_F32, six, NULL));
  assert_error_says(WK_ERROR_STATE, "WK_SCOPE");
  WK_SCOPE;
  assert_null(wk_tensor_from_data(WK_SHAPE(6), WK_F32, NULL, NULL));
  assert_error_says(WK_ERROR_ARGUMENT, "the buffer for f32 [6] is NULL");
  wk_tensor *t = wk_tensor_from_data(WK_SHAPE(6), WK_F32, six, NULL);
  assert_int_equal(wk_tensor_read(t, back, 20), WK_ERROR_ARGUMENT);
  assert_error_says(WK_ERROR_ARGUMENT, "has 20 bytes, but f32 [6] takes exactly 24");
  assert_int_equal(wk_tensor_read(NULL, back, 20), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  assert_true(isnan(wk_item(t)));
  assert_error_says(WK_ERROR_SHAPE, "not f32 [6]");
  assert_true(isnan(wk_item(NULL)));
  assert_error(WK_ERROR_ARGUMENT);
  wk_fail(WK_ERROR_INDEX, "pending");
  assert_int_equal(wk_tensor_read(t, back, sizeof back), WK_ERROR_INDEX);
  assert_int_equal(wk_tensor_write(t, back, sizeof back), WK_ERROR_INDEX);
  assert_null(wk_tensor_from_data(WK_SHAPE(6), WK_F32, six, NULL));
  assert_null(wk_tensor_to(t, NULL));
  assert_true(isnan(wk_item(t)));
  assert_int_equal(wk_tensor_count(t), 6);
  assert_error(WK_ERROR_INDEX);
}

static void recorded_leaves_are_not_written(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *t = wk_tensor_from_data(WK_SHAPE(6), WK_F32, six, NULL);
  t->requires_gradient = true;
  assert_int_equal(wk_tensor_write(t, six, sizeof six), WK_ERROR_STATE);
  assert_error_says(WK_ERROR_STATE, "requires a gradient");
  assert_int_equal(t->root->version, 0);
  wk_gradients_recorded = false;
  assert_int_equal(wk_tensor_write(t, six, sizeof six), WK_OK);
  wk_gradients_recorded = true;
  assert_int_equal(t->root->version, 1);
}

static void items_are_numbers(void **state) {
  (void)state;
  WK_SCOPE;
  const double f64 = -0.125;
  const int64_t i64 = -7;
  const int32_t i32 = 123456;
  const uint8_t u8 = 200;
  assert_true(wk_item(wk_tensor_from_data(WK_SCALAR, WK_F32, six + 4, NULL)) == 5);
  assert_true(wk_item(wk_tensor_from_data(WK_SHAPE(1, 1), WK_F64, &f64, NULL)) == f64);
  assert_true(wk_item(wk_tensor_from_data(WK_SCALAR, WK_I64, &i64, NULL)) == -7);
  assert_true(wk_item(wk_tensor_from_data(WK_SCALAR, WK_I32, &i32, NULL)) == 123456);
  assert_true(wk_item(wk_tensor_from_data(WK_SCALAR, WK_U8, &u8, NULL)) == 200);
}

static void tensors_move_between_devices(void **state) {
  (void)state;
  WK_SCOPE;
  wk_device *reference = wk_device_get("reference"), *const path[] = {reference, &far_device, NULL};
  wk_tensor *t = wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, six, NULL);
  assert_ptr_equal(wk_tensor_to(t, NULL), t);
  assert_int_equal(t->references, 2);
  wk_tensor *moved = view(t, WK_SHAPE(3, 2), (int64_t[]){1, 3}, 0);
  for (size_t i = 0; i < COUNT_OF(path); i++) {
    moved = wk_tensor_to(moved, path[i]);
    assert_ptr_equal(wk_tensor_device(moved), wk_device_or_default(path[i]));
    assert_true(wk_tensor_is_contiguous(moved));
  }
  const float transposed[] = {1, 4, 2, 5, 3, 6};
  float back[6];
  wk_tensor_read(moved, back, sizeof back);
  assert_memory_equal(back, transposed, sizeof transposed);
  assert_no_error();
}

static void owners_are_counted(void **state) {
  (void)state;
  wk_tensor *kept;
  {
    WK_SCOPE;
    kept = wk_tensor_retain(wk_tensor_from_data(WK_SHAPE(6), WK_F32, six, NULL));
    assert_int_equal(kept->references, 2);
  }
  assert_int_equal(kept->references, 1);
  assert_int_equal(wk_tensor_count(kept), 6);
  wk_tensor_release(kept);
  assert_null(wk_tensor_retain(NULL));
  wk_tensor_release(NULL);
}

static int storages_destroyed;
static float foreign[] = {1, 2, 3};
static void count_destroyed(wk_storage *storage) { storages_destroyed += storage->size == 12; }

static void foreign_memory_is_handed_back(void **state) {
  (void)state;
  wk_layout layout;
  wk_layout_contiguous(&layout, WK_F32, &WK_SHAPE(2));
  wk_storage *storage = wk_allocate(sizeof *storage);
  *storage = (wk_storage){.references = 1,
                          .device = wk_device_get("cpu"),
                          .data = (char *)foreign,
                          .size = sizeof foreign,
                          .destroy = count_destroyed};
  wk_tensor *t = wk_tensor_on_storage(storage, 4, &layout);
  wk_storage_release(storage);
  float back[2];
  wk_tensor_read(t, back, sizeof back);
  assert_true(back[0] == 2 && back[1] == 3);
  assert_int_equal(storages_destroyed, 0);
  wk_tensor_release(t);
  assert_int_equal(storages_destroyed, 1);
}

static bool use_tensors(void *context) {
  (void)context;
  WK_SCOPE;
  wk_tensor *t = wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, six, NULL);
  wk_tensor *moved = wk_tensor_to(t, &far_device);
  float back[6];
  char text[100];
  return wk_tensor_to(moved, NULL) && wk_tensor_text(moved, text, sizeof text) &&
         !wk_tensor_read(moved, back, sizeof back);
}

static void tensors_survive_lack_of_memory(void **state) {
  (void)state;
  assert_true(fail_each_allocation(use_tensors, NULL) > 12);
}

static void generators_count(void **state) {
  (void)state;
  wk_generator *g = wk_generator_create(5);
  uint64_t seed, offset;
  wk_generator_get(g, &seed, &offset);
  assert_true(seed == 5 && offset == 0);
  wk_generator_set(g, 6, 7);
  wk_generator_get(g, &seed, &offset);
  assert_true(seed == 6 && offset == 7);
  wk_generator_free(g);
  wk_generator_free(NULL);
  wk_generator_get(wk_generator_default(), &seed, &offset);
  assert_true(seed == 0 && offset == 0);
  wk_generator_free(wk_generator_default());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(dtypes_have_names_and_sizes),
      cmocka_unit_test(layouts_are_checked),
      cmocka_unit_test(axes_count_from_both_ends),
      cmocka_unit_test(tensors_answer),
      cmocka_unit_test(values_go_in_and_out),
      cmocka_unit_test(strided_views_are_gathered),
      cmocka_unit_test(mistakes_are_named),
      cmocka_unit_test(recorded_leaves_are_not_written),
      cmocka_unit_test(items_are_numbers),
      cmocka_unit_test(tensors_move_between_devices),
      cmocka_unit_test(owners_are_counted),
      cmocka_unit_test(foreign_memory_is_handed_back),
      cmocka_unit_test(tensors_survive_lack_of_memory),
      cmocka_unit_test(generators_count),
  };
  return cmocka_run_group_tests(tests, start, finish);
}
