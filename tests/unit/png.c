/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <zlib.h>

#include "base/file.h"
#include "format/png.h"
#include "support/temporary.h"

/* ---- PNG files written byte by byte ---- */

typedef struct bytes {
  uint8_t data[4096];
  size_t size;
} bytes;

static void put(bytes *b, const void *data, size_t size) {
  assert_true(b->size + size <= sizeof b->data);
  memcpy(b->data + b->size, data, size);
  b->size += size;
}

static void put_u32(bytes *b, uint32_t value) {
  put(b,
      (uint8_t[]){(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                  (uint8_t)value},
      4);
}

static void put_chunk(bytes *b, const char *type, const void *data, size_t size) {
  put_u32(b, (uint32_t)size);
  const size_t start = b->size;
  put(b, type, 4);
  put(b, data, size);
  put_u32(b, (uint32_t)crc32(0, b->data + start, (uInt)(size + 4)));
}

static void put_header(bytes *b, uint32_t width, uint32_t height, uint8_t depth, uint8_t colour) {
  bytes header = {.size = 0};
  put(b, "\x89PNG\r\n\x1a\n", 8);
  put_u32(&header, width);
  put_u32(&header, height);
  put(&header, (uint8_t[]){depth, colour, 0, 0, 0}, 5);
  put_chunk(b, "IHDR", header.data, header.size);
}

static void put_pixels(bytes *b, const uint8_t *rows, size_t size) {
  uint8_t packed[2048];
  uLongf packed_size = sizeof packed;
  assert_int_equal(compress(packed, &packed_size, rows, size), Z_OK);
  put_chunk(b, "IDAT", packed, packed_size);
  put_chunk(b, "IEND", "", 0);
}

static void expect_refused(const bytes *b, const char *why) {
  wk_image image;
  assert_int_equal(wk_png_decode(b->data, b->size, &image), WK_ERROR_FORMAT);
  assert_null(image.bytes);
  assert_error_says(WK_ERROR_FORMAT, why);
}

/* ---- tests ---- */

static void round_trips_all_channel_counts(void **state) {
  (void)state;
  for (int64_t channels = 1; channels <= 4; channels++) {
    WK_SCOPE;
    uint8_t pixels[5 * 7 * 4], again[5 * 7 * 4];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37);
    const char *path = temporary_path("image.png");
    wk_tensor *image = wk_tensor_from_data(WK_SHAPE(5, 7, channels), WK_U8, pixels, NULL);
    assert_int_equal(wk_png_save(image, path), WK_OK);
    wk_tensor *loaded = wk_png_load(path);
    assert_non_null(loaded);
    assert_int_equal(wk_tensor_dtype(loaded), WK_U8);
    assert_int_equal(wk_tensor_dim(loaded, 0), 5);
    assert_int_equal(wk_tensor_dim(loaded, 1), 7);
    assert_int_equal(wk_tensor_dim(loaded, 2), channels);
    assert_int_equal(wk_tensor_read(loaded, again, (size_t)(35 * channels)), WK_OK);
    assert_memory_equal(again, pixels, (size_t)(35 * channels));
  }
}

static void expands_palettes_bits_and_depths(void **state) {
  (void)state;
  wk_image image;
  bytes palette = {.size = 0};
  put_header(&palette, 2, 1, 8, 3);
  put_chunk(&palette, "PLTE", "\x01\x02\x03\x0a\x0b\x0c", 6);
  put_pixels(&palette, (uint8_t[]){0, 1, 0}, 3);
  assert_int_equal(wk_png_decode(palette.data, palette.size, &image), WK_OK);
  assert_int_equal(image.channels, 3);
  assert_memory_equal(image.bytes, "\x0a\x0b\x0c\x01\x02\x03", 6);
  wk_deallocate(image.bytes);
  bytes bits = {.size = 0};
  put_header(&bits, 4, 1, 1, 0);
  put_pixels(&bits, (uint8_t[]){0, 0x50}, 2);
  assert_int_equal(wk_png_decode(bits.data, bits.size, &image), WK_OK);
  assert_int_equal(image.channels, 1);
  assert_memory_equal(image.bytes, "\x00\xff\x00\xff", 4);
  wk_deallocate(image.bytes);
  bytes deep = {.size = 0};
  put_header(&deep, 1, 1, 16, 0);
  put_pixels(&deep, (uint8_t[]){0, 0x00, 0xff}, 3);
  assert_int_equal(wk_png_decode(deep.data, deep.size, &image), WK_OK);
  assert_int_equal(image.bytes[0], 1); /* 255 of 65535, rounded */
  wk_deallocate(image.bytes);
}

