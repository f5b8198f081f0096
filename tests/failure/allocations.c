/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th allocation fails, for every n until a task passes. Each time the task either succeeds
 * all the same or ends with a memory error, leaves everything as it was, and succeeds when tried
 * again. */
#include <stdlib.h>
#include <string.h>

#include <wick/wick.h>

#include "base/file.h"
#include "base/memory.h"
#include "support/temporary.h"
#include "tensor/tensor.h"

__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

enum { SIDE = 8, CLASSES = 4, COUNT = 24 };

static wk_dataset *dataset;
static wk_loader *loader;
static wk_module *network;
static wk_optimizer *optimizer;
static char model[512], checkpoint[512], image[512], folder[512], events[512];

static wk_module *make_network(void) {
  return wk_sequential(wk_conv2d_layer(3, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                       wk_flatten_layer(), wk_dropout_layer(0.25), wk_linear_layer(10));
}

/* ---- the tasks; each returns whether it went well ---- */

static bool train_step(void) {
  WK_SCOPE;
  wk_tensor *output = wk_forward(network, wk_full(WK_SHAPE(4, SIDE, SIDE, 1), 0.5));
  wk_tensor *loss = wk_cross_entropy(output, wk_full(WK_SHAPE(4), 2, .dtype = WK_I64));
  wk_backward(loss);
  return wk_optimizer_step(optimizer) == WK_OK;
}

/* With an optimizer whose slots are still to be made. */
static bool first_step(void) {
  wk_optimizer *kept = optimizer;
  optimizer = wk_adam_create(network, .learning_rate = 1e-2);
  const bool good = optimizer && train_step();
  wk_optimizer_free(optimizer);
  optimizer = kept;
  return good;
}

static bool build(void) {
  wk_module *fresh = make_network();
  const bool good = wk_module_build(fresh, dataset) == WK_OK;
  const bool consistent = wk_module_is_built(fresh) == good;
  wk_module_free(fresh);
  return good && consistent;
}

static bool save(void) { return wk_module_save(network, model) == WK_OK; }

static bool load(void) {
  wk_module *loaded = wk_module_load(model);
  wk_module_free(loaded);
  return loaded != NULL;
}

static bool evaluate(void) {
  wk_evaluation result = {.struct_size = sizeof result};
  return wk_evaluate(network, loader, &result) == WK_OK && result.count == COUNT;
}

static bool decode_png(void) {
  WK_SCOPE;
  return wk_png_load(image) != NULL;
}

static bool read_idx(void) {
  wk_dataset *set = wk_dataset_open("mnist", .path = folder, .height = 4, .width = 4);
  wk_dataset_free(set);
  return set != NULL;
}

static bool open_safetensors(void) {
  WK_SCOPE;
  wk_safetensors *file = wk_safetensors_open(model);
  const bool good = file && wk_safetensors_get(file, "0.weight", NULL);
  wk_safetensors_free(file);
  return good;
}

static bool write_events(void) {
  static int serial; /* a folder for each: names differ by number within a second */
  char path[600];
  snprintf(path, sizeof path, "%s/%d", events, serial++);
  wk_event_writer *writer = wk_event_writer_create(path);
  for (int64_t i = 0; i < 3; i++) wk_event_writer_scalar(writer, "loss", i, 0.5);
  const bool good = writer && wk_event_writer_flush(writer) == WK_OK;
  wk_event_writer_free(writer);
  return good;
}

static bool save_checkpoint(void) {
  return wk_checkpoint_save(checkpoint, network, optimizer, loader) == WK_OK;
}

static bool load_checkpoint(void) {
  return wk_checkpoint_load(checkpoint, network, optimizer, loader) == WK_OK;
}

static bool predict(void) {
  wk_prediction best = {.struct_size = sizeof best};
  size_t found;
  return wk_predict_image(network, image, &best, 1, &found) == WK_OK;
}

static bool fit(void) {
  return wk_fit(network, optimizer, loader, .validation = loader, .run_folder = folder) == WK_OK;
}

/* ---- the state that a failure leaves as it was ---- */

typedef struct state {
  char *values;
  size_t size;
  int64_t steps;
  void *files[2];
  size_t sizes[2];
} state;

static void save_state(state *s) {
  const wk_parameters *set = wk_module_parameters(network);
  s->size = (size_t)wk_parameters_element_count(set) * sizeof(float);
  s->values = malloc(s->size);
  char *to = s->values;
  for (size_t i = 0; i < wk_parameters_count(set); i++) {
    const wk_tensor *tensor = wk_parameters_get(set, i);
    const size_t size = (size_t)wk_tensor_count(tensor) * sizeof(float);
    memcpy(to, wk_tensor_data(tensor), size);
    to += size;
  }
  s->steps = wk_optimizer_step_count(optimizer);
  wk_file_read(model, 0, &s->files[0], &s->sizes[0]);
  wk_file_read(checkpoint, 0, &s->files[1], &s->sizes[1]);
}

static bool equal_states(const state *a, const state *b) {
  bool equal = a->steps == b->steps && memcmp(a->values, b->values, a->size) == 0;
  for (int i = 0; i < 2; i++)
    equal = equal && a->sizes[i] == b->sizes[i] && a->files[i] && b->files[i] &&
            memcmp(a->files[i], b->files[i], a->sizes[i]) == 0;
  return equal;
}

static void free_state(state *s) {
  free(s->values);
  for (int i = 0; i < 2; i++) wk_deallocate(s->files[i]);
}

/* ---- failing each allocation ---- */

static int faults;

static void fault(const char *task, int64_t n, const char *what) {
  char text[4096] = "";
  wk_error_text(text, sizeof text);
  printf("FAIL %s, allocation %lld: %s\n%s", task, (long long)n, what, text);
  wk_error_clear();
  faults++;
}

/* Tries once with allocation n failing; false when there were not so many. */
static bool try_once(const char *name, bool (*task)(void), bool keeps_state, int64_t n) {
  state before, after;
  save_state(&before);
  wk_memory_fail_after(n);
  const bool good = task();
  const bool happened = wk_memory_fail_after(-1) < 0;
  if (good && wk_error_status() != WK_OK) fault(name, n, "it succeeded with an error pending");
  if (!good && wk_error_status() != WK_ERROR_MEMORY) fault(name, n, "it gave no memory error");
  wk_error_clear();
  save_state(&after);
  if (!good && keeps_state && !equal_states(&before, &after))
    fault(name, n, "it changed something");
  free_state(&before);
  free_state(&after);
  if (!good && !task()) fault(name, n, "it does not succeed when tried again");
  return happened;
}

static const struct {
  const char *name;
  bool (*run)(void);
  bool keeps_state; /* a failure leaves network and files as they were */
} tasks[] = {
    {"train step", train_step, true},
    {"first step", first_step, true},
    {"module build", build, true},
    {"save", save, true},
    {"load", load, true},
    {"evaluate", evaluate, true},
    {"decode PNG", decode_png, true},
    {"read IDX", read_idx, true},
    {"open safetensors", open_safetensors, true},
    {"write events", write_events, true},
    {"save checkpoint", save_checkpoint, true},
    {"load checkpoint", load_checkpoint, true},
    {"predict", predict, true},
    {"fit", fit, false},
};

static void write_idx(const char *name, int rank, size_t size) {
  unsigned char bytes[16 + COUNT * SIDE * SIDE] = {0, 0, 8, (unsigned char)rank, 0, 0, 0, COUNT};
  if (rank == 3) bytes[11] = SIDE, bytes[15] = SIDE;
  temporary_file(name, bytes, size);
}

static void prepare(void) {
  WK_SCOPE;
  snprintf(model, sizeof model, "%s", temporary_path("model.safetensors"));
  snprintf(checkpoint, sizeof checkpoint, "%s", temporary_path("checkpoint.safetensors"));
  snprintf(image, sizeof image, "%s", temporary_path("image.png"));
  snprintf(folder, sizeof folder, "%s", temporary_path("sets"));
  snprintf(events, sizeof events, "%s", temporary_path("events"));
  write_idx("sets/train-images-idx3-ubyte", 3, 16 + COUNT * SIDE * SIDE);
  write_idx("sets/train-labels-idx1-ubyte", 1, 8 + COUNT);
  wk_png_save(wk_full(WK_SHAPE(SIDE, SIDE, 1), 99, .dtype = WK_U8), image);
  dataset = wk_dataset_open("glyphs", .count = COUNT, .height = SIDE, .width = SIDE);
  loader = wk_loader_create(dataset, .batch_size = 8, .shuffle = true);
  network = make_network();
  wk_module_build(network, dataset);
  optimizer = wk_adam_create(network, .learning_rate = 1e-2);
  train_step();
  save();
  save_checkpoint();
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0); /* a leak found at the end loses what is buffered */
  setenv("WICK_ALLOCATOR", "system", 1);
  wk_set_thread_count(1);
  prepare();
  if (wk_error_report(stdout) != 0) return 1;
  int64_t all = 0;
  for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
    int64_t n = 0;
    while (faults < 20 && try_once(tasks[i].name, tasks[i].run, tasks[i].keeps_state, n)) n++;
    printf("allocations: %s passes after %lld failures\n", tasks[i].name, (long long)n);
    all += n;
  }
  wk_optimizer_free(optimizer);
  wk_module_free(network);
  wk_loader_free(loader);
  wk_dataset_free(dataset);
  wk_shutdown();
  if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check()) faults++;
  printf("allocations: %lld failed in turn in %zu tasks, %d faults\n", (long long)all,
         sizeof tasks / sizeof *tasks, faults);
  return faults > 0;
}
