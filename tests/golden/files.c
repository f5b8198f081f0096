/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes with files, data sets and runs. */
#include "golden/mistakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/temporary.h"

/* ---- what the mistakes need ---- */

static wk_module *small_network(void) {
  wk_module *network = wk_sequential(wk_flatten_layer(), wk_linear_layer(5));
  wk_module_build_for(network, WK_SHAPE(28, 28, 1), WK_F32, NULL);
  return network;
}

static const char *saved_network(const char *name) {
  const char *path = temporary_path(name);
  wk_module *network = small_network();
  wk_module_save(network, path);
  wk_module_free(network);
  return path;
}

static void write_image(const char *name) {
  WK_SCOPE;
  wk_png_save(wk_full(WK_SHAPE(8, 8, 1), 128, .dtype = WK_U8), temporary_path(name));
}

static const char *text_file(const char *name) {
  static const char text[] = "label,pixel0,pixel1\n3,0,17\n";
  return temporary_file(name, text, sizeof text - 1);
}

/* ---- model files ---- */

static void missing_model(void) { wk_module_load(temporary_path("no-such-model.safetensors")); }

static void image_as_model(void) {
  write_image("boot.png");
  wk_module_load(temporary_path("boot.png"));
}

static void truncated_model(void) {
  const char *path = saved_network("cut.safetensors");
  if (truncate(path, 4096) != 0) perror(path);
  wk_module_load(path);
}

/* The network's only linear layer is renamed to a type of equally many letters that nobody knows.
 */
static void unknown_module_type(void) {
  const char *path = saved_network("unknown.safetensors");
  static char bytes[1 << 16];
  FILE *file = fopen(path, "rb");
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  for (size_t i = 0; i + 6 <= size; i++)
    if (memcmp(bytes + i, "linear", 6) == 0) memcpy(bytes + i, "linoar", 6);
  wk_module_load(temporary_file("unknown.safetensors", bytes, size));
}

static void weights_of_somebody_else(void) {
  WK_SCOPE;
  const char *path = temporary_path("theirs.safetensors");
  wk_safetensors_writer *writer = wk_safetensors_writer_create();
  wk_safetensors_writer_add(writer, "fc.weight", wk_full(WK_SHAPE(10, 784), 0));
  wk_safetensors_writer_save(writer, path);
  wk_safetensors_writer_free(writer);
  wk_module_load(path);
}

static void no_such_tensor(void) {
  WK_SCOPE;
  wk_safetensors *file = wk_safetensors_open(saved_network("known.safetensors"));
  wk_safetensors_get(file, "fc1.weight", NULL);
  wk_safetensors_free(file);
}

static void save_into_a_missing_folder(void) {
  char path[512];
  snprintf(path, sizeof path, "%s/no/such/folder/model.safetensors", temporary_folder());
  wk_module *network = small_network();
  wk_module_save(network, path);
  wk_module_free(network);
}

static void save_over_a_folder(void) {
  temporary_path("taken/file");
  wk_module *network = small_network();
  wk_module_save(network, temporary_path("taken"));
  wk_module_free(network);
}

/* ---- data sets ---- */

static void unknown_data_set(void) { wk_dataset_free(wk_dataset_open("cifar-10")); }

static void data_set_not_there(void) {
  temporary_path("no-idx/file");
  wk_dataset_free(wk_dataset_open("mnist", .path = temporary_path("no-idx")));
}

static void text_as_data_set(void) {
  text_file("text-idx/train-images-idx3-ubyte");
  text_file("text-idx/train-labels-idx1-ubyte");
  wk_dataset_free(wk_dataset_open("mnist", .path = temporary_path("text-idx")));
}

static void folder_without_classes(void) {
  write_image("flat/1.png");
  wk_dataset_free(wk_dataset_open(temporary_path("flat")));
}

static void folder_of_one_class(void) {
  write_image("alone/cat/1.png");
  write_image("alone/cat/2.png");
  wk_dataset_free(wk_dataset_open(temporary_path("alone")));
}

static void class_without_images(void) {
  write_image("half/cat/1.png");
  text_file("half/dog/notes.txt");
  wk_dataset_free(wk_dataset_open(temporary_path("half")));
}

