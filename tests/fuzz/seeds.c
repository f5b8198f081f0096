/* SPDX-License-Identifier: Apache-2.0 */

/* seeds FOLDER: writes a few small files of each format, the fuzzers' first ones, into
 * FOLDER/KIND/. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <png.h>
#include <wick/wick.h>
#include <zlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "format/crc32c.h"
#include "graph/plan_text.h"
#include "graph/timeline.h"
#include "support/good_graph.h"
#include "support/read_checkpoint.h"

static const char *folder;

static const char *seed_path(const char *kind, const char *name) {
  static char path[4096];
  wk_print_into(path, sizeof path, 0, "%s/%s", folder, kind);
  wk_folder_create(path);
  wk_print_into(path, sizeof path, 0, "%s/%s/%s", folder, kind, name);
  return path;
}

static void save(const char *kind, const char *name, const void *data, size_t size) {
  wk_file_writer *writer = wk_file_writer_create(seed_path(kind, name));
  if (writer && wk_file_write(writer, data, size) == WK_OK)
    wk_file_commit(writer);
  else
    wk_file_abandon(writer);
}

/* ---- gzip and IDX ---- */

static size_t deflate_text(uint8_t *to, size_t most, const void *text, size_t size, int level) {
  z_stream stream = {.next_in = (Bytef *)(uintptr_t)text,
                     .avail_in = (uInt)size,
                     .next_out = to,
                     .avail_out = (uInt)most};
  gz_header header = {.text = 1, .name = (Bytef *)"name", .comment = (Bytef *)"comment", .hcrc = 1};
  deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  if (level == 9) deflateSetHeader(&stream, &header);
  deflate(&stream, Z_FINISH);
  deflateEnd(&stream);
  return most - stream.avail_out;
}

static void save_gzip(void) {
  static const char text[] = "a wick feeds the torch with a flow, a flow, a flow";
  uint8_t packed[2048];
  for (int level = 0; level <= 9; level += 3) {
    char name[16];
    wk_print_into(name, sizeof name, 0, "level%d", level);
    save("gzip", name, packed, deflate_text(packed, sizeof packed, text, sizeof text, level));
  }
  size_t size = deflate_text(packed, sizeof packed, text, sizeof text, 6);
  size += deflate_text(packed + size, sizeof packed - size, text, 8, 9);
  save("gzip", "two-members", packed, size);
  memset(packed + size, 0, 16);
  save("gzip", "padded", packed, size + 16);
  save("gzip", "empty", packed, deflate_text(packed, sizeof packed, "", 0, 6));
}

static void save_idx(void) {
  static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 5, 3, 1, 4, 1, 5};
  static const uint8_t images[16 + 2 * 3 * 4] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 9};
  static const uint8_t none[] = {0, 0, 8, 2, 0, 0, 0, 0, 255, 255, 255, 255};
  uint8_t packed[256];
  save("idx", "labels", labels, sizeof labels);
  save("idx", "images", images, sizeof images);
  save("idx", "none", none, sizeof none);
  save("idx", "labels.gz", packed, deflate_text(packed, sizeof packed, labels, sizeof labels, 6));
  save("idx", "images.gz", packed, deflate_text(packed, sizeof packed, images, sizeof images, 9));
}

/* ---- PNG ---- */

