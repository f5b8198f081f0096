/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>

#include "tensor/tensor.h"

static size_t active(void) {
  wk_memory_statistics s = {.struct_size = sizeof s};
  wk_memory_statistics_get(wk_device_get("cpu"), &s);
  return s.active;
}

static wk_tensor *make(void) {
  const float value = 1;
  return wk_tensor_from_data(WK_SCALAR, WK_F32, &value, NULL);
}

static int nothing_is_left(void **state) {
  (void)state;
  return active() || wk_scope_count() || wk_scope_is_open() || wk_error_status() ? -1 : 0;
}

static int leave_early(int how) {
  for (int i = 0; i < 3; i++) {
    WK_SCOPE;
    make();
    if (how == 0) continue;
    if (how == 1) break;
    if (how == 2) return 1;
    if (how == 3) goto end;
  }
end:
  return 0;
}

static void every_way_out_closes(void **state) {
  (void)state;
  for (int how = 0; how < 4; how++) {
    leave_early(how);
    assert_int_equal(wk_scope_count(), 0);
    assert_int_equal(active(), 0);
  }
}

static wk_tensor *inner_function(void) {
  WK_SCOPE;
  make();
  wk_tensor *result = make();
  make();
  return wk_scope_return(result);
}

static void a_result_is_handed_up(void **state) {
  (void)state;
  {
    WK_SCOPE;
    make();
    wk_tensor *result = inner_function();
    assert_non_null(result);
    assert_int_equal(result->references, 1);
    assert_int_equal(wk_scope_count(), 2);
    assert_int_equal(active(), 2 * sizeof(float));
    assert_true(wk_item(result) == 1);
    {
      WK_SCOPE;
      wk_tensor *again = inner_function(), *second = make();
      assert_ptr_equal(wk_scope_return(second), second);
      assert_ptr_equal(wk_scope_return(again), again);
      assert_ptr_equal(wk_scope_return(again), again); /* twice is once */
    }
    assert_int_equal(wk_scope_count(), 4);
  }
  assert_int_equal(active(), 0);
}

static void one_entry_of_several_is_handed_up(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *t;
  {
    WK_SCOPE;
    t = make();
    wk_scope_add(wk_tensor_retain(t));
    assert_int_equal(t->references, 2);
    wk_scope_return(t);
  }
  assert_int_equal(t->references, 1);
  assert_int_equal(wk_scope_count(), 1);
}

static void what_cannot_be_handed_up(void **state) {
  (void)state;
  WK_SCOPE;
  assert_null(wk_scope_return(NULL));
  assert_no_error();
  wk_tensor *t = make();
  assert_null(wk_scope_return(t));
  assert_error_says(WK_ERROR_STATE, "no enclosing scope");
  {
    WK_SCOPE;
    assert_null(wk_scope_return(t));
    assert_error_says(WK_ERROR_STATE, "innermost");
    wk_tensor *own = make();
    wk_fail(WK_ERROR_INDEX, "pending");
    assert_null(wk_scope_return(own));
    assert_error(WK_ERROR_INDEX);
  }
}

static void closing_takes_inner_scopes_along(void **state) {
  (void)state;
  wk_scope outer = wk_scope_open();
  make();
  wk_scope middle = wk_scope_open();
  make();
  wk_scope inner = wk_scope_open();
  wk_scope_return(make());
  make();
  assert_int_equal(wk_scope_count(), 4);
  wk_scope_close(&middle);
  assert_int_equal(wk_scope_count(), 1);
  wk_scope_close(&inner); /* is closed already, as is this one */
  wk_scope_close(&middle);
  wk_scope_close(NULL);
  assert_int_equal(wk_scope_count(), 1);
  assert_true(wk_scope_is_open());
  wk_scope_close(&outer);
  assert_false(wk_scope_is_open());
}

static void without_a_scope_nothing_is_made(void **state) {
  (void)state;
  assert_null(make());
  assert_error_says(WK_ERROR_STATE, "no scope is open");
  assert_null(wk_scope_add(NULL));
  assert_no_error();
}

static void *leave_scopes_open(void *argument) {
  (void)argument;
  wk_scope_open();
  make();
  wk_scope_open();
  make();
  return NULL;
}

static void a_threads_end_closes_its_scopes(void **state) {
  (void)state;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, leave_scopes_open, NULL), 0);
  pthread_join(thread, NULL);
  assert_int_equal(active(), 0);
}

static bool nest_scopes(void *context) {
  (void)context;
  wk_scope scopes[20];
  for (int i = 0; i < 20; i++) {
    scopes[i] = wk_scope_open();
    make();
    if (i) wk_scope_return(make());
  }
  const bool good = !wk_failed();
  for (int i = 20; i-- > 0;) wk_scope_close(&scopes[i]);
  wk_shutdown(); /* frees the stack, so that the next attempt grows it anew */
  return good;
}

static void scopes_survive_lack_of_memory(void **state) {
  (void)state;
  assert_true(fail_each_allocation(nest_scopes, NULL) > 100);
}

static void releasing_may_use_scopes(wk_link *link) {
  for (int i = 0; i < 100; i++) {
    WK_SCOPE;
    for (int j = 0; j < 100; j++) make();
  }
  wk_deallocate(link);
}

static void a_release_may_open_scopes(void **state) {
  (void)state;
  WK_SCOPE;
  {
    WK_SCOPE;
    wk_tensor *t = make();
    t->link = wk_allocate(sizeof(wk_link));
    *t->link = (wk_link){.references = 1, .destroy = releasing_may_use_scopes};
    wk_scope_return(make());
    make();
  }
  assert_int_equal(wk_scope_count(), 1);
  assert_int_equal(active(), sizeof(float));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(every_way_out_closes, nothing_is_left),
      cmocka_unit_test_teardown(a_result_is_handed_up, nothing_is_left),
      cmocka_unit_test_teardown(one_entry_of_several_is_handed_up, nothing_is_left),
      cmocka_unit_test_teardown(what_cannot_be_handed_up, nothing_is_left),
      cmocka_unit_test_teardown(closing_takes_inner_scopes_along, nothing_is_left),
      cmocka_unit_test_teardown(without_a_scope_nothing_is_made, nothing_is_left),
      cmocka_unit_test_teardown(a_threads_end_closes_its_scopes, nothing_is_left),
      cmocka_unit_test_teardown(scopes_survive_lack_of_memory, nothing_is_left),
      cmocka_unit_test_teardown(a_release_may_open_scopes, nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
