/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/text.h"
#include "tensor/parameters.h"

/* An owned tensor filled with first, first + 1, ... */
static wk_tensor *make(const char *name, wk_dtype dtype, int64_t count, int first) {
  wk_layout layout;
  if (!wk_layout_contiguous(&layout, dtype, &WK_SHAPE(count))) return NULL;
  wk_tensor *tensor = wk_tensor_create(&layout, NULL);
  if (!tensor) return NULL;
  for (int64_t i = 0; i < count; i++) {
    if (dtype == WK_F32) ((float *)(void *)wk_tensor_data(tensor))[i] = (float)(first + i);
    if (dtype == WK_F64) ((double *)(void *)wk_tensor_data(tensor))[i] = (double)(first + i);
  }
  if (name && !(tensor->name = wk_intern(name))) return wk_tensor_release(tensor), NULL;
  return tensor;
}

/* Three f32 parameters around one f64. */
static wk_parameters *make_set(void) {
  wk_parameters *set = wk_parameters_create();
  if (!set) return NULL;
  wk_parameters_add(set, make("a", WK_F32, 5, 10));
  wk_parameters_add(set, make("b", WK_F32, 16, 20));
  wk_parameters_add(set, make("d", WK_F64, 3, 40));
  wk_parameters_add(set, make("c", WK_F32, 1, 50));
  return set;
}

static int nothing_is_left(void **state) {
  (void)state;
  wk_memory_statistics s = {.struct_size = sizeof s};
  wk_memory_statistics_get(wk_device_get("cpu"), &s);
  return s.active || wk_error_status() ? -1 : 0;
}

static void a_set_answers(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  assert_int_equal(wk_parameters_count(set), 4);
  assert_int_equal(wk_parameters_element_count(set), 25);
  assert_string_equal(wk_tensor_name(wk_parameters_get(set, 2)), "d");
  assert_null(wk_parameters_get(set, 4));
  assert_ptr_equal(wk_parameters_find(set, "c"), wk_parameters_get(set, 3));
  assert_null(wk_parameters_find(set, "e"));
  assert_null(wk_parameters_find(set, NULL));
  assert_true(wk_parameters_get(set, 0)->requires_gradient);
  assert_int_equal(wk_parameters_count(NULL), 0);
  assert_null(wk_parameters_get(NULL, 0));
  assert_int_equal(wk_parameters_freeze(set, 1, true), WK_OK);
  assert_true(wk_parameters_get(set, 1)->frozen);
  assert_int_equal(wk_parameters_freeze(set, 4, true), WK_ERROR_NOT_FOUND);
  assert_error(WK_ERROR_NOT_FOUND);
  wk_parameters_free(set);
  wk_parameters_free(NULL);
}