/* An 8x8 image of any of PNG's sorts, with the chunks that change how pixels are decoded. */
static void save_png(const char *name, int depth, int colour_type, int interlace) {
  png_byte row[8 * 8];
  FILE *file = fopen(seed_path("png", name), "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  if (!file || !info || setjmp(png_jmpbuf(png))) exit(1);
  png_init_io(png, file);
  png_set_IHDR(png, info, 8, 8, depth, colour_type, interlace, 0, 0);
  if (colour_type == PNG_COLOR_TYPE_PALETTE) {
    static const png_color colours[2] = {{255, 0, 0}, {0, 0, 255}};
    static const png_byte alpha[2] = {255, 127};
    png_set_PLTE(png, info, colours, 2);
    png_set_tRNS(png, info, alpha, 2, NULL);
  } else if (!(colour_type & PNG_COLOR_MASK_ALPHA)) {
    png_set_tRNS(png, info, NULL, 0, &(png_color_16){.red = 1, .gray = 1});
  }
  png_set_gAMA(png, info, 0.45455);
  png_set_pHYs(png, info, 2835, 2835, PNG_RESOLUTION_METER);
  png_set_text(png, info,
               &(png_text){.compression = PNG_TEXT_COMPRESSION_zTXt,
                           .key = (char[]){"Title"},
                           .text = (char[]){"a test, a test, a test"},
                           .text_length = 22},
               1);
  png_write_info(png, info);
  for (int pass = interlace ? png_set_interlace_handling(png) : 1; pass > 0; pass--)
    for (int y = 0; y < 8; y++) {
      memset(row, colour_type == PNG_COLOR_TYPE_PALETTE ? y & 1 : y * 30, sizeof row);
      png_write_row(png, row);
    }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  fclose(file);
}

static void save_pngs(void) {
  for (int interlace = 0; interlace <= 1; interlace++) {
    static const struct {
      const char *name;
      int depth, colour_type;
    } sorts[] = {{"grey1", 1, 0},          {"grey4", 4, 0},           {"grey8", 8, 0},
                 {"grey16", 16, 0},        {"colours8", 8, 2},        {"colours16", 16, 2},
                 {"palette1", 1, 3},       {"palette8", 8, 3},        {"grey-alpha8", 8, 4},
                 {"colours-alpha8", 8, 6}, {"colours-alpha16", 16, 6}};
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) {
      char name[32];
      wk_print_into(name, sizeof name, 0, "%s%s.png", sorts[i].name,
                    interlace ? "-interlaced" : "");
      save_png(name, sorts[i].depth, sorts[i].colour_type, interlace);
    }
  }
  WK_SCOPE;
  wk_png_save(wk_full(WK_SHAPE(3, 5, 3), 7, .dtype = WK_U8), seed_path("png", "own.png"));
}

/* ---- safetensors and model files ---- */

static void save_safetensors(void) {
  WK_SCOPE;
  static const wk_dtype dtypes[] = {WK_F32, WK_F64, WK_I64, WK_I32, WK_U8, WK_BOOL};
  wk_safetensors_writer *writer = wk_safetensors_writer_create();
  wk_safetensors_writer_save(writer, seed_path("safetensors", "empty"));
  wk_safetensors_writer_set(writer, "format", "wick");
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    wk_safetensors_writer_add(writer, wk_dtype_name(dtypes[i]),
                              wk_full(WK_SHAPE(2, (int64_t)i), 1, .dtype = dtypes[i]));
  wk_safetensors_writer_add(writer, "scalar", wk_full(WK_SCALAR, 1));
  wk_safetensors_writer_save(writer, seed_path("safetensors", "all-dtypes"));
  wk_safetensors_writer_free(writer);
}

/* The text form of a file that the fuzz targets take too; see tests/support/assemble.h. */
static void save_as_text(const char *path, const char *kind, const char *name, const char *key) {
  void *bytes = NULL;
  size_t size = 0;
  if (wk_file_read(path, 0, &bytes, &size) < 0) return;
  uint64_t header_size = 0;
  for (int i = 0; i < 8; i++) header_size |= (uint64_t)((uint8_t *)bytes)[i] << (8 * i);
  json_t *table = json_loadb((char *)bytes + 8, (size_t)header_size, 0, NULL);
  json_t *metadata = json_incref(json_object_get(table, "__metadata__"));
  json_object_del(table, "__metadata__");
  char *tensors = json_dumps(table, JSON_COMPACT);
  wk_text text = {0};
  wk_text_append(&text, "%s\n%s\n", json_string_value(json_object_get(metadata, key)), tensors);
  save(kind, name, text.data, text.length);
  wk_text_free(&text);
  free(tensors); /* jansson's */
  json_decref(metadata);
  json_decref(table);
  wk_deallocate(bytes);
}