static void image_is_something_else(void) {
  write_image("renamed/cat/1.png");
  write_image("renamed/cat/2.png");
  text_file("renamed/dog/1.png");
  text_file("renamed/dog/2.png");
  wk_dataset_free(wk_dataset_open(temporary_path("renamed")));
}

static void data_labels_as_floats(void) {
  WK_SCOPE;
  wk_dataset_free(
      wk_dataset_from_tensors(wk_full(WK_SHAPE(100, 20), 1), wk_full(WK_SHAPE(100), 1)));
}

static void fewer_labels_than_inputs(void) {
  WK_SCOPE;
  wk_dataset_free(wk_dataset_from_tensors(wk_full(WK_SHAPE(100, 20), 1),
                                          wk_full(WK_SHAPE(99), 1, .dtype = WK_I64)));
}

static wk_status label_seven(void *context, int64_t index, void *input, int64_t *label) {
  (void)context, (void)index;
  *(float *)input = 0;
  *label = 7;
  return WK_OK;
}

static void label_outside_the_classes(void) {
  const wk_dataset_functions functions = {.struct_size = sizeof functions,
                                          .get = label_seven,
                                          .count = 10,
                                          .shape = {1, {1}},
                                          .class_count = 3};
  wk_dataset *set = wk_dataset_create(&functions, NULL);
  wk_loader *batches = wk_loader_create(set, .batch_size = 4);
  wk_tensors batch;
  wk_loader_next(batches, &batch);
  wk_loader_free(batches);
  wk_dataset_free(set);
}

static void loader_over_nothing(void) { wk_loader_free(wk_loader_create(NULL, .batch_size = 64)); }

static void no_batch_left(void) {
  wk_dataset *set = wk_dataset_open("glyphs", .count = 16);
  wk_loader_free(wk_loader_create(set, .batch_size = 64, .drop_last = true));
  wk_dataset_free(set);
}

/* ---- runs ---- */

/* Ten kinds of glyphs, five outputs. */
static void run(const char *folder, bool resume) {
  wk_dataset *set = wk_dataset_open("glyphs", .count = 256);
  wk_loader *batches = wk_loader_create(set, .batch_size = 64);
  wk_module *network = small_network();
  wk_optimizer *optimizer = wk_sgd_create(network, .learning_rate = 0.1);
  wk_fit(network, optimizer, batches, .run_folder = folder, .resume = resume);
  wk_optimizer_free(optimizer);
  wk_module_free(network);
  wk_loader_free(batches);
  wk_dataset_free(set);
}

static void fewer_outputs_than_classes(void) { run(NULL, false); }
static void resume_without_checkpoint(void) { run(temporary_path("empty-run"), true); }

static void predict_from_text(void) {
  wk_prediction best = {.struct_size = sizeof best};
  size_t found;
  wk_module *network = small_network();
  wk_predict_image(network, text_file("digit.png"), &best, 1, &found);
  wk_module_free(network);
}

const mistake file_mistakes[] = {
    MISTAKE(missing_model, ""),
    MISTAKE(image_as_model, ""),
    MISTAKE(truncated_model, ""),
    MISTAKE(unknown_module_type, ""),
    MISTAKE(weights_of_somebody_else, ""),
    MISTAKE(no_such_tensor, ""),
    MISTAKE(save_into_a_missing_folder, ""),
    MISTAKE(save_over_a_folder, ""),
    MISTAKE(unknown_data_set, ""),
    MISTAKE(data_set_not_there, ""),
    MISTAKE(text_as_data_set, ""),
    MISTAKE(folder_without_classes, ""),
    MISTAKE(folder_of_one_class, ""),
    MISTAKE(class_without_images, ""),
    MISTAKE(image_is_something_else, ""),
    MISTAKE(data_labels_as_floats, ""),
    MISTAKE(fewer_labels_than_inputs, "S"),
    MISTAKE(label_outside_the_classes, ""),
    MISTAKE(loader_over_nothing, ""),
    MISTAKE(no_batch_left, ""),
    MISTAKE(fewer_outputs_than_classes, "S"),
    MISTAKE(resume_without_checkpoint, ""),
    MISTAKE(predict_from_text, ""),
    {NULL, NULL, NULL},
};
