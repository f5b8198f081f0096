/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/text.h"
#include "format/crc32c.h"
#include "format/events.h"
#include "support/temporary.h"

/* ---- making files ---- */

typedef struct bytes {
  uint8_t data[4096];
  size_t size;
} bytes;

static void put_number(bytes *to, uint64_t value, int size) {
  for (int i = 0; i < size; i++) to->data[to->size++] = (uint8_t)(value >> (8 * i));
}

static void put_frame(bytes *to, const void *message, size_t size) {
  put_number(to, size, 8);
  put_number(to, wk_crc32c_masked(to->data + to->size - 8, 8), 4);
  if (size > 0) memcpy(to->data + to->size, message, size);
  to->size += size;
  put_number(to, wk_crc32c_masked(to->data + to->size - size, size), 4);
}

#define PUT(to, text) put_frame(to, text, sizeof text - 1)

/* ---- reading ---- */

static wk_event next(wk_event_reader *reader) {
  wk_event event = {.struct_size = sizeof event};
  assert_int_equal(wk_event_reader_next(reader, &event), WK_OK);
  assert_no_error();
  return event;
}

static void assert_end(wk_event_reader *reader, size_t unfinished) {
  wk_event event = {.struct_size = sizeof event};
  assert_int_equal(wk_event_reader_next(reader, &event), WK_END);
  assert_int_equal(wk_event_reader_unfinished(reader), unfinished);
}

static void assert_damaged(wk_event_reader *reader, const char *part) {
  wk_event event = {.struct_size = sizeof event, .text = NULL};
  assert_int_equal(wk_event_reader_next(reader, &event), WK_ERROR_FORMAT);
  assert_string_equal(event.text, "");
  assert_error_says(WK_ERROR_FORMAT, part);
}

static void assert_scalar(wk_event_reader *reader, const char *tag, int64_t step, double value) {
  const wk_event event = next(reader);
  assert_int_equal(event.kind, WK_EVENT_SCALAR);
  assert_string_equal(event.text, tag);
  assert_int_equal(event.step, step);
  assert_true(event.value == value);
}

/* The only file of a folder. */
static const char *only_file(const char *folder) {
  static char path[1024];
  char **names;
  size_t count;
  assert_int_equal(wk_folder_list(folder, &names, &count), WK_OK);
  assert_int_equal(count, 1);
  wk_print_into(path, sizeof path, 0, "%s/%s", folder, names[0]);
  wk_names_free(names, count);
  return path;
}

/* ---- tests ---- */

static void reads_what_we_write_while_it_is_written(void **state) {
  (void)state;
  char folder[512];
  strcpy(folder, temporary_path("own"));
  wk_event_writer *writer = wk_event_writer_create(folder);
  wk_event_reader *reader = wk_event_reader_open(only_file(folder));
  assert_no_error();
  const wk_event version = next(reader);
  assert_int_equal(version.kind, WK_EVENT_VERSION);
  assert_string_equal(version.text, "brain.Event:2");
  assert_true(fabs(version.wall_time - wk_wall_seconds()) < 3600);
  assert_end(reader, 0);
  wk_event_writer_scalar(writer, "train/loss", 1, 2.5);
  wk_event_writer_scalar(writer, "d\xc3\xa9j\xc3\xa0", -7, -0.125);
  wk_event_writer_flush(writer);
  assert_scalar(reader, "train/loss", 1, 2.5);
  assert_scalar(reader, "d\xc3\xa9j\xc3\xa0", -7, -0.125);
  assert_end(reader, 0);
  wk_event_writer_restart(writer, 200);
  const wk_event start = next(reader);
  assert_int_equal(start.kind, WK_EVENT_START);
  assert_int_equal(start.step, 201);
  for (int i = 0; i < 3000; i++) wk_event_writer_scalar(writer, "many", i, i); /* over 64 KiB */
  wk_event_writer_free(writer);
  for (int i = 0; i < 3000; i++) assert_scalar(reader, "many", i, i);
  assert_end(reader, 0);
  wk_event_reader_free(reader);
}

static void reads_scalars_kept_as_tensors(void **state) {
  (void)state;
  static bytes file;
  file.size = 0;
  /* As TensorFlow 2 writes it: tensor_content and the plugin's name. */
  PUT(&file, "\x10\x05*!\x0a\x1f\x0a\x04lossB\x0a\x08\x01\x12\0\"\x04\0\0\x80?"
             "J\x0b\x0a\x09\x0a\x07scalars");
  PUT(&file, "*\x12\x0a\x10\x0a\x01"
             "dB\x0b\x08\x02\x31\0\0\0\0\0\0\xf0?");               /* double_val */
  PUT(&file, "*\x0f\x0a\x0d\x0a\x01pB\x08\x08\x01*\x04\0\0\x80?"); /* packed float_val */
  PUT(&file, "*\x09\x0a\x07\x0a\x01zB\x02\x08\x01");               /* a zero left out */
  wk_event_reader *reader = wk_event_reader_create(file.data, file.size);
  assert_scalar(reader, "loss", 5, 1);
  assert_scalar(reader, "d", 0, 1);
  assert_scalar(reader, "p", 0, 1);
  assert_scalar(reader, "z", 0, 0);
  assert_end(reader, 0);
  wk_event_reader_free(reader);
}

