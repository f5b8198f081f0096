/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <zlib.h>

#include "format/gzip.h"
#include "format/idx.h"
#include "support/temporary.h"

static const uint8_t good[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 11, 12, 20, 21, 22};

static size_t zip(const void *data, size_t size, uint8_t *to, size_t capacity) {
  z_stream s = {.next_in = (Bytef *)(uintptr_t)data,
                .avail_in = (uInt)size,
                .next_out = to,
                .avail_out = (uInt)capacity};
  assert_int_equal(deflateInit2(&s, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
  deflateEnd(&s);
  return capacity - s.avail_out;
}

static void expect_good(wk_idx *idx) {
  assert_int_equal(idx->shape.rank, 2);
  assert_int_equal(idx->shape.dims[0], 2);
  assert_int_equal(idx->shape.dims[1], 3);
  assert_memory_equal(idx->values, good + 12, 6);
  wk_idx_clear(idx);
}

static void expect_refused(const void *data, size_t size, wk_status status, const char *why) {
  wk_idx idx;
  assert_int_equal(wk_idx_parse(data, size, &idx), status);
  assert_null(idx.memory);
  assert_error_says(status, why);
}

static void reads_plain_and_gzip(void **state) {
  (void)state;
  uint8_t zipped[256];
  wk_idx idx;
  assert_int_equal(wk_idx_parse(good, sizeof good, &idx), WK_OK);
  assert_null(idx.memory); /* nothing is copied */
  expect_good(&idx);
  const size_t size = zip(good, sizeof good, zipped, sizeof zipped);
  assert_int_equal(wk_idx_parse(zipped, size, &idx), WK_OK);
  expect_good(&idx);
  assert_int_equal(wk_idx_load(temporary_file("a.idx", good, sizeof good), &idx), WK_OK);
  expect_good(&idx);
  assert_int_equal(wk_idx_load(temporary_file("a.idx.gz", zipped, size), &idx), WK_OK);
  expect_good(&idx);
}

static void refuses_every_prefix(void **state) {
  (void)state;
  uint8_t zipped[256];
  const size_t size = zip(good, sizeof good, zipped, sizeof zipped);
  wk_idx idx;
  for (size_t n = 0; n < sizeof good; n++) {
    assert_int_equal(wk_idx_parse(good, n, &idx), WK_ERROR_FORMAT);
    assert_error(WK_ERROR_FORMAT);
  }
  for (size_t n = 0; n < size; n++) {
    assert_int_equal(wk_idx_parse(zipped, n, &idx), WK_ERROR_FORMAT);
    assert_error(WK_ERROR_FORMAT);
  }
}

static void refuses_wrong_headers(void **state) {
  (void)state;
  uint8_t bytes[sizeof good + 1];
  memcpy(bytes, good, sizeof good);
  bytes[sizeof good] = 0;
  expect_refused(bytes, sizeof bytes, WK_ERROR_FORMAT, "announces 18 bytes, but there are 19");
  expect_refused("hello, world", 12, WK_ERROR_FORMAT, "not an IDX file");
  expect_refused("\0\0\x08\0", 4, WK_ERROR_FORMAT, "0 dimensions");
  expect_refused("\0\0\x08\x09", 4, WK_ERROR_FORMAT, "9 dimensions");
  expect_refused("\0\0\x0d\1\0\0\0\0", 8, WK_ERROR_UNSUPPORTED, "floating point");
  uint8_t huge[36] = {0, 0, 8, 8};
  memset(huge + 4, 0xff, 32);
  expect_refused(huge, sizeof huge, WK_ERROR_FORMAT, "too large");
  expect_refused("\0\0\x08\1\xff\xff\xff\xff", 8, WK_ERROR_FORMAT, "announces 4294967303 bytes");
}

/* A stream that would inflate to 64 MiB behind a header that announces 6 bytes. */
static void stops_a_bomb_early(void **state) {
  (void)state;
  const size_t size = (size_t)64 << 20;
  uint8_t *plain = test_calloc(size, 1), *zipped = test_malloc(1 << 20);
  memcpy(plain, good, 12);
  const size_t zipped_size = zip(plain, size, zipped, 1 << 20);
  expect_refused(zipped, zipped_size, WK_ERROR_FORMAT, "more than the expected 18 bytes");
  test_free(plain);
  test_free(zipped);
}

static void gunzip_checks_the_end(void **state) {
  (void)state;
  uint8_t zipped[600];
  void *result;
  size_t result_size;
  const size_t size = zip(good, sizeof good, zipped, 256);
  memcpy(zipped + size, zipped, size); /* two members */
  memset(zipped + 2 * size, 0, 40);    /* and padding */
  assert_int_equal(wk_gunzip(zipped, 2 * size + 40, 1000, &result, &result_size), WK_OK);
  assert_int_equal(result_size, 2 * sizeof good);
  assert_memory_equal((char *)result + sizeof good, good, sizeof good);
  wk_deallocate(result);
  zipped[2 * size + 39] = 1;
  assert_int_equal(wk_gunzip(zipped, 2 * size + 40, 1000, &result, &result_size), WK_ERROR_FORMAT);
  assert_null(result);
  assert_error(WK_ERROR_FORMAT);
  zipped[size - 5] ^= 1; /* the checksum */
  assert_int_equal(wk_gunzip(zipped, size, 1000, &result, &result_size), WK_ERROR_FORMAT);
  assert_error(WK_ERROR_FORMAT);
}

static bool load_zipped(void *path) {
  wk_idx idx;
  const bool good_load = wk_idx_load(path, &idx) == WK_OK;
  wk_idx_clear(&idx);
  return good_load;
}

static void survives_without_memory(void **state) {
  (void)state;
  uint8_t zipped[256];
  const size_t size = zip(good, sizeof good, zipped, sizeof zipped);
  char path[512];
  strcpy(path, temporary_file("memory.gz", zipped, size));
  assert_true(fail_each_allocation(load_zipped, path) >= 4);
}

static void missing_files_are_not_found(void **state) {
  (void)state;
  wk_idx idx;
  assert_int_equal(wk_idx_load(temporary_path("none"), &idx), WK_ERROR_NOT_FOUND);
  assert_error_says(WK_ERROR_NOT_FOUND, "none");
  assert_int_equal(wk_idx_load(temporary_file("bad", "bad", 3), &idx), WK_ERROR_FORMAT);
  assert_error_says(WK_ERROR_FORMAT, "cannot read the IDX file");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_plain_and_gzip),    cmocka_unit_test(refuses_every_prefix),
      cmocka_unit_test(refuses_wrong_headers),   cmocka_unit_test(stops_a_bomb_early),
      cmocka_unit_test(gunzip_checks_the_end),   cmocka_unit_test(missing_files_are_not_found),
      cmocka_unit_test(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