static void save_model(const char *name, wk_module *network, wk_shape example) {
  char text_name[64], path[4096];
  wk_print_into(path, sizeof path, 0, "%s", seed_path("model_file", name));
  wk_module_build_for(network, example, WK_F32, NULL);
  wk_module_save(network, path);
  wk_print_into(text_name, sizeof text_name, 0, "%s.text", name);
  save_as_text(path, "model_file", text_name, "wick");
  wk_module_free(network);
}

static void save_models(void) {
  save_model("linear", wk_linear_layer(2), WK_SHAPE(3));
  save_model("dense",
             wk_sequential(wk_flatten_layer(), wk_linear_layer(4, .no_bias = true), wk_tanh_layer(),
                           wk_dropout_layer(0.5), wk_softmax_layer()),
             WK_SHAPE(2, 3));
  save_model("images",
             wk_sequential(wk_conv2d_layer(2, 3, .stride = {2, 1}, .padding = {1, 2}),
                           wk_relu_layer(), wk_max_pool2d_layer(2),
                           wk_sequential(wk_sigmoid_layer(), wk_average_pool2d_layer(2))),
             WK_SHAPE(8, 8, 1));
}

static void save_checkpoint(void) {
  char path[4096];
  wk_print_into(path, sizeof path, 0, "%s", seed_path("checkpoint", "linear"));
  write_checkpoint(path);
  save_as_text(path, "checkpoint", "linear.text", "wick_checkpoint");
}

/* ---- event files ---- */

static void save_own_events(void) {
  wk_event_writer *writer = wk_event_writer_create(seed_path("events", "own"));
  wk_event_writer_scalar(writer, "train/loss", 1, 0.5);
  wk_event_writer_scalar(writer, "train/loss", 200, 0.25);
  wk_event_writer_restart(writer, 100);
  wk_event_writer_free(writer);
}

static size_t put_frame(uint8_t *to, const char *message, size_t size) {
  memset(to, 0, 12);
  to[0] = (uint8_t)size; /* messages are shorter than 256 bytes */
  const uint32_t sums[2] = {wk_crc32c_masked(to, 8), wk_crc32c_masked(message, size)};
  memcpy(to + 12, message, size);
  for (int i = 0; i < 4; i++) {
    to[8 + i] = (uint8_t)(sums[0] >> (8 * i));
    to[12 + size + (size_t)i] = (uint8_t)(sums[1] >> (8 * i));
  }
  return 16 + size;
}

/* What TensorFlow 2 writes, and every field that the reader knows. */
static void save_other_events(void) {
#define MESSAGE(text)                                                                              \
  { text, sizeof text - 1 }
  static const struct {
    const char *bytes;
    size_t size;
  } messages[] = {
      MESSAGE("\x09\0\0\0y\xc4\xc0\xda\x41\x1a\x0d"
              "brain.Event:2R\x03\x0a\x01w"),
      MESSAGE("\x10\x01*!\x0a\x1f\x0a\x04lossB\x0a\x08\x01\x12\0\"\x04\0\0\x80?"
              "J\x0b\x0a\x09\x0a\x07scalars"),
      MESSAGE("*\x12\x0a\x10\x0a\x01"
              "dB\x0b\x08\x02\x31\0\0\0\0\0\0\xf0?"),
      MESSAGE("*\x11\x0a\x0f\x0a\x01"
              "fB\x0a\x08\x01\x12\0*\x04\0\0\x80?"),
      MESSAGE("*\x15\x0a\x06\x0a\x01"
              "a\x15\0\0\x0a\x0b\x0a\x01"
              "bB\x06\x08\x07\x12\x02\x12\0"),
      MESSAGE("\x10\x80\x80\x01:\x02\x08\x01"),
      MESSAGE("\"\x02\x0a\0"),
  };
#undef MESSAGE
  uint8_t file[1024];
  size_t size = 0;
  for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
    size += put_frame(file + size, messages[i].bytes, messages[i].size);
  save("events", "others", file, size);
  save("events", "cut", file, size - 5);
}

