/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "device/device.h"
#include "device/host_memory.h"

#define MIB ((size_t)1 << 20)

static wk_device *device; /* one that nothing else uses */

static int start(void **state) {
  (void)state;
  device = wk_device_get("reference");
  return device && !wk_host_allocator_set(WK_HOST_POOL) ? 0 : -1;
}

static void *allocate(size_t size) {
  return device->functions->allocate(device, size, &device->stream);
}

static void release(void *memory, size_t size) {
  device->functions->free(device, memory, size, &device->stream);
}

static wk_memory_statistics statistics(void) {
  wk_memory_statistics s = {.struct_size = sizeof s};
  wk_memory_statistics_get(device, &s);
  return s;
}

static void devices_are_found(void **state) {
  (void)state;
  assert_true(wk_device_count() >= 2);
  for (int i = 0; i < wk_device_count(); i++) {
    wk_device *found = wk_device_get(wk_device_name_at(i));
    assert_string_equal(wk_device_name(found), wk_device_name_at(i));
    assert_int_equal(found->index, i);
  }
  assert_string_equal(wk_device_name_at(0), "cpu");
  assert_null(wk_device_name_at(-1));
  assert_null(wk_device_name_at(wk_device_count()));
  assert_string_equal(wk_device_name(NULL), "");
  assert_null(wk_device_get("abacus"));
  assert_error_says(WK_ERROR_NOT_FOUND, "hint: the devices are: cpu");
  assert_null(wk_device_get(NULL));
  assert_error(WK_ERROR_ARGUMENT);
}

static void blocks_are_reused(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 64, 65, 127, 128, 129, 4097, 3 * MIB, 5 * MIB + 1};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    wk_memory_trim(device);
    char *first = allocate(sizes[i]);
    assert_int_equal((uintptr_t)first % 64, 0);
    memset(first, 1, sizes[i]);
    release(first, sizes[i]);
    assert_true(statistics().cached >= sizes[i]);
    assert_true(statistics().cached <= sizes[i] + sizes[i] / 4 + 64);
    assert_ptr_equal(allocate(sizes[i]), first);
    assert_int_equal(statistics().cached, 0);
    release(first, sizes[i]);
  }
  wk_memory_trim(device);
  assert_int_equal(statistics().cached, 0);
}

static void requests_are_counted(void **state) {
  (void)state;
  const wk_memory_statistics before = statistics();
  assert_int_equal(before.active, 0);
  wk_memory_peak_reset(device);
  void *a = allocate(1000), *b = allocate(MIB);
  assert_int_equal(statistics().active, 1000 + MIB);
  release(b, MIB);
  assert_int_equal(statistics().active, 1000);
  assert_int_equal(statistics().peak, 1000 + MIB);
  wk_memory_peak_reset(device);
  assert_int_equal(statistics().peak, 1000);
  release(a, 1000);
  assert_int_equal(statistics().allocations, before.allocations + 2);
  release(NULL, 0);
  assert_int_equal(statistics().active, 0);
  wk_memory_statistics old = {.struct_size = offsetof(wk_memory_statistics, cached), .cached = 7};
  wk_memory_statistics_get(device, &old);
  assert_int_equal(old.cached, 7);
}

/* What one thread takes and another gives back. */
static void *release_all(void *blocks) {
  for (int i = 0; i < 200; i++) release(((void **)blocks)[i], 1000);
  release(allocate(1000), 1000);
  return NULL;
}

static void threads_count_together(void **state) {
  (void)state;
  void *blocks[200];
  for (int round = 0; round < 3; round++) {
    wk_memory_peak_reset(device);
    for (int i = 0; i < 200; i++) blocks[i] = allocate(1000);
    assert_int_equal(statistics().active, 200000);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, release_all, blocks), 0);
    pthread_join(thread, NULL);
    assert_int_equal(statistics().active, 0);
    assert_true(statistics().peak >= 200000 && statistics().peak <= 201000);
  }
}

static void the_cache_is_bounded(void **state) {
  (void)state;
  wk_memory_trim(device);
  void *blocks[20];
  for (size_t i = 0; i < COUNT_OF(blocks); i++) blocks[i] = allocate(20 * MIB);
  for (size_t i = 0; i < COUNT_OF(blocks); i++) release(blocks[i], 20 * MIB);
  assert_true(statistics().cached <= 400 * MIB); /* as much as was once active */
  /* What was used longest ago goes first, so that a program's present sizes are the ones kept. */
  for (size_t i = 0; i < COUNT_OF(blocks); i++) blocks[i] = allocate(14 * MIB);
  for (size_t i = 0; i < COUNT_OF(blocks); i++) release(blocks[i], 14 * MIB);
  assert_true(statistics().cached <= 400 * MIB);
  assert_ptr_equal(allocate(14 * MIB), blocks[COUNT_OF(blocks) - 1]);
  release(blocks[COUNT_OF(blocks) - 1], 14 * MIB);
  wk_memory_trim(device);
}

/* Sizes that are not asked for any more are not kept for ever: small ones for a while, large ones
 * for a long while. What is used again and again stays. */
