/* SPDX-License-Identifier: Apache-2.0 */
/* Every system call that saving, loading and opening make is made to fail: the error names the path
 * and the system's reason, and under every path there is the whole old file or the whole new one.
 * Interrupted calls and short counts are gone on from. */
#include "failure/shim.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <wick/wick.h>

#include "support/temporary.h"

enum { SIDE = 8, COUNT = 24, BOUND = 10000 };

static wk_module *network;
static wk_optimizer *optimizer;
static wk_loader *loader;
static char model[512], checkpoint[512], image[512], sets[512], events[512];

/* ---- the tasks ---- */

static bool save(void) { return wk_module_save(network, model) == WK_OK; }

static bool save_checkpoint(void) {
  return wk_checkpoint_save(checkpoint, network, optimizer, loader) == WK_OK;
}

static bool load(void) {
  wk_module *loaded = wk_module_load(model);
  wk_module_free(loaded);
  return loaded != NULL;
}

static bool load_checkpoint(void) {
  return wk_checkpoint_load(checkpoint, network, optimizer, loader) == WK_OK;
}

static bool open_dataset(void) {
  wk_dataset *set = wk_dataset_open("mnist", .path = sets);
  const bool good = wk_dataset_count(set) == COUNT;
  wk_dataset_free(set);
  return good;
}

static bool load_image(void) {
  WK_SCOPE;
  wk_tensor *read = wk_png_load(image);
  return read && wk_tensor_count(read) == SIDE * SIDE;
}

static bool save_image(void) {
  WK_SCOPE;
  return wk_png_save(wk_full(WK_SHAPE(SIDE, SIDE, 1), 99, .dtype = WK_U8), image) == WK_OK;
}

static bool write_events(void) {
  static int serial; /* a folder for each: names differ by number within a second */
  char path[600];
  snprintf(path, sizeof path, "%s/%d", events, serial++);
  wk_event_writer *writer = wk_event_writer_create(path);
  wk_event_writer_scalar(writer, "loss", 1, 0.5);
  const bool good = wk_event_writer_flush(writer) == WK_OK && writer;
  wk_event_writer_free(writer);
  return good;
}

static const struct {
  const char *name;
  bool (*run)(void);
  const char *path; /* what an error is to name: it, what lies in it, or the folder it lies in */
} tasks[] = {
    {"save", save, model},
    {"save checkpoint", save_checkpoint, checkpoint},
    {"load", load, model},
    {"load checkpoint", load_checkpoint, checkpoint},
    {"open data set", open_dataset, sets},
    {"load image", load_image, image},
    {"save image", save_image, image},
    {"write events", write_events, events},
};

static const struct {
  const char *name;
  int errors[4];
} calls[SHIM_CALLS] = {
    [SHIM_OPEN] = {"open", {EACCES, ENOSPC, EMFILE}}, [SHIM_READ] = {"read", {EIO}},
    [SHIM_WRITE] = {"write", {ENOSPC, EIO, EDQUOT}},  [SHIM_FSYNC] = {"fsync", {EIO, ENOSPC}},
    [SHIM_RENAME] = {"rename", {EACCES, EIO}},        [SHIM_CLOSE] = {"close", {EIO, ENOSPC}},
    [SHIM_MMAP] = {"mmap", {ENOMEM, EACCES}},
};

static int faults;
static char told[8192];

static void fault(const char *task, const char *call, int n, const char *what) {
  printf("FAIL %s, %s %d: %s\n%s", task, call, n, what, told);
  faults++;
}

/* ---- what must hold after a failure ---- */

static int unfinished;
static int look_for_parts(const char *path, const struct stat *facts, int kind, struct FTW *place) {
  (void)facts, (void)kind, (void)place;
  unfinished += strstr(path, ".part") != NULL;
  return 0;
}

/* A task's file is what it was, or what it was to become: equal bytes in this program, since it
 * saves the same again and again. */
static bool files_are_whole(void) {
  unfinished = 0;
  nftw(temporary_folder(), look_for_parts, 8, FTW_PHYS);
  return unfinished == 0 && load() && load_checkpoint() && load_image();
}

