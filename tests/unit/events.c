/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/file.h"
#include "format/crc32c.h"
#include "support/temporary.h"

#include <wick/format.h>

/* ---- a small reader ---- */

typedef struct event {
  double wall_time;
  int64_t step;
  char version[32];
  char tag[32];
  float value;
  bool is_scalar, is_start;
} event;

static uint64_t little_endian(const uint8_t *bytes, int size) {
  uint64_t value = 0;
  for (int i = 0; i < size; i++) value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

static uint64_t varint(const uint8_t **at) {
  uint64_t value = 0;
  int shift = 0;
  do value |= (uint64_t)(**at & 0x7f) << shift, shift += 7;
  while (*(*at)++ & 0x80);
  return value;
}

static void copy_text(char *to, const uint8_t *from, size_t size) {
  assert_true(size < 32);
  memcpy(to, from, size);
  to[size] = '\0';
}

/* Reads a message of any of the types in use: `path` says which, as the fields that lead to it. */
static void read_message(const uint8_t *at, const uint8_t *end, int path, event *e) {
  while (at < end) {
    const int key = (int)varint(&at), field = path * 10 + (key >> 3);
    uint64_t value = 0;
    if ((key & 7) == 0) {
      value = varint(&at);
    } else if ((key & 7) == 2) {
      value = varint(&at);
      at += value;
    } else {
      const int size = (key & 7) == 1 ? 8 : 4;
      value = little_endian(at, size);
      at += size;
    }
    if (field == 1) memcpy(&e->wall_time, &value, 8);
    if (field == 2) e->step = (int64_t)value;
    if (field == 3) copy_text(e->version, at - value, value);
    if (field == 5 || field == 51 || field == 7) read_message(at - value, at, field, e);
    if (field == 511) copy_text(e->tag, at - value, value);
    if (field == 512) memcpy(&e->value, &value, 4), e->is_scalar = true;
    if (field == 71) e->is_start = value == 1;
  }
  assert_ptr_equal(at, end);
}

/* Reads all frames of the only file in the folder; returns their number. */
static size_t read_events(const char *folder, event *events, size_t most) {
  char **names, *path;
  size_t name_count, size, count = 0;
  void *bytes;
  assert_int_equal(wk_folder_list(folder, &names, &name_count), WK_OK);
  assert_int_equal(name_count, 1);
  assert_memory_equal(names[0], "events.out.tfevents.", 20);
  path = wk_path_join(folder, names[0]);
  assert_int_equal(wk_file_read(path, 0, &bytes, &size), WK_OK);
  const uint8_t *at = bytes, *end = at + size;
  for (; at < end; count++) {
    assert_true(count < most && end - at >= 16);
    const size_t length = (size_t)little_endian(at, 8);
    assert_int_equal(little_endian(at + 8, 4), wk_crc32c_masked(at, 8));
    assert_true((size_t)(end - at) >= 16 + length);
    assert_int_equal(little_endian(at + 12 + length, 4), wk_crc32c_masked(at + 12, length));
    events[count] = (event){0};
    read_message(at + 12, at + 12 + length, 0, &events[count]);
    at += 16 + length;
  }
  wk_deallocate(bytes);
  wk_deallocate(path);
  wk_names_free(names, name_count);
  return count;
}

/* ---- tests ---- */

/* RFC 3720, B.4. */
static void checksums_are_crc32c(void **state) {
  (void)state;
  uint8_t bytes[32] = {0};
  assert_int_equal(wk_crc32c(bytes, 32), 0x8a9136aa);
  memset(bytes, 0xff, 32);
  assert_int_equal(wk_crc32c(bytes, 32), 0x62a8ab43);
  for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
  assert_int_equal(wk_crc32c(bytes, 32), 0x46dd794e);
  assert_int_equal(wk_crc32c("123456789", 9), 0xe3069283);
}

static void scalars_are_framed(void **state) {
  (void)state;
  char folder[512];
  strcpy(folder, temporary_path("deep/run"));
  wk_event_writer *writer = wk_event_writer_create(folder);
  assert_no_error();
  assert_int_equal(wk_event_writer_scalar(writer, "train/loss", 1, 2.5), WK_OK);
  assert_int_equal(wk_event_writer_scalar(writer, "train/loss", 300, 0.125), WK_OK);
  event events[8];
  assert_int_equal(read_events(folder, events, 8), 1); /* the others wait */
  assert_string_equal(events[0].version, "brain.Event:2");
  assert_int_equal(wk_event_writer_restart(writer, 200), WK_OK);
  assert_int_equal(wk_event_writer_scalar(writer, "test/accuracy", 201, 0.75), WK_OK);
  assert_int_equal(wk_event_writer_flush(writer), WK_OK);
  assert_int_equal(read_events(folder, events, 8), 5);
  assert_string_equal(events[1].tag, "train/loss");
  assert_int_equal(events[1].step, 1);
  assert_true(events[1].value == 2.5f && events[1].wall_time > 1e9);
  assert_int_equal(events[2].step, 300);
  assert_true(events[3].is_start && !events[3].is_scalar);
  assert_int_equal(events[3].step, 201); /* readers drop this step and later ones */
  assert_int_equal(events[4].step, 201);
  wk_event_writer_free(writer);
}

static void free_writes_the_rest(void **state) {
  (void)state;
  char folder[512];
  strcpy(folder, temporary_path("rest"));
  wk_event_writer *writer = wk_event_writer_create(folder);
  wk_event_writer_scalar(writer, "a", 0, 1);
  wk_error_set(WK_ERROR_STATE, "something else went wrong");
  assert_int_equal(wk_event_writer_scalar(writer, "a", 1, 1), WK_ERROR_STATE);
  wk_event_writer_free(writer);
  assert_error(WK_ERROR_STATE);
  event events[4];
  assert_int_equal(read_events(folder, events, 4), 2);
}

static void two_writers_have_two_files(void **state) {
  (void)state;
  char folder[512];
  strcpy(folder, temporary_path("two"));
  wk_event_writer *a = wk_event_writer_create(folder), *b = wk_event_writer_create(folder);
  assert_no_error();
  char **names;
  size_t count;
  assert_int_equal(wk_folder_list(folder, &names, &count), WK_OK);
  assert_int_equal(count, 2);
  wk_names_free(names, count);
  wk_event_writer_free(a);
  wk_event_writer_free(b);
}

static void refuses_a_file_as_folder(void **state) {
  (void)state;
  assert_null(wk_event_writer_create(temporary_file("plain", "x", 1)));
  assert_true(wk_error_status() < 0);
  wk_error_clear();
  assert_int_equal(wk_event_writer_scalar(NULL, "a", 0, 1), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
}

static bool write_some(void *folder) {
  wk_event_writer *writer = wk_event_writer_create(folder);
  const bool good = wk_event_writer_scalar(writer, "loss", 7, 1) == WK_OK &&
                    wk_event_writer_restart(writer, 3) == WK_OK;
  wk_event_writer_free(writer);
  return good;
}

static void survives_without_memory(void **state) {
  (void)state;
  char folder[512];
  strcpy(folder, temporary_path("memory"));
  assert_true(fail_each_allocation(write_some, folder) >= 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(checksums_are_crc32c),     cmocka_unit_test(scalars_are_framed),
      cmocka_unit_test(free_writes_the_rest),     cmocka_unit_test(two_writers_have_two_files),
      cmocka_unit_test(refuses_a_file_as_folder), cmocka_unit_test(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
