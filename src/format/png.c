/* SPDX-License-Identifier: Apache-2.0 */
#include "format/png.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "base/file.h"
#include "base/memory.h"
#include "tensor/tensor.h"

/* libpng leaves by longjmp. It jumps only to `guarded`, which has no variables to lose; everything
 * that must survive the jump is in here. */
typedef struct codec {
  jmp_buf jump;
  png_structp png;
  png_infop info;
  /* reading */
  const png_byte *data;
  size_t left, file_size;
  int passes; /* over the rows: 1, or 7 where the file is interlaced */
  wk_image image;
  /* writing */
  wk_file_writer *writer;
  const png_byte *pixels;
} codec;

enum {
  MAX_SIDE = 65535,
  DEFLATE_RATIO = 1032 /* no deflate stream grows by more when it is inflated */
};

static bool guarded(codec *c, void (*run)(codec *)) {
  if (setjmp(c->jump)) return false;
  run(c);
  return true;
}

/* A reason that was already given, by the allocator or the file writer, stays: the first wins. */
static PNG_FUNCTION(void, on_error, (png_structp png, png_const_charp message), PNG_NORETURN) {
  codec *c = png_get_error_ptr(png);
  wk_fail(WK_ERROR_FORMAT, "damaged PNG data: %s", message);
  longjmp(c->jump, 1);
}

static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static png_voidp allocate_for_png(png_structp png, png_alloc_size_t size) {
  (void)png;
  return wk_allocate(size);
}

static void free_for_png(png_structp png, png_voidp memory) {
  (void)png;
  wk_deallocate(memory);
}

/* ---- reading ---- */

static void read_bytes(png_structp png, png_bytep to, size_t size) {
  codec *c = png_get_io_ptr(png);
  if (size > c->left) png_error(png, "the file ends too early");
  memcpy(to, c->data, size);
  c->data += size;
  c->left -= size;
}