static void save_graph(void) { save("graph", "good", good_graph, sizeof good_graph - 1); }

/* ---- plans ---- */

static wk_tensor *products(void *context, wk_tensors in) {
  wk_tensor *x = wk_matmul(in.item[0], context), *y = wk_exp(x);
  y = wk_cumulative_sum(wk_add(wk_tanh(y), x), .axis = 1);
  wk_assign(wk_slice(context, 0, .end = 2), wk_multiply(y, wk_scalar(0.5)));
  return wk_dropout(wk_sum(y, .axes = WK_AXES(0)), .rate = 0.5);
}

static wk_tensor *pictures(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *x = wk_relu(wk_conv2d(in.item[0], wk_full(WK_SHAPE(2, 3, 3, 1), 1)));
  return wk_softmax(wk_permute(wk_max_pool2d(x, .window = {2, 2}), WK_AXES(0, 3, 1, 2)));
}

static wk_tensor *rows(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *x = wk_gather(in.item[0], wk_argmax(in.item[0], .axis = 1, .keep_dims = true), 1);
  return wk_sort(wk_concatenate(WK_TENSORS(x, in.item[0]), .axis = 1)).values;
}

/* Of its weights: convolution, pooling, softmax, look-ups and their gradients. */
static wk_tensor *slopes(void *context, wk_tensors in) {
  wk_tensor *weight = wk_detach(context), *slope = NULL;
  wk_tensor_set_requires_gradient(weight, true);
  wk_tensor *x = wk_max_pool2d(wk_conv2d(in.item[0], weight, .padding = {1, 1}), .window = {2, 2});
  x = wk_layer_norm(wk_reshape(x, WK_SHAPE(2, -1)));
  x = wk_cross_entropy(x, wk_argmin(x, .axis = 1));
  wk_grad(&slope, x, WK_TENSORS(weight));
  return slope;
}

static wk_tensor *sequence(void *context, wk_tensors in) {
  wk_tensor *q = wk_reshape(in.item[0], WK_SHAPE(1, 1, 3, 4));
  wk_tensor *y = wk_scaled_dot_product_attention(q, q, q, .causal = true);
  wk_tensor *places = wk_cast(wk_abs(wk_reshape(y, WK_SHAPE(12))), WK_I64);
  return wk_scatter_add(context, places, wk_reshape(y, WK_SHAPE(12)), .axis = 0);
}

static void save_plan(const char *name, wk_function_body body, wk_tensor *context, wk_tensor *in) {
  wk_function *f = wk_compile(body, context);
  const wk_plan *plan = wk_function_plan(f, (wk_tensors){1, &in});
  wk_text text = {0};
  if (plan && wk_plan_to_text(plan, 1, &in->layout, &text) == WK_OK)
    save("plan", name, text.data, text.length);
  wk_text_free(&text);
  wk_function_free(f);
}

static void save_plans(void) {
  WK_SCOPE;
  save_plan("products", products, wk_full(WK_SHAPE(3, 4), 2), wk_full(WK_SHAPE(2, 3), 1));
  save_plan("pictures", pictures, NULL, wk_full(WK_SHAPE(1, 6, 6, 1), 1));
  save_plan("slopes", slopes, wk_full(WK_SHAPE(3, 3, 3, 1), 0.5), wk_full(WK_SHAPE(2, 4, 4, 1), 1));
  save_plan("sequence", sequence, wk_full(WK_SHAPE(5), 1), wk_full(WK_SHAPE(1, 3, 4), 1));
  save_plan("rows", rows, NULL, wk_full(WK_SHAPE(3, 5), 1));
}

int main(int count, char **words) {
  if (count != 2) {
    fprintf(stderr, "seeds FOLDER\n");
    return 2;
  }
  folder = words[1];
  save_gzip();
  save_graph();
  save_plans();
  save_idx();
  save_pngs();
  save_safetensors();
  save_models();
  save_checkpoint();
  save_own_events();
  save_other_events();
  return wk_error_report(stderr);
}
