/* SPDX-License-Identifier: Apache-2.0 */
#include "support/read_checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <wick/wick.h>

#include "base/error.h"
#include "support/assemble.h"
#include "train/checkpoint.h"

/* Everything that a checkpoint is about. */
typedef struct run {
  wk_dataset *examples;
  wk_loader *batches;
  wk_module *network;
  wk_optimizer *optimizer;
} run;

static void run_open(run *r) {
  WK_SCOPE;
  r->examples =
      wk_dataset_from_tensors(wk_full(WK_SHAPE(4, 3), 1), wk_full(WK_SHAPE(4), 0, .dtype = WK_I64));
  r->batches = wk_loader_create(r->examples, .batch_size = 2, .shuffle = true, .no_prefetch = true);
  r->network = wk_linear_layer(2);
  wk_module_build_for(r->network, WK_SHAPE(3), WK_F32, NULL);
  r->optimizer = wk_adam_create(r->network, .learning_rate = 0.1);
}

static void run_close(run *r) {
  wk_optimizer_free(r->optimizer);
  wk_module_free(r->network);
  wk_loader_free(r->batches);
  wk_dataset_free(r->examples);
}

/* To the end of the epoch that the checkpoint was in, and into the next one. */
static void train(run *r) {
  wk_tensors batch;
  for (int i = 0; i < 4; i++) {
    WK_SCOPE;
    if (wk_loader_next(r->batches, &batch) != WK_OK) continue;
    wk_backward(wk_cross_entropy(wk_forward(r->network, batch.item[0]), batch.item[1]));
    wk_optimizer_step(r->optimizer);
  }
}

/* A checkpoint is read from a path; a file in memory has one too. */
static wk_status resume(run *r, const uint8_t *data, size_t size) {
  char path[64];
  wk_fit_state state;
  const int file = memfd_create("checkpoint", MFD_CLOEXEC);
  if (file < 0 || write(file, data, size) != (ssize_t)size) abort();
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  const wk_status status = wk_checkpoint_read(path, r->network, r->optimizer, r->batches, &state);
  close(file);
  return status;
}

wk_status read_checkpoint(const uint8_t *data, size_t size, wk_text *detail) {
  uint8_t *assembled = NULL;
  run r = {0};
  run_open(&r);
  if (size > 0 && data[0] == '{') {
    assembled = assemble_safetensors("wick_checkpoint", data, size, &size);
    data = assembled;
  }
  if (size > 0 && !data) wk_fail(WK_ERROR_FORMAT, "no checkpoint can be made of this text");
  wk_status status = wk_failed() ? wk_error_status() : resume(&r, data, size);
  if (status == WK_OK) {
    wk_text_append(detail, "%lld steps", (long long)wk_optimizer_step_count(r.optimizer));
    train(&r);
    wk_error_clear(); /* a run that cannot go on says so */
  }
  run_close(&r);
  free(assembled);
  return status;
}

wk_status write_checkpoint(const char *path) {
  run r = {0};
  run_open(&r);
  train(&r);
  const wk_fit_state state = {.epoch = 1, .batch = 1, .step = 3};
  wk_checkpoint_write(path, r.network, r.optimizer, r.batches, &state);
  run_close(&r);
  return wk_error_status();
}
