/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include <wick/data.h>

/* ---- a set of our own: example i is {i, 2 i} with label i ---- */

typedef struct counting {
  int64_t fails_at; /* -1: never */
  bool silently;
  atomic_int destroyed;
  atomic_bool other_thread, takes_signals;
  pthread_t creator;
} counting;

static wk_status get(void *context, int64_t index, void *input, int64_t *label) {
  counting *c = context;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  c->other_thread = !pthread_equal(pthread_self(), c->creator);
  c->takes_signals = !sigismember(&mask, SIGINT);
  if (index == c->fails_at)
    return c->silently ? WK_ERROR_IO : wk_error_set(WK_ERROR_IO, "disk %d is on fire", 3);
  const float values[2] = {(float)index, (float)(2 * index)};
  memcpy(input, values, sizeof values);
  *label = index;
  return WK_OK;
}

static void destroy(void *context) { ((counting *)context)->destroyed++; }

static wk_dataset *make_set(counting *c, int64_t count) {
  *c = (counting){.fails_at = -1, .creator = pthread_self()};
  wk_dataset *set =
      wk_dataset_create(&(wk_dataset_functions){.struct_size = sizeof(wk_dataset_functions),
                                                .get = get,
                                                .destroy = destroy,
                                                .count = count,
                                                .shape = WK_SHAPE(2)},
                        c);
  assert_no_error();
  return set;
}

/* Reads the next batch's labels, checking the inputs; returns how many there are, or the status. */
static int64_t read_next(wk_loader *loader, int64_t *labels, size_t most) {
  wk_tensors batch;
  const wk_status status = wk_loader_next(loader, &batch);
  if (status != WK_OK) {
    assert_int_equal(batch.count, 0);
    return status < 0 ? (int64_t)status : 0;
  }
  float inputs[64];
  const int64_t n = wk_tensor_dim(batch.item[0], 0);
  assert_true((size_t)n <= most && n <= 32);
  assert_int_equal(batch.count, 2);
  assert_int_equal(wk_tensor_dtype(batch.item[0]), WK_F32);
  assert_int_equal(wk_tensor_dim(batch.item[1], 0), n);
  assert_int_equal(wk_tensor_read(batch.item[0], inputs, (size_t)n * 8), WK_OK);
  assert_int_equal(wk_tensor_read(batch.item[1], labels, (size_t)n * 8), WK_OK);
  for (int64_t i = 0; i < n; i++)
    assert_true(inputs[2 * i] == (float)labels[i] && inputs[2 * i + 1] == (float)(2 * labels[i]));
  return n;
}

/* ---- tests ---- */

static void walks_in_order(void **state) {
  (void)state;
  counting c;
  wk_dataset *set = make_set(&c, 10);
  wk_loader *loader = wk_loader_create(set, .batch_size = 4);
  wk_loader *dropping = wk_loader_create(set, .batch_size = 4, .drop_last = true);
  assert_int_equal(wk_loader_batch_count(loader), 3);
  assert_int_equal(wk_loader_batch_count(dropping), 2);
  assert_ptr_equal(wk_loader_dataset(loader), set);
  for (int epoch = 0; epoch < 3; epoch++) {
    const int64_t sizes[] = {4, 4, 2, 0};
    int64_t labels[4], expected = 0, at_epoch, at_batch;
    for (int batch = 0; batch < 4; batch++) {
      wk_loader_position(loader, &at_epoch, &at_batch);
      assert_true(at_epoch == epoch && at_batch == batch);
      const int64_t n = read_next(loader, labels, 4);
      assert_int_equal(n, sizes[batch]);
      for (int64_t i = 0; i < n; i++) assert_int_equal(labels[i], expected++);
    }
  }
  assert_true(c.other_thread && !c.takes_signals);
  int64_t labels[4];
  assert_int_equal(read_next(dropping, labels, 4), 4);
  assert_int_equal(read_next(dropping, labels, 4), 4);
  assert_int_equal(read_next(dropping, labels, 4), 0);
  wk_loader_free(loader);
  wk_loader_free(dropping);
  wk_dataset_free(set);
  assert_int_equal(c.destroyed, 1);
}