static void check_error(const char *task, const char *call, int n, int error, const char *path) {
  wk_error_text(told, sizeof told);
  const wk_status status = wk_error_status();
  wk_error found = {.struct_size = sizeof found};
  wk_error_take(&found);
  if (status != WK_ERROR_IO) fault(task, call, n, "it is no io error");
  if (!strstr(told, strerror(error))) fault(task, call, n, "the system's reason is missing");
  char folder[512];
  snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
  if (!strstr(told, folder)) fault(task, call, n, "the path is missing");
  if (!found.hint || !found.hint[0]) fault(task, call, n, "the remedy is missing");
}

/* False when the task makes fewer calls of the kind. */
static bool fail_once(size_t task, shim_call call, int n, int error) {
  const char *name = tasks[task].name;
  shim_fail(call, n, error);
  const bool good = tasks[task].run();
  if (!shim_end()) return false;
  told[0] = '\0';
  /* What was only read is closed without looking back: nothing can be lost. */
  if (good && call == SHIM_CLOSE) return true;
  if (good) {
    fault(name, calls[call].name, n, "it succeeded all the same");
    return true;
  }
  check_error(name, calls[call].name, n, error, tasks[task].path);
  if (!files_are_whole()) fault(name, calls[call].name, n, "a file is damaged or left over");
  if (!tasks[task].run()) fault(name, calls[call].name, n, "it does not succeed afterwards");
  wk_error_clear();
  return true;
}

static int fail_each(size_t task, shim_call call) {
  int count = 0;
  for (const int *error = calls[call].errors; *error; error++)
    for (int n = 0; n < BOUND && faults < 20 && fail_once(task, call, n, *error); n++) count++;
  return count;
}

static void disturb(size_t task, int most) {
  shim_disturb(most);
  const bool good = tasks[task].run();
  shim_end();
  told[0] = '\0';
  wk_error_text(told, sizeof told);
  if (!good) fault(tasks[task].name, "interrupted and short calls", most, "it failed");
  wk_error_clear();
  if (!files_are_whole()) fault(tasks[task].name, "disturbed", most, "a file is damaged");
}

/* ---- the program ---- */

static void write_idx(const char *name, int rank, size_t size) {
  unsigned char bytes[16 + COUNT * SIDE * SIDE] = {0, 0, 8, (unsigned char)rank, 0, 0, 0, COUNT};
  if (rank == 3) bytes[11] = SIDE, bytes[15] = SIDE;
  temporary_file(name, bytes, size);
}

static void prepare(wk_dataset *dataset) {
  snprintf(model, sizeof model, "%s", temporary_path("model.safetensors"));
  snprintf(checkpoint, sizeof checkpoint, "%s", temporary_path("checkpoint.safetensors"));
  snprintf(image, sizeof image, "%s", temporary_path("image.png"));
  snprintf(sets, sizeof sets, "%s", temporary_path("sets"));
  snprintf(events, sizeof events, "%s", temporary_path("events"));
  write_idx("sets/train-images-idx3-ubyte", 3, 16 + COUNT * SIDE * SIDE);
  write_idx("sets/train-labels-idx1-ubyte", 1, 8 + COUNT);
  loader = wk_loader_create(dataset, .batch_size = 8, .no_prefetch = true);
  network = wk_sequential(wk_flatten_layer(), wk_linear_layer(16), wk_linear_layer(10));
  wk_module_build(network, dataset);
  optimizer = wk_adam_create(network, .learning_rate = 1e-2);
  save();
  save_checkpoint();
  save_image();
}

int main(void) {
  wk_dataset *dataset = wk_dataset_open("glyphs", .count = COUNT);
  prepare(dataset);
  if (wk_error_report(stdout) != 0) return 1;
  int count = 0;
  const size_t task_count = sizeof tasks / sizeof *tasks;
  for (size_t task = 0; task < task_count; task++) {
    for (shim_call call = SHIM_OPEN; call < SHIM_CALLS; call++) count += fail_each(task, call);
    disturb(task, 1 << 20);
    disturb(task, 7);
  }
  wk_optimizer_free(optimizer);
  wk_module_free(network);
  wk_loader_free(loader);
  wk_dataset_free(dataset);
  printf(
      "calls: %d system calls failed in turn and %zu tasks went on through interrupted and short "
      "ones, %d faults\n",
      count, task_count, faults);
  return faults > 0 || count < 60;
}