static void refuses_every_prefix(void **state) {
  (void)state;
  bytes whole = {.size = 0};
  uint8_t rows[9 * 8] = {0};
  put_header(&whole, 8, 8, 8, 0);
  put_pixels(&whole, rows, 8 * 9);
  const size_t size = whole.size;
  wk_image image;
  assert_int_equal(wk_png_decode(whole.data, size, &image), WK_OK);
  wk_deallocate(image.bytes);
  for (whole.size = 0; whole.size < size; whole.size++) expect_refused(&whole, "PNG");
}

static void refuses_sizes_the_file_cannot_hold(void **state) {
  (void)state;
  bytes wide = {.size = 0}, large = {.size = 0}, nothing = {.size = 0};
  put_header(&wide, 0x7fffffff, 1, 8, 6);
  put_pixels(&wide, (uint8_t[]){0}, 1);
  expect_refused(&wide, "IHDR");
  put_header(&large, 60000, 60000, 8, 6);
  put_pixels(&large, (uint8_t[]){0}, 1);
  expect_refused(&large, "too short for the image size");
  put_header(&nothing, 0, 1, 8, 0);
  put_pixels(&nothing, (uint8_t[]){0}, 1);
  expect_refused(&nothing, "IHDR");
}

static void refuses_damage(void **state) {
  (void)state;
  bytes crc = {.size = 0};
  put_header(&crc, 1, 1, 8, 0);
  crc.data[crc.size - 1] ^= 1;
  put_pixels(&crc, (uint8_t[]){0, 7}, 2);
  expect_refused(&crc, "CRC");
  bytes text = {.size = 0};
  put(&text, "this is no picture at all", 25);
  expect_refused(&text, "not a PNG file");
  WK_SCOPE;
  assert_null(wk_png_load(temporary_file("damaged.png", crc.data, crc.size)));
  assert_error_says(WK_ERROR_FORMAT, "damaged.png");
}

static void save_checks_its_tensor(void **state) {
  (void)state;
  WK_SCOPE;
  const float value = 1;
  const char *path = temporary_path("never.png");
  assert_int_equal(wk_png_save(wk_tensor_from_data(WK_SHAPE(1, 1, 1), WK_F32, &value, NULL), path),
                   WK_ERROR_DTYPE);
  assert_error(WK_ERROR_DTYPE);
  assert_int_equal(wk_png_save(wk_tensor_from_data(WK_SHAPE(1, 1), WK_U8, &value, NULL), path),
                   WK_ERROR_SHAPE);
  assert_error(WK_ERROR_SHAPE);
  wk_tensor *dot = wk_tensor_from_data(WK_SHAPE(1, 1, 1), WK_U8, &value, NULL);
  assert_int_equal(wk_png_save(dot, "/no/such/folder/image.png"), WK_ERROR_NOT_FOUND);
  assert_error(WK_ERROR_NOT_FOUND);
  assert_false(wk_file_exists(path));
}

static bool save_and_load(void *path) {
  WK_SCOPE;
  const uint8_t pixels[6] = {1, 2, 3, 4, 5, 6};
  wk_tensor *image = wk_tensor_from_data(WK_SHAPE(1, 2, 3), WK_U8, pixels, NULL);
  return image && wk_png_save(image, path) == WK_OK && wk_png_load(path);
}

static void survives_without_memory(void **state) {
  (void)state;
  char path[512];
  strcpy(path, temporary_path("memory.png"));
  assert_true(fail_each_allocation(save_and_load, path) >= 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(round_trips_all_channel_counts),
      cmocka_unit_test(expands_palettes_bits_and_depths),
      cmocka_unit_test(refuses_every_prefix),
      cmocka_unit_test(refuses_sizes_the_file_cannot_hold),
      cmocka_unit_test(refuses_damage),
      cmocka_unit_test(save_checks_its_tensor),
      cmocka_unit_test(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