/* All labels of some epochs, ends of epochs as -1. */
static size_t collect(wk_loader *loader, int epochs, int64_t *all) {
  size_t count = 0;
  while (epochs > 0) {
    const int64_t n = read_next(loader, all + count, 32);
    assert_true(n >= 0);
    count += (size_t)n;
    if (n == 0) {
      all[count++] = -1;
      epochs--;
    }
  }
  return count;
}

static void shuffles_by_seed_and_epoch_alone(void **state) {
  (void)state;
  counting c;
  wk_dataset *set = make_set(&c, 100);
  wk_loader *a = wk_loader_create(set, .batch_size = 7, .shuffle = true, .seed = 11);
  wk_loader *b =
      wk_loader_create(set, .batch_size = 7, .shuffle = true, .seed = 11, .no_prefetch = true);
  wk_loader *other = wk_loader_create(set, .batch_size = 7, .shuffle = true, .seed = 12);
  int64_t x[340], y[340], z[340];
  assert_int_equal(collect(a, 3, x), 303);
  assert_int_equal(collect(b, 3, y), 303);
  assert_int_equal(collect(other, 3, z), 303);
  assert_false(c.takes_signals);
  assert_memory_equal(x, y, 303 * sizeof *x);
  assert_memory_not_equal(x, z, 100 * sizeof *x);
  assert_memory_not_equal(x, x + 101, 100 * sizeof *x); /* another order each epoch */
  for (int epoch = 0; epoch < 3; epoch++) {
    bool seen[100] = {false};
    for (int i = 0; i < 100; i++) seen[x[101 * epoch + i]] = true;
    for (int i = 0; i < 100; i++) assert_true(seen[i]);
  }
  wk_loader_free(a);
  wk_loader_free(b);
  wk_loader_free(other);
  wk_dataset_free(set);
}

static void seek_continues_exactly(void **state) {
  (void)state;
  counting c;
  wk_dataset *set = make_set(&c, 50);
  for (int prefetch = 0; prefetch < 2; prefetch++) {
    wk_loader *loader = wk_loader_create(set, .batch_size = 8, .shuffle = true, .seed = 2,
                                         .no_prefetch = !prefetch);
    int64_t whole[120], rest[120], labels[32];
    const size_t count = collect(loader, 2, whole);
    for (int64_t batch = 0; batch <= 7; batch++) {
      assert_int_equal(wk_loader_seek(loader, 1, batch), WK_OK);
      const size_t begin = 51 + (size_t)(batch < 7 ? batch * 8 : 50);
      assert_int_equal(collect(loader, 1, rest), count - begin);
      assert_memory_equal(rest, whole + begin, (count - begin) * sizeof *rest);
    }
    assert_int_equal(read_next(loader, labels, 32), 8); /* somewhere in epoch 2 */
    assert_int_equal(wk_loader_seek(loader, 0, 0), WK_OK);
    assert_int_equal(read_next(loader, labels, 32), 8);
    assert_memory_equal(labels, whole, 8 * sizeof *labels);
    wk_loader_seek(loader, 0, 8);
    assert_error(WK_ERROR_ARGUMENT);
    wk_loader_free(loader);
  }
  wk_dataset_free(set);
}

static void errors_reach_the_caller(void **state) {
  (void)state;
  counting c;
  wk_dataset *set = make_set(&c, 40);
  for (int prefetch = 0; prefetch < 2; prefetch++) {
    wk_loader *loader = wk_loader_create(set, .batch_size = 8, .no_prefetch = !prefetch);
    int64_t labels[8], epoch, batch;
    c.fails_at = 20;
    assert_int_equal(read_next(loader, labels, 8), 8);
    assert_int_equal(read_next(loader, labels, 8), 8);
    assert_int_equal(read_next(loader, labels, 8), WK_ERROR_IO);
    assert_int_equal(read_next(loader, labels, 8), WK_ERROR_IO); /* still pending */
    assert_error_says(WK_ERROR_IO, "disk 3 is on fire");
    c.silently = true;
    assert_int_equal(read_next(loader, labels, 8), WK_ERROR_CALLBACK);
    assert_error_says(WK_ERROR_CALLBACK, "example 20");
    c.fails_at = -1, c.silently = false;
    wk_loader_position(loader, &epoch, &batch);
    assert_true(epoch == 0 && batch == 2);
    assert_int_equal(read_next(loader, labels, 8), 8); /* and goes on from there */
    assert_int_equal(labels[0], 16);
    wk_loader_free(loader);
  }
  wk_dataset_free(set);
}