static void unneeded_blocks_go_back(void **state) {
  (void)state;
  wk_memory_trim(device);
  void *small = allocate(100000), *large = allocate(4 * MIB);
  release(small, 100000);
  release(large, 4 * MIB);
  for (int i = 0; i < 2048; i++) release(allocate(1000), 1000);
  assert_true(statistics().cached < 4 * MIB + 100000);
  assert_true(statistics().cached >= 4 * MIB);
  for (int i = 0; i < 40000; i++) release(allocate(1000), 1000);
  assert_true(statistics().cached >= 1000 && statistics().cached < 2000);
  wk_memory_trim(device);
}

static void lack_of_memory_is_an_error(void **state) {
  (void)state;
  void *kept = allocate(5000), *cached = allocate(MIB);
  release(cached, MIB);
  assert_null(allocate(SIZE_MAX / 4));
  assert_error_says(WK_ERROR_MEMORY, "4.00 EiB requested on device reference");
  assert_int_equal(statistics().cached, 0); /* it had been given back in vain */
  assert_null(allocate(SIZE_MAX));
  assert_error(WK_ERROR_MEMORY);
  assert_int_equal(statistics().active, 5000);
  wk_memory_fail_after(0);
  assert_null(allocate(100));
  wk_memory_fail_after(-1);
  assert_error_says(WK_ERROR_MEMORY, "100 bytes requested");
  wk_memory_fail_after(1); /* the system's refusal alone is overcome */
  void *memory = allocate(777);
  assert_true(wk_memory_fail_after(-1) < 0);
  assert_non_null(memory);
  release(memory, 777);
  release(kept, 5000);
  assert_no_error();
}

static void guards_see_writes_outside(void **state) {
  (void)state;
  assert_int_equal(wk_host_allocator_set(WK_HOST_GUARD), WK_OK);
  const int64_t before = wk_host_guard_damage();
  static const size_t sizes[] = {0, 1, 100, 3 * MIB};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    const size_t size = sizes[i];
    char *memory = allocate(size);
    assert_int_equal((uintptr_t)memory % 64, 0);
    memset(memory, 0, size);
    release(memory, size);
    assert_int_equal(wk_host_guard_damage(), before + 3 * (int64_t)i);
    static const int64_t outside[] = {-1, 0, 63};
    for (size_t j = 0; j < COUNT_OF(outside); j++) {
      memory = allocate(size);
      memory[outside[j] < 0 ? outside[j] : (int64_t)size + outside[j]] = 0;
      release(memory, size);
      assert_int_equal(wk_host_guard_damage(), before + 3 * (int64_t)i + (int64_t)j + 1);
    }
  }
  assert_int_equal(statistics().cached, 0);
  assert_int_equal(wk_host_allocator_set(WK_HOST_POOL), WK_OK);
}

static void the_allocator_stays_while_in_use(void **state) {
  (void)state;
  void *memory = allocate(10);
  assert_int_equal(wk_host_allocator_set(WK_HOST_SYSTEM), WK_ERROR_STATE);
  assert_error(WK_ERROR_STATE);
  assert_int_equal(wk_host_allocator_get(), WK_HOST_POOL);
  release(memory, 10);
  assert_int_equal(wk_host_allocator_set(WK_HOST_SYSTEM), WK_OK);
  memory = allocate(10);
  release(memory, 10);
  assert_int_equal(statistics().cached, 0);
  assert_int_equal(wk_host_allocator_set(WK_HOST_POOL), WK_OK);
}

static void *allocate_often(void *argument) {
  atomic_int *mistakes = argument;
  char *held[16] = {0};
  size_t sizes[16] = {0};
  for (unsigned i = 0; i < 20000; i++) {
    const unsigned slot = i * 7 % 16;
    if (held[slot] && (held[slot][0] != (char)slot || held[slot][sizes[slot] - 1] != (char)slot))
      atomic_fetch_add(mistakes, 1);
    release(held[slot], sizes[slot]);
    sizes[slot] = 2 + i * 37 % 3000;
    held[slot] = allocate(sizes[slot]);
    held[slot][0] = held[slot][sizes[slot] - 1] = (char)slot;
  }
  for (int i = 0; i < 16; i++) release(held[i], sizes[i]);
  return NULL;
}

static void threads_share_the_pool(void **state) {
  (void)state;
  atomic_int mistakes = 0;
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, allocate_often, &mistakes);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  assert_int_equal(mistakes, 0);
  assert_int_equal(statistics().active, 0);
  wk_shutdown();
  assert_int_equal(statistics().cached, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(devices_are_found),
      cmocka_unit_test(blocks_are_reused),
      cmocka_unit_test(requests_are_counted),
      cmocka_unit_test(threads_count_together),
      cmocka_unit_test(the_cache_is_bounded),
      cmocka_unit_test(unneeded_blocks_go_back),
      cmocka_unit_test(lack_of_memory_is_an_error),
      cmocka_unit_test(guards_see_writes_outside),
      cmocka_unit_test(the_allocator_stays_while_in_use),
      cmocka_unit_test(threads_share_the_pool),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