static void set_transforms(codec *c) {
  png_set_palette_to_rgb(c->png);
  png_set_expand_gray_1_2_4_to_8(c->png);
  if (png_get_valid(c->png, c->info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(c->png);
  png_set_scale_16(c->png);
}

/* Nothing is allocated for the pixels before the file is known to be long enough to hold them. */
static void allocate_image(codec *c) {
  const size_t packed_row = png_get_rowbytes(c->png, c->info);
  const size_t height = png_get_image_height(c->png, c->info);
  if (packed_row * height / DEFLATE_RATIO > c->file_size) /* sides are below 2^16: no overflow */
    png_error(c->png, "the file is too short for the image size that it claims");
  set_transforms(c);
  c->passes = png_set_interlace_handling(c->png);
  png_read_update_info(c->png, c->info);
  c->image.height = (int64_t)height;
  c->image.width = png_get_image_width(c->png, c->info);
  c->image.channels = png_get_channels(c->png, c->info);
  size_t size = 0;
  if (!wk_multiply_size(png_get_rowbytes(c->png, c->info), height, &size))
    png_error(c->png, "the image is too large");
  c->image.bytes = wk_allocate_zeroed(size, 1);
  if (!c->image.bytes) png_error(c->png, "no memory");
}

/* Passes over every chunk but the header, palette, transparency and pixels: texts and profiles can
 * inflate to megabytes from a few bytes. Then no chunk is too long either. */
static void ignore_other_chunks(png_structp png) {
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_chunk_malloc_max(png, 0);
}

static void read_image(codec *c) {
  png_set_read_fn(c->png, c, read_bytes);
  png_set_user_limits(c->png, MAX_SIDE, MAX_SIDE);
  ignore_other_chunks(c->png);
  png_read_info(c->png, c->info);
  allocate_image(c);
  const size_t row_size = png_get_rowbytes(c->png, c->info);
  for (int pass = 0; pass < c->passes; pass++)
    for (int64_t y = 0; y < c->image.height; y++)
      png_read_row(c->png, c->image.bytes + (size_t)y * row_size, NULL);
  png_read_end(c->png, NULL);
}

static void create_reader(codec *c) {
  c->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, c, on_error, on_warning, NULL,
                                    allocate_for_png, free_for_png);
  if (c->png) c->info = png_create_info_struct(c->png);
}

wk_status wk_png_decode(const void *data, size_t size, wk_image *image) {
  memset(image, 0, sizeof(*image));
  if (size < 8 || png_sig_cmp(data, 0, 8) != 0)
    return wk_fail(WK_ERROR_FORMAT, "not a PNG file: its first 8 bytes are not the signature");
  codec c = {.data = data, .left = size, .file_size = size};
  if (!guarded(&c, create_reader) || !c.info)
    wk_fail(WK_ERROR_MEMORY, "no memory to read a PNG file");
  else
    guarded(&c, read_image);
  png_destroy_read_struct(&c.png, &c.info, NULL);
  /* libpng goes on without memory for what it can spare, but then an error is pending. */
  if (wk_failed()) {
    wk_deallocate(c.image.bytes);
    return wk_error_status();
  }
  *image = c.image;
  return WK_OK;
}

wk_status wk_png_read(const char *path, wk_image *image) {
  void *data = NULL;
  size_t size = 0;
  memset(image, 0, sizeof(*image));
  wk_status status = wk_file_read(path, 0, &data, &size);
  if (status < 0) return status;
  status = wk_png_decode(data, size, image);
  if (status < 0) {
    wk_error_wrap("cannot read the PNG file '%s'", path);
    if (status == WK_ERROR_FORMAT)
      wk_error_add_hint(
          "it is another kind of file whatever its name, or damaged; convert it to PNG, "
          "or fetch it anew");
  }
  wk_deallocate(data);
  return status;
}

static wk_tensor *load(const char *path) {
  if (!path) {
    wk_fail(WK_ERROR_ARGUMENT, "wk_png_load: path is NULL");
    return NULL;
  }
  wk_image image;
  if (wk_png_read(path, &image) < 0) return NULL;
  const wk_shape shape = {3, {image.height, image.width, image.channels}};
  wk_tensor *tensor = wk_tensor_from_data(shape, WK_U8, image.bytes, NULL);
  wk_deallocate(image.bytes);
  return tensor;
}

wk_tensor *wk_png_load_at(wk_place here, const char *path) {
  if (wk_failed()) return NULL;
  wk_tensor *image = load(path);
  wk_error_add_call("png_load", here);
  return image;
}

/* ---- writing ---- */

static void write_bytes(png_structp png, png_bytep data, size_t size) {
  codec *c = png_get_io_ptr(png);
  if (wk_file_write(c->writer, data, size) < 0) png_error(png, "write failed");
}

static void flush_bytes(png_structp png) { (void)png; }

static void write_image(codec *c) {
  static const int colour_types[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                     PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
  const wk_image *image = &c->image;
  png_set_write_fn(c->png, c, write_bytes, flush_bytes);
  png_set_IHDR(c->png, c->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
               colour_types[image->channels - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(c->png, c->info);
  const size_t row_size = (size_t)(image->width * image->channels);
  for (int64_t y = 0; y < image->height; y++)
    png_write_row(c->png, c->pixels + (size_t)y * row_size);
  png_write_end(c->png, NULL);
}

static void create_writer(codec *c) {
  c->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, c, on_error, on_warning, NULL,
                                     allocate_for_png, free_for_png);
  if (c->png) c->info = png_create_info_struct(c->png);
}

static wk_status write_file(const char *path, const wk_image *image, const uint8_t *pixels) {
  codec c = {.image = *image, .pixels = pixels};
  c.writer = wk_file_writer_create(path);
  if (!c.writer) return wk_error_status();
  if (!guarded(&c, create_writer) || !c.info)
    wk_fail(WK_ERROR_MEMORY, "no memory to write a PNG file");
  else
    guarded(&c, write_image);
  png_destroy_write_struct(&c.png, &c.info);
  if (!wk_failed()) return wk_file_commit(c.writer);
  wk_file_abandon(c.writer);
  return wk_error_status();
}

static wk_status save(wk_tensor *image, const char *path) {
  if (!image || !path) return wk_fail(WK_ERROR_ARGUMENT, "wk_png_save: image or path is NULL");
  const wk_shape shape = wk_tensor_shape(image);
  char text[128];
  wk_tensor_describe(image, text, sizeof(text));
  if (wk_tensor_dtype(image) != WK_U8)
    return wk_fail(WK_ERROR_DTYPE, "wk_png_save needs u8 values, but the image is %s", text);
  if (shape.rank != 3 || shape.dims[0] < 1 || shape.dims[0] > MAX_SIDE || shape.dims[1] < 1 ||
      shape.dims[1] > MAX_SIDE || shape.dims[2] < 1 || shape.dims[2] > 4)
    return wk_fail(WK_ERROR_SHAPE,
                   "wk_png_save needs [height, width, channels] with 1 to 4 channels and sides up "
                   "to %d, but the image is %s",
                   MAX_SIDE, text);
  const size_t size = (size_t)wk_tensor_count(image);
  uint8_t *pixels = wk_allocate(size);
  if (!pixels) return wk_error_status();
  wk_status status = wk_tensor_read(image, pixels, size);
  if (status == WK_OK)
    status =
        write_file(path, &(wk_image){shape.dims[0], shape.dims[1], shape.dims[2], NULL}, pixels);
  wk_deallocate(pixels);
  return status;
}

wk_status wk_png_save_at(wk_place here, wk_tensor *image, const char *path) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = save(image, path);
  wk_error_add_call("png_save", here);
  return status;
}
