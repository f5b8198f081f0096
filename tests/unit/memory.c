/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/small.h"

static void requests_are_served(void **state) {
  (void)state;
  void *nothing = wk_allocate(0);
  assert_non_null(nothing);
  wk_deallocate(nothing);
  int *zeros = wk_allocate_zeroed(100, sizeof *zeros);
  for (int i = 0; i < 100; i++) assert_int_equal(zeros[i], 0);
  zeros = wk_reallocate(zeros, 200, sizeof *zeros);
  assert_int_equal(zeros[99], 0);
  wk_deallocate(zeros);
  void *aligned = wk_allocate_aligned(4096, 100);
  assert_int_equal((uintptr_t)aligned % 4096, 0);
  wk_deallocate(aligned);
  char *text = wk_duplicate_string("text");
  assert_string_equal(text, "text");
  errno = EPIPE;
  wk_deallocate(text);
  assert_int_equal(errno, EPIPE);
  wk_deallocate(NULL);
}

static void blocks_are_aligned(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 100, 5000, (2u << 20) - 1, 2u << 20, (5u << 20) + 1};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    char *block = wk_try_allocate_block(sizes[i]);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % (sizes[i] < 2u << 20 ? 64 : 2u << 20), 0);
    block[0] = block[sizes[i] - 1] = 'x';
    wk_deallocate_block(block, sizes[i]);
  }
  assert_null(wk_try_allocate_block(SIZE_MAX));
  assert_null(wk_try_allocate_block(SIZE_MAX / 2 - 100));
  assert_no_error();
}

static void overflow_is_refused(void **state) {
  (void)state;
  size_t size;
  int64_t count;
  assert_true(wk_multiply_size(3, 5, &size) && size == 15);
  assert_false(wk_multiply_size(SIZE_MAX / 2, 3, &size));
  assert_false(wk_add_size(SIZE_MAX, 1, &size));
  assert_false(wk_multiply_count(INT64_MAX, 2, &count));
  assert_null(wk_reallocate(NULL, SIZE_MAX / 2, 3));
  assert_error(WK_ERROR_MEMORY);
}

static void arrays_grow(void **state) {
  (void)state;
  short *array = NULL;
  size_t capacity = 0;
  for (size_t i = 0; i < 100; i++) {
    assert_true(wk_grow(&array, &capacity, i, sizeof *array));
    array[i] = (short)i;
  }
  for (size_t i = 0; i < 100; i++) assert_int_equal(array[i], i);
  assert_int_equal(capacity, 128);
  const short *before = array;
  wk_memory_fail_after(0);
  assert_false(wk_grow(&array, &capacity, 128, sizeof *array));
  assert_ptr_equal(array, before);
  assert_int_equal(capacity, 128);
  assert_error(WK_ERROR_MEMORY);
  wk_deallocate(array);
}

static void the_chosen_allocation_fails(void **state) {
  (void)state;
  wk_memory_fail_after(2);
  void *first = wk_allocate(1), *second = wk_allocate_zeroed(1, 1), *third = wk_allocate(1000);
  void *fourth = wk_allocate(1);
  assert_true(wk_memory_fail_after(-1) < 0);
  assert_true(first && second && !third && fourth);
  assert_error_says(WK_ERROR_MEMORY, "1000 bytes");
  wk_deallocate(first), wk_deallocate(second), wk_deallocate(fourth);
  wk_memory_fail_after(5);
  wk_deallocate(wk_allocate(1));
  assert_int_equal(wk_memory_fail_after(-1), 4);
}

static const size_t small_sizes[] = {1, 64, 65, 300, 1024, 1025, 5000};

static void *use_small(void *given) {
  void **objects = given;
  for (size_t i = 0; i < COUNT_OF(small_sizes); i++) {
    wk_small_deallocate(objects[i], small_sizes[i]); /* another thread's */
    void *object = wk_small_allocate(small_sizes[i]);
    if (object) memset(object, 1, small_sizes[i]);
    wk_small_deallocate(object, small_sizes[i]);
    objects[i] = wk_small_allocate(small_sizes[i]);
  }
  return NULL;
}

static void small_objects_go_from_thread_to_thread(void **state) {
  (void)state;
  void *objects[COUNT_OF(small_sizes)];
  for (size_t i = 0; i < COUNT_OF(small_sizes); i++) objects[i] = wk_small_allocate(small_sizes[i]);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, use_small, objects), 0);
  pthread_join(thread, NULL);
  for (size_t i = 0; i < COUNT_OF(small_sizes); i++) {
    assert_non_null(objects[i]);
    wk_small_deallocate(objects[i], small_sizes[i]);
    wk_memory_fail_after(0); /* also when one is kept */
    assert_null(wk_small_allocate(small_sizes[i]));
    assert_true(wk_memory_fail_after(-1) < 0);
    assert_error(WK_ERROR_MEMORY);
  }
  wk_small_deallocate(NULL, 64);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_served),
      cmocka_unit_test(blocks_are_aligned),
      cmocka_unit_test(overflow_is_refused),
      cmocka_unit_test(arrays_grow),
      cmocka_unit_test(the_chosen_allocation_fails),
      cmocka_unit_test(small_objects_go_from_thread_to_thread),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