static void what_is_no_parameter_is_refused(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  assert_int_equal(wk_parameters_add(set, NULL), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  wk_parameters_add(set, make(NULL, WK_F32, 2, 0));
  assert_error_says(WK_ERROR_ARGUMENT, "needs a name");
  wk_parameters_add(set, make("a", WK_F32, 2, 0));
  assert_error_says(WK_ERROR_ARGUMENT, "two parameters called a");
  wk_parameters_add(set, make("index", WK_I64, 2, 0));
  assert_error_says(WK_ERROR_DTYPE, "i64");
  assert_int_equal(wk_parameters_lay_out(set), WK_OK);
  wk_parameters_add(set, make("late", WK_F32, 2, 0));
  assert_error_says(WK_ERROR_STATE, "laid out already");
  assert_int_equal(wk_parameters_lay_out(set), WK_ERROR_STATE);
  assert_error(WK_ERROR_STATE);
  assert_int_equal(wk_parameters_count(set), 4);
  wk_parameters_free(set);
}

static void values_move_into_chunks(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  wk_tensor *handles[4];
  for (size_t i = 0; i < 4; i++) handles[i] = wk_parameters_get(set, i);
  assert_int_equal(wk_parameters_lay_out(set), WK_OK);
  assert_int_equal(set->chunk_count, 2);
  assert_int_equal(set->chunks[0].count, 16 + 16 + 16);
  assert_int_equal(set->chunks[1].count, 8);
  static const double first[] = {10, 20, 40, 50};
  for (size_t i = 0; i < 4; i++) {
    wk_tensor *t = wk_parameters_get(set, i);
    assert_ptr_equal(t, handles[i]);
    assert_int_equal((uintptr_t)wk_tensor_data(t) % 64, 0);
    const wk_chunk *chunk = &set->chunks[set->segments[i].chunk];
    assert_ptr_equal(t->root->storage, chunk->values);
    const void *data = wk_tensor_data(t);
    const double value =
        chunk->dtype == WK_F32 ? (double)*(const float *)data : *(const double *)data;
    assert_true(value == first[i]);
  }
  assert_ptr_not_equal(handles[0]->root, handles[1]->root);
  /* the gaps hold zeros, so that whole runs may be computed on */
  const float *values = (const float *)(const void *)set->chunks[0].values->data;
  for (int i = 5; i < 16; i++) assert_true(values[i] == 0);
  wk_parameters_free(set);
}

typedef struct runs {
  size_t count, chunk[8];
  int64_t start[8], length[8];
  wk_status answer;
} runs;

static wk_status note_run(void *context, uint32_t group, size_t chunk, int64_t start,
                          int64_t count) {
  assert_int_equal(group, 0);
  runs *r = context;
  r->chunk[r->count] = chunk, r->start[r->count] = start, r->length[r->count] = count;
  r->count++;
  return r->answer;
}

static void check_run(const runs *r, size_t i, size_t chunk, int64_t start, int64_t length) {
  assert_true(i < r->count);
  assert_int_equal(r->chunk[i], chunk);
  assert_int_equal(r->start[i], start);
  assert_int_equal(r->length[i], length);
}

static void runs_are_maximal(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  wk_parameters_lay_out(set);
  runs r = {0};
  wk_parameters_each_run(set, NULL, note_run, &r);
  assert_int_equal(r.count, 0);
  for (size_t i = 0; i < 4; i++) {
    assert_non_null(wk_leaf_gradient(wk_parameters_get(set, i)));
    wk_parameters_get(set, i)->leaf->valid = true;
  }
  wk_parameters_each_run(set, NULL, note_run, &r);
  assert_int_equal(r.count, 2);
  check_run(&r, 0, 0, 0, 48);
  check_run(&r, 1, 1, 0, 8);
  wk_parameters_freeze(set, 1, true);
  r = (runs){0};
  wk_parameters_each_run(set, NULL, note_run, &r);
  assert_int_equal(r.count, 3);
  check_run(&r, 0, 0, 0, 16);
  check_run(&r, 1, 0, 32, 16);
  wk_parameters_get(set, 0)->leaf->valid = false;
  r = (runs){.answer = WK_ERROR_CALLBACK};
  assert_int_equal(wk_parameters_each_run(set, NULL, note_run, &r), WK_ERROR_CALLBACK);
  assert_int_equal(r.count, 1);
  check_run(&r, 0, 0, 32, 16);
  wk_parameters_free(set);
}

static void gradients_lie_beside_each_other(void **state) {
  (void)state;
  wk_parameters *set = make_set();
  wk_parameters_lay_out(set);
  assert_null(set->chunks[0].gradients);
  wk_tensor *b = wk_parameters_find(set, "b"), *gradient = wk_leaf_gradient(b);
  assert_ptr_equal(wk_leaf_gradient(b), gradient);
  assert_ptr_equal(gradient->root->storage, set->chunks[0].gradients);
  assert_int_equal(wk_tensor_data(gradient) - set->chunks[0].gradients->data, 64);
  assert_true(wk_layout_same_dims(&gradient->layout, &b->layout));
  assert_false(b->leaf->valid);
  assert_null(set->chunks[1].gradients);
  /* a view of the chunk is a tensor over the same bytes */
  wk_tensor *all = wk_chunk_view(&set->chunks[0], set->chunks[0].values, 16, 16);
  assert_ptr_equal(wk_tensor_data(all), wk_tensor_data(b));
  wk_parameters_mark_written(set, 0, 16, 16);
  assert_int_equal(b->root->version, 1);
  assert_int_equal(wk_parameters_find(set, "a")->root->version, 0);
  assert_int_equal(wk_parameters_find(set, "c")->root->version, 0);
  assert_int_equal(wk_parameters_find(set, "d")->root->version, 0);
  wk_tensor_release(all);
  /* whoever holds a parameter longer than its set may go on using it */
  wk_tensor_retain(b);
  wk_parameters_free(set);
  assert_ptr_equal(wk_leaf_gradient(b), gradient);
  assert_int_equal(wk_tensor_count(b), 16);
  wk_tensor_release(b);
  /* and a leaf without a set has a gradient of its own */
  wk_tensor *alone = make("alone", WK_F64, 4, 0);
  assert_int_equal(wk_tensor_dtype(wk_leaf_gradient(alone)), WK_F64);
  wk_tensor_release(alone);
}

static bool build_set(void *context) {
  (void)context;
  wk_parameters *set = make_set();
  bool good = set && !wk_failed() && !wk_parameters_lay_out(set);
  for (size_t i = 0; good && i < 4; i++) good = wk_leaf_gradient(wk_parameters_get(set, i));
  wk_parameters_free(set);
  wk_shutdown();
  return good;
}

static void sets_survive_lack_of_memory(void **state) {
  (void)state;
  assert_true(fail_each_allocation(build_set, NULL) > 30);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_set_answers, nothing_is_left),
      cmocka_unit_test_teardown(what_is_no_parameter_is_refused, nothing_is_left),
      cmocka_unit_test_teardown(values_move_into_chunks, nothing_is_left),
      cmocka_unit_test_teardown(runs_are_maximal, nothing_is_left),
      cmocka_unit_test_teardown(gradients_lie_beside_each_other, nothing_is_left),
      cmocka_unit_test_teardown(sets_survive_lack_of_memory, nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