/* A batch that somebody keeps, whole or as a view or from a scope, stays as it was. */
static void kept_batches_are_not_overwritten(void **state) {
  (void)state;
  counting c;
  wk_dataset *set = make_set(&c, 64);
  wk_loader *loader = wk_loader_create(set, .batch_size = 2);
  wk_tensor *kept[32];
  for (int i = 0; i < 32; i++) {
    wk_tensors batch;
    assert_int_equal(wk_loader_next(loader, &batch), WK_OK);
    kept[i] = i % 3 == 0 ? wk_tensor_retain(batch.item[1]) : NULL;
  }
  for (int i = 0; i < 32; i += 3) {
    int64_t labels[2];
    assert_int_equal(wk_tensor_read(kept[i], labels, sizeof labels), WK_OK);
    assert_true(labels[0] == 2 * i && labels[1] == 2 * i + 1);
    wk_tensor_release(kept[i]);
  }
  wk_loader_free(loader);
  wk_dataset_free(set);
}

static void memory_stays_flat(void **state) {
  (void)state;
  counting c;
  wk_dataset *set = make_set(&c, 64);
  wk_loader *loader = wk_loader_create(set, .batch_size = 8, .shuffle = true);
  wk_memory_statistics before = {.struct_size = sizeof before}, after = before;
  int64_t labels[8];
  for (int i = 0; i < 90; i++) {
    if (i == 18) wk_memory_statistics_get(wk_device_get("cpu"), &before);
    read_next(loader, labels, 8);
  }
  wk_memory_statistics_get(wk_device_get("cpu"), &after);
  assert_int_equal(after.allocations, before.allocations);
  wk_loader_free(loader);
  wk_dataset_free(set);
}

static void settings_are_checked(void **state) {
  (void)state;
  counting c;
  wk_dataset *set = make_set(&c, 5);
  assert_null(wk_loader_create(NULL));
  assert_error_says(WK_ERROR_ARGUMENT, "loader.c");
  assert_null(wk_loader_create(set, .batch_size = -1));
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(wk_loader_create(set, .drop_last = true));
  assert_error_says(WK_ERROR_ARGUMENT, "batch_size is 32");
  wk_loader_free(NULL);
  wk_loader *unused = wk_loader_create(set);
  wk_loader_free(unused);
  wk_dataset_free(set);
  counting never = {.fails_at = -1};
  wk_dataset_functions functions = {.struct_size = sizeof functions,
                                    .destroy = destroy,
                                    .count = 1};
  assert_null(wk_dataset_create(&functions, &never));
  assert_error(WK_ERROR_ARGUMENT);
  assert_int_equal(never.destroyed, 1);
}

static bool one_epoch(void *set) {
  wk_loader *loader = wk_loader_create(set, .batch_size = 4, .shuffle = true);
  wk_tensors batch;
  wk_status status = wk_error_status();
  while (status == WK_OK) status = wk_loader_next(loader, &batch);
  wk_loader_free(loader);
  return status == WK_END;
}

static void survives_without_memory(void **state) {
  (void)state;
  counting c;
  wk_dataset *set = make_set(&c, 10);
  assert_true(fail_each_allocation(one_epoch, set) >= 3);
  wk_dataset_free(set);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(walks_in_order),
      cmocka_unit_test(shuffles_by_seed_and_epoch_alone),
      cmocka_unit_test(seek_continues_exactly),
      cmocka_unit_test(errors_reach_the_caller),
      cmocka_unit_test(kept_batches_are_not_overwritten),
      cmocka_unit_test(memory_stays_flat),
      cmocka_unit_test(settings_are_checked),
      cmocka_unit_test(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
