/* SPDX-License-Identifier: Apache-2.0 */

/* What fuzzing and the malformed files have shown, kept from coming back. reader_run fails when a
 * reader takes memory out of proportion to its file (in builds with AddressSanitizer). */

#include "support/unit.h"

#include <stdlib.h>

#include <zlib.h>

#include "base/text.h"
#include "format/json.h"
#include "support/readers.h"

/* ---- making PNG files ---- */

static void put_big_endian(wk_text *to, uint32_t value) {
  const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                            (uint8_t)value};
  wk_text_append_bytes(to, bytes, 4);
}

static void put_chunk(wk_text *to, const char *type, const void *data, size_t size) {
  put_big_endian(to, (uint32_t)size);
  const size_t start = to->length;
  wk_text_append_bytes(to, type, 4);
  wk_text_append_bytes(to, data, size);
  put_big_endian(to, (uint32_t)crc32_z(0, (Bytef *)to->data + start, to->length - start));
}

/* The signature and a header of a grey image of one pixel. */
static void begin_png(wk_text *to) {
  static const uint8_t header[13] = {0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0};
  *to = (wk_text){0};
  wk_text_append_bytes(to, "\x89PNG\r\n\x1a\n", 8);
  put_chunk(to, "IHDR", header, sizeof header);
}

static void end_png(wk_text *to) {
  static const uint8_t row[2] = {0, 200};
  uint8_t packed[64];
  uLongf size = sizeof packed;
  assert_int_equal(compress(packed, &size, row, sizeof row), Z_OK);
  put_chunk(to, "IDAT", packed, size);
  put_chunk(to, "IEND", "", 0);
}

static void assert_reads(const char *kind, wk_text *file, const char *found) {
  wk_text detail = {0};
  assert_int_equal(reader_run(reader_find(kind), file->data, file->length, &detail), WK_OK);
  assert_memory_equal(detail.data ? detail.data : "", found, strlen(found));
  wk_text_free(&detail);
  wk_text_free(file);
}

static void assert_refuses(const char *kind, wk_text *file, const char *why) {
  wk_text detail = {0};
  assert_int_equal(reader_run(reader_find(kind), file->data, file->length, &detail),
                   WK_ERROR_FORMAT);
  assert_error_says(WK_ERROR_FORMAT, why);
  wk_text_free(&detail);
  wk_text_free(file);
}

/* ---- PNG ---- */

/* libpng would inflate these for nobody: 8 MB out of 8 KB, and more. */
static void texts_in_a_png_take_no_memory(void **state) {
  (void)state;
  static const char *const types[] = {"zTXt", "iTXt", "iCCP"};
  const size_t inflated = 8000000;
  uLongf packed_size = compressBound(inflated);
  uint8_t *zeros = calloc(1, inflated), *packed = malloc(packed_size + 8);
  memcpy(packed, "Title\0\0", 7);
  assert_int_equal(compress(packed + 7, &packed_size, zeros, inflated), Z_OK);
  for (size_t i = 0; i < COUNT_OF(types); i++) {
    wk_text file;
    begin_png(&file);
    for (int n = 0; n < 8; n++) put_chunk(&file, types[i], packed, packed_size + 7);
    end_png(&file);
    assert_reads("png", &file, "1x1 1 ");
  }
  free(zeros);
  free(packed);
}

/* libpng 1.6 only warns of a chunk beyond its limit, and asks for its memory all the same. */
static void a_long_chunk_takes_no_memory(void **state) {
  (void)state;
  static const char *const types[] = {"zTXt", "tEXt", "eXIf", "tRNS", "unKn"};
  for (size_t i = 0; i < COUNT_OF(types); i++) {
    wk_text file;
    begin_png(&file);
    put_big_endian(&file, 0x66000019);
    wk_text_append_bytes(&file, types[i], 4);
    wk_text_append_bytes(&file, "Title\0\0", 7);
    assert_refuses("png", &file, "the file ends too early");
  }
}

static void a_long_chunk_may_be_there(void **state) {
  (void)state;
  const size_t size = (size_t)9 << 20;
  uint8_t *zeros = calloc(1, size);
  wk_text file;
  begin_png(&file);
  put_chunk(&file, "eXIf", zeros, size);
  end_png(&file);
  assert_reads("png", &file, "1x1 1 ");
  free(zeros);
}

/* ---- JSON ---- */

static void expect_json(const char *text, size_t size, const char *why) {
  json_t *json = wk_json_parse(text, size);
  if (why) {
    assert_null(json);
    assert_error_says(WK_ERROR_FORMAT, why);
  } else {
    assert_no_error();
    assert_non_null(json);
  }
  json_decref(json);
}