static void other_values_are_no_scalars(void **state) {
  (void)state;
  static const char *const tags[] = {"i", "s", "v", "u", "h", ""};
  static bytes file;
  file.size = 0;
  PUT(&file, "*\x09\x0a\x07\x0a\x01iB\x02\x08\x03" /* a tensor of integers */
             "*\x00");                             /* replaced by an empty summary */
  PUT(&file, "*\x09\x0a\x07\x0a\x01iB\x02\x08\x03");
  PUT(&file, "*\x0f\x0a\x0d\x0a\x01s\x15\0\0\x80?J\x03\x0a\x01x");           /* damaged: metadata */
  PUT(&file, "*\x13\x0a\x11\x0a\x01s\x15\0\0\x80?J\x07\x0a\x05\x0a\x03pr_"); /* another plugin */
  PUT(&file, "*\x0f\x0a\x0d\x0a\x01vB\x08\x08\x01\x12\x04\x12\x02\x08\x01"); /* of rank 1 */
  PUT(&file, "*\x0d\x0a\x0b\x0a\x01uB\x06\x08\x01\x12\x02\x18\x01");         /* of unknown rank */
  PUT(&file, "*\x07\x0a\x05\x0a\x01h*\x00");                                 /* a histogram */
  PUT(&file, "\x22\x02hi");                                                  /* a graph */
  wk_event_reader *reader = wk_event_reader_create(file.data, file.size);
  for (size_t i = 0; i < COUNT_OF(tags); i++) {
    if (i == 1) assert_damaged(reader, "record 2 (ending at byte 89) is no event");
    const wk_event event = next(reader);
    assert_int_equal(event.kind, WK_EVENT_OTHER);
    assert_string_equal(event.text, tags[i]);
    assert_true(event.value == 0);
  }
  assert_end(reader, 0);
  wk_event_reader_free(reader);
}

static void several_values_come_one_by_one(void **state) {
  (void)state;
  static bytes file;
  file.size = 0;
  PUT(&file, "\x10\x09*\x14\x0a\x08\x0a\x01"
             "a\x15\0\0\x80?\x0a\x08\x0a\x01"
             "b\x15\0\0\0@\x10\x0a");
  wk_event_reader *reader = wk_event_reader_create(file.data, file.size);
  assert_scalar(reader, "a", 10, 1); /* of a repeated field the last counts */
  assert_scalar(reader, "b", 10, 2);
  assert_end(reader, 0);
  wk_event_reader_free(reader);
}

static void unknown_fields_are_passed_over(void **state) {
  (void)state;
  static bytes file;
  file.size = 0;
  /* Fields 100 of all wire types, and a step of the wrong one. */
  PUT(&file, "\xa0\x06\x80\x80\x01\xa1\x06\0\0\0\0\0\0\0\0\xa2\x06\x02xx\xa5\x06\0\0\0\0"
             "\x12\x01\x07\x10\x03");
  PUT(&file, "");
  wk_event_reader *reader = wk_event_reader_create(file.data, file.size);
  assert_int_equal(next(reader).step, 3);
  assert_int_equal(next(reader).step, 0);
  assert_end(reader, 0);
  wk_event_reader_free(reader);
}