static void a_zero_byte_is_no_end_of_json(void **state) {
  (void)state;
  expect_json("{}", 2, NULL);
  expect_json(" 1 ", 3, NULL);
  expect_json("{}\0x", 4, "zero byte");
  expect_json("123\0", 4, "zero byte");
  expect_json("", 0, "no valid JSON");
  expect_json("{}x", 3, "no valid JSON");
  expect_json("{\"a\":1,\"a\":1}", 13, "duplicate");
  expect_json("\"\xff\"", 3, "no valid JSON");
}

static void a_zero_byte_ends_no_safetensors_header(void **state) {
  (void)state;
  wk_text file = {0};
  wk_text_append_bytes(&file, "\x08\0\0\0\0\0\0\0{}\0 {\"a\"", 16);
  assert_refuses("safetensors", &file, "its header is damaged");
}

/* What costs jansson most memory for its length. */
static void memory_for_json_is_in_proportion(void **state) {
  (void)state;
  static const char *const items[] = {"{},", "[],", "0,", "\"\",", "{\"a\":1},"};
  static const char start[] = "{\"__metadata__\":{},\"a\":[", end[] = "0]}";
  for (size_t i = 0; i < COUNT_OF(items); i++) {
    wk_text header = {0}, file = {0};
    wk_text_append(&header, "%s", start);
    while (header.length < 300000) wk_text_append(&header, "%s", items[i]);
    wk_text_append(&header, "%s", end);
    for (int k = 0; k < 8; k++)
      wk_text_append_bytes(&file, &(uint8_t){(uint8_t)(header.length >> (8 * k))}, 1);
    wk_text_append_bytes(&file, header.data, header.length);
    assert_reads("json", &header, "");
    assert_refuses("safetensors", &file, "its entry is no JSON object");
  }
}

/* Half a million brackets must not become half a million calls. */
static void deep_json_is_refused(void **state) {
  (void)state;
  static char brackets[500000];
  memset(brackets, '[', sizeof brackets);
  expect_json(brackets, sizeof brackets, "maximum parsing depth");
}

/* ---- checkpoints ---- */

/* What a small run leaves, with `numbers` for its description and no tensors but those it needs. */
static void expect_checkpoint(const char *steps, const char *epoch, const char *examples,
                              const char *why) {
  static const char *const tensors[] = {"", "optimizer.mean.", "optimizer.square."};
  wk_text text = {0};
  wk_text_append(&text,
                 "{\"version\":1,\"optimizer\":{\"name\":\"adam\",\"settings\":{},\"steps\":%s},"
                 "\"generator\":{\"seed\":-1,\"offset\":-1},"
                 "\"loader\":{\"epoch\":%s,\"batch\":0,\"batches\":2,\"examples\":4},"
                 "\"fit\":{\"epoch\":0,\"batch\":0,\"step\":0,\"loader_epoch\":0,",
                 steps, epoch);
  for (int i = 0; i < 2; i++)
    wk_text_append(&text,
                   "\"%s\":{\"examples\":%s,\"judged\":0,\"correct\":0,\"loss_sum\":\"0\"}%s",
                   i ? "window" : "running", examples, i ? "}}\n{" : ",");
  for (size_t i = 0; i < COUNT_OF(tensors); i++)
    wk_text_append(&text,
                   "%s\"%sweight\":{\"dtype\":\"F32\",\"shape\":[2,3]},"
                   "\"%sbias\":{\"dtype\":\"F32\",\"shape\":[2]}",
                   i ? "," : "", tensors[i], tensors[i]);
  wk_text_append(&text, "}");
  if (why)
    assert_refuses("checkpoint", &text, why);
  else
    assert_reads("checkpoint", &text, steps);
}

/* One more than the largest number is no number. */
static void counts_in_a_checkpoint_have_limits(void **state) {
  (void)state;
  expect_checkpoint("3", "1", "4", NULL);
  expect_checkpoint("9007199254740992", "9007199254740992", "9007199254740992", NULL);
  expect_checkpoint("9223372036854775807", "1", "4", "the steps of the checkpoint's optimizer is");
  expect_checkpoint("-1", "1", "4", "the steps of the checkpoint's optimizer is -1");
  expect_checkpoint("3", "9223372036854775807", "4", "the epoch of the checkpoint's loader is");
  expect_checkpoint("3", "1", "9223372036854775807", "the examples of the checkpoint's score is");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(texts_in_a_png_take_no_memory),
      cmocka_unit_test(a_long_chunk_takes_no_memory),
      cmocka_unit_test(a_long_chunk_may_be_there),
      cmocka_unit_test(a_zero_byte_is_no_end_of_json),
      cmocka_unit_test(a_zero_byte_ends_no_safetensors_header),
      cmocka_unit_test(memory_for_json_is_in_proportion),
      cmocka_unit_test(deep_json_is_refused),
      cmocka_unit_test(counts_in_a_checkpoint_have_limits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