static void damaged_messages_are_errors(void **state) {
  (void)state;
#define CASE(text)                                                                                 \
  { text, sizeof text - 1 }
  static const struct {
    const char *message;
    size_t size;
  } cases[] = {
      CASE("\x10"),                                             /* no value */
      CASE("\x10\x80\x80"),                                     /* half a number */
      CASE("\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), /* a number of eleven bytes */
      CASE("\x09\0\0"),                                         /* half a double */
      CASE("\x1a\x05"
           "abc"),                                          /* a string past the end */
      CASE("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* of 2^64 - 1 bytes */
      CASE("\x00\x01"),                                     /* field 0 */
      CASE("\x13\x14"),                                     /* a group */
      CASE("\x17"),                                         /* wire type 7 */
      CASE("\x80\x80\x80\x80\x80\x01\x01"),                 /* a field's number past 2^29 */
      CASE("*\x02\x0a\x05"),                                /* a value past the summary's end */
      CASE("*\x05\x0a\x03\x0a\x01\xff"),                    /* a tag that is not UTF-8 */
      CASE("*\x06\x0a\x04\x0a\x02"
           "a\0"), /* a tag with a zero in it */
      CASE("*\x0c\x0a\x0a"
           "B\x08\x08\x02\"\x04\0\0\x80?"), /* a double of four bytes */
      CASE(":\x01\x08"),                    /* half a session log */
  };
#undef CASE
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    static bytes file;
    file.size = 0;
    put_frame(&file, cases[i].message, cases[i].size);
    PUT(&file, "*\x0a\x0a\x08\x0a\x01"
               "a\x15\0\0\x80?");
    wk_event_reader *reader = wk_event_reader_create(file.data, file.size);
    assert_damaged(reader, "record 0 ");
    assert_scalar(reader, "a", 0, 1); /* the next record is whole */
    assert_end(reader, 0);
    wk_event_reader_free(reader);
  }
}

/* Three records: a version and two scalars. */
static void make_three(bytes *file) {
  file->size = 0;
  PUT(file, "\x1a\x0d"
            "brain.Event:2");
  PUT(file, "\x10\x01*\x0a\x0a\x08\x0a\x01"
            "a\x15\0\0\x80?");
  PUT(file, "\x10\x02*\x0a\x0a\x08\x0a\x01"
            "a\x15\0\0\0@");
}

static void a_cut_file_gives_its_whole_records(void **state) {
  (void)state;
  static bytes file;
  make_three(&file);
  for (size_t size = 0; size <= file.size; size++) {
    uint8_t *copy = malloc(size); /* for a checker to see reads past its end */
    memcpy(copy, file.data, size);
    wk_event_reader *reader = wk_event_reader_create(copy, size);
    wk_event event = {.struct_size = sizeof event};
    size_t count = 0;
    while (wk_event_reader_next(reader, &event) == WK_OK) count++;
    assert_no_error();
    assert_int_equal(count, (size >= 31) + (size >= 31 + 30) + (size >= 31 + 60));
    assert_int_equal(wk_event_reader_unfinished(reader),
                     size - (count > 0 ? 31 + 30 * (count - 1) : 0));
    wk_event_reader_free(reader);
    free(copy);
  }
}

static void every_changed_bit_is_noticed(void **state) {
  (void)state;
  static bytes file;
  make_three(&file);
  for (size_t bit = 0; bit < 8 * file.size; bit++) {
    file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    wk_event_reader *reader = wk_event_reader_create(file.data, file.size);
    wk_event event = {.struct_size = sizeof event};
    wk_status status;
    while ((status = wk_event_reader_next(reader, &event)) == WK_OK) continue;
    assert_int_equal(status, WK_ERROR_FORMAT);
    assert_error(WK_ERROR_FORMAT);
    wk_event_reader_free(reader);
    file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
}

static void damage_says_where_and_what_follows_is_read(void **state) {
  (void)state;
  static bytes file;
  make_three(&file);
  file.data[31 + 12] ^= 1; /* the second record's first byte */
  wk_event_reader *reader = wk_event_reader_open(temporary_file("damaged", file.data, file.size));
  next(reader);
  assert_damaged(reader, "record 1 (at byte 31): its checksum is not that of its bytes");
  assert_scalar(reader, "a", 2, 2);
  assert_end(reader, 0);
  wk_event_reader_free(reader);

  file.data[31] ^= 1; /* its length */
  const char *path = temporary_file("damaged", file.data, file.size);
  reader = wk_event_reader_open(path);
  next(reader);
  assert_damaged(reader, path);
  assert_damaged(reader, "record 1 (at byte 31): the checksum of its length");
  wk_event_reader_free(reader);
}

/* A length that is signed but false must not be believed before the bytes are there. */
static void a_huge_length_takes_no_memory(void **state) {
  (void)state;
  bytes file = {.size = 0};
  put_number(&file, (uint64_t)1 << 40, 8);
  put_number(&file, wk_crc32c_masked(file.data, 8), 4);
  wk_event_reader *reader = wk_event_reader_open(temporary_file("huge", file.data, file.size));
  assert_end(reader, 12);
  assert_no_error();
  wk_event_reader_free(reader);
  file.size = 0;
  put_number(&file, UINT64_MAX, 8);
  put_number(&file, wk_crc32c_masked(file.data, 8), 4);
  reader = wk_event_reader_create(file.data, file.size);
  assert_damaged(reader, "larger than any file");
  wk_event_reader_free(reader);
}

static void a_file_may_shrink(void **state) {
  (void)state;
  static bytes file;
  make_three(&file);
  const char *path = temporary_file("shrinking", file.data, 31 + 5);
  wk_event_reader *reader = wk_event_reader_open(path);
  next(reader);
  assert_end(reader, 5);
  temporary_file("shrinking", file.data, 10);
  assert_end(reader, 0);
  temporary_file("shrinking", file.data, file.size);
  assert_scalar(reader, "a", 1, 1);
  wk_event_reader_free(reader);
}

static void arguments_are_checked(void **state) {
  (void)state;
  assert_null(wk_event_reader_open(NULL));
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(wk_event_reader_open(temporary_path("absent")));
  assert_error(WK_ERROR_NOT_FOUND);
  assert_null(wk_event_reader_open(temporary_folder()));
  assert_error_says(WK_ERROR_IO, "no ordinary file");
  wk_event event = {.struct_size = sizeof event};
  assert_int_equal(wk_event_reader_next(NULL, &event), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  static bytes file;
  make_three(&file);
  wk_event_reader *reader = wk_event_reader_create(file.data, file.size);
  event.struct_size = 0;
  assert_int_equal(wk_event_reader_next(reader, &event), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  /* A program of an older version, whose event ended before `value`. */
  event = (wk_event){.struct_size = offsetof(wk_event, value), .value = 99};
  assert_int_equal(wk_event_reader_next(reader, &event), WK_OK);
  assert_int_equal(wk_event_reader_next(reader, &event), WK_OK);
  assert_int_equal(event.kind, WK_EVENT_SCALAR);
  assert_true(event.value == 99);
  wk_error_set(WK_ERROR_STATE, "something else");
  assert_int_equal(wk_event_reader_next(reader, &event), WK_ERROR_STATE);
  wk_event_reader_free(reader);
  assert_error(WK_ERROR_STATE);
  wk_event_reader_free(NULL);
  assert_int_equal(wk_event_reader_unfinished(NULL), 0);
}

static bool read_all(void *path) {
  wk_event_reader *reader = wk_event_reader_open(path);
  wk_event event = {.struct_size = sizeof event};
  wk_status status = reader ? WK_OK : WK_ERROR_MEMORY;
  while (status == WK_OK) status = wk_event_reader_next(reader, &event);
  wk_event_reader_free(reader);
  return status == WK_END;
}

static void survives_without_memory(void **state) {
  (void)state;
  static bytes file;
  char path[512];
  make_three(&file);
  strcpy(path, temporary_file("memory", file.data, file.size));
  assert_true(fail_each_allocation(read_all, path) >= 4);
}

static void utf8_is_recognised(void **state) {
  (void)state;
  static const char *const good[] = {"",
                                     "a",
                                     "\x7f",
                                     "\xc2\x80",
                                     "\xdf\xbf",
                                     "\xe0\xa0\x80",
                                     "\xed\x9f\xbf",
                                     "\xee\x80\x80",
                                     "\xef\xbf\xbf",
                                     "\xf0\x90\x80\x80",
                                     "\xf4\x8f\xbf\xbf",
                                     "a\xc3\xa9z"};
  static const char *const bad[] = {"\x80",
                                    "\xbf",
                                    "\xc0\x80",
                                    "\xc1\xbf",
                                    "\xc2",
                                    ("\xc2"
                                     "a"),
                                    "\xe0\x9f\xbf",
                                    "\xe1\x80",
                                    "\xed\xa0\x80",
                                    "\xf0\x8f\xbf\xbf",
                                    "\xf1\x80\x80",
                                    "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xff",
                                    "\xe1\x80\xc0",
                                    "ab\xf1\x80\x80z"};
  for (size_t i = 0; i < COUNT_OF(good); i++) assert_true(wk_is_utf8(good[i], strlen(good[i])));
  for (size_t i = 0; i < COUNT_OF(bad); i++) assert_false(wk_is_utf8(bad[i], strlen(bad[i])));
  assert_true(wk_is_utf8("a\0b", 3));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_what_we_write_while_it_is_written),
      cmocka_unit_test(reads_scalars_kept_as_tensors),
      cmocka_unit_test(other_values_are_no_scalars),
      cmocka_unit_test(several_values_come_one_by_one),
      cmocka_unit_test(unknown_fields_are_passed_over),
      cmocka_unit_test(damaged_messages_are_errors),
      cmocka_unit_test(a_cut_file_gives_its_whole_records),
      cmocka_unit_test(every_changed_bit_is_noticed),
      cmocka_unit_test(damage_says_where_and_what_follows_is_read),
      cmocka_unit_test(a_huge_length_takes_no_memory),
      cmocka_unit_test(a_file_may_shrink),
      cmocka_unit_test(arguments_are_checked),
      cmocka_unit_test(survives_without_memory),
      cmocka_unit_test(utf8_is_recognised),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
