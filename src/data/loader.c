/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/library.h"
#include "base/memory.h"
#include "data/batch.h"
#include "data/source.h"
#include "tensor/attribute.h"
#include "tensor/tensor.h"

/* Batches that exist at a time: one lent to the caller, the others ready or in the making. */
enum { SLOTS = 4 };

typedef struct slot {
  wk_tensor *tensors[WK_BATCH_TENSORS];
  bool failed;
  wk_error_parcel *error; /* why; NULL: there was no memory to say it */
} slot;

/* A batch travels round the ring: the worker makes number `made` in slot made % SLOTS while fewer
 * than SLOTS - 1 wait, the caller takes number `taken`; the one it took before is free then. */
struct wk_loader {
  wk_batch_maker maker; /* the worker's while it runs */
  int64_t batch_count;
  int64_t epoch, batch; /* the next one to hand out */
  bool no_prefetch;
  slot slots[SLOTS];
  bool running;
  unsigned
      fork_count; /* when the worker was started: a forked child has the object, but no worker */
  pthread_t worker;
  int64_t first_epoch, first_batch; /* where the worker begins */
  pthread_mutex_t lock;             /* of what follows */
  pthread_cond_t changed;
  uint64_t made, taken;
  bool stop;
};

/* ---- the worker ---- */

/* Waits until there is a free slot; false: the worker is to end. */
static bool wait_for_room(wk_loader *loader) {
  pthread_mutex_lock(&loader->lock);
  while (!loader->stop && loader->made - loader->taken >= SLOTS - 1)
    pthread_cond_wait(&loader->changed, &loader->lock);
  const bool go_on = !loader->stop;
  pthread_mutex_unlock(&loader->lock);
  return go_on;
}

static void announce(wk_loader *loader) {
  pthread_mutex_lock(&loader->lock);
  loader->made++;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->lock);
}

/* Ends after a failure: the caller starts another worker if it wants to go on. */
static void *work(void *context) {
  wk_loader *loader = context;
  int64_t epoch = loader->first_epoch, batch = loader->first_batch;
  while (wait_for_room(loader)) {
    slot *s = &loader->slots[loader->made % SLOTS]; /* only this thread changes `made` */
    s->failed = wk_batch_make(&loader->maker, epoch, batch, s->tensors) < 0;
    if (s->failed) {
      s->error = wk_error_pack();
      wk_error_clear();
    }
    announce(loader);
    if (s->failed) break;
    if (++batch == loader->batch_count) {
      epoch++;
      batch = 0;
    }
  }
  return NULL;
}

/* The worker takes no signals: they are the program's threads' business. */
static wk_status start(wk_loader *loader) {
  sigset_t all, old;
  loader->first_epoch = loader->epoch;
  loader->first_batch = loader->batch;
  loader->made = loader->taken = 0;
  loader->stop = false;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  const int code = pthread_create(&loader->worker, NULL, work, loader);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (code != 0) {
    wk_fail(WK_ERROR_IO, "cannot start the loader's thread: %s", wk_errno_text(code));
    wk_error_add_hint("set .no_prefetch to do without it");
    return wk_error_status();
  }
  loader->running = true;
  loader->fork_count = wk_fork_count();
  return WK_OK;
}

static wk_status check_worker(const wk_loader *loader) {
  if (!loader->running || loader->fork_count == wk_fork_count()) return WK_OK;
  wk_fail(WK_ERROR_STATE, "the loader's thread works in the process that forked this one");
  wk_error_add_hint("create the loader after the fork, or set .no_prefetch");
  return WK_ERROR_STATE;
}

static void stop(wk_loader *loader) {
  if (!loader->running) return;
  pthread_mutex_lock(&loader->lock);
  loader->stop = true;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->lock);
  pthread_join(loader->worker, NULL);
  loader->running = false;
  for (int i = 0; i < SLOTS; i++) {
    wk_error_parcel_free(loader->slots[i].error);
    loader->slots[i].error = NULL;
    loader->slots[i].failed = false;
  }
}

/* ---- making and freeing ---- */

/* Checks the settings and fills in the default. */
static wk_status check(wk_loader_arguments *a) {
  if (!a->dataset) {
    wk_fail(WK_ERROR_ARGUMENT, "a loader needs a data set");
    wk_error_add_hint("wk_dataset_open makes one; a NULL from it comes with an error of its own");
    return WK_ERROR_ARGUMENT;
  }
  if (a->batch_size < 0)
    return wk_fail(WK_ERROR_ARGUMENT, "batch_size is %lld, but must not be negative",
                   (long long)a->batch_size);
  if (a->batch_size == 0) a->batch_size = 32;
  if (a->drop_last && a->dataset->count < a->batch_size) {
    wk_fail(WK_ERROR_ARGUMENT,
            "no batch would be left: the data set has %lld examples, batch_size is %lld and "
            "drop_last is set",
            (long long)a->dataset->count, (long long)a->batch_size);
    wk_error_add_hint("make batch_size smaller, or leave out drop_last");
    return WK_ERROR_ARGUMENT;
  }
  return WK_OK;
}

static wk_loader *create(const wk_loader_arguments *arguments) {
  wk_loader *loader = wk_allocate_zeroed(1, sizeof(*loader));
  if (!loader) return NULL;
  const int64_t count = arguments->dataset->count;
  const int64_t size = arguments->batch_size;
  loader->maker = (wk_batch_maker){.dataset = arguments->dataset,
                                   .device = wk_device_or_default(arguments->device),
                                   .batch_size = size,
                                   .shuffle = arguments->shuffle,
                                   .seed = arguments->seed,
                                   .order_epoch = -1};
  loader->batch_count = count / size + (!arguments->drop_last && count % size != 0);
  loader->no_prefetch = arguments->no_prefetch;
  pthread_mutex_init(&loader->lock, NULL);
  pthread_cond_init(&loader->changed, NULL);
  return loader;
}

wk_loader *wk_loader_create_at(wk_place here, const wk_loader_arguments *arguments) {
  if (wk_failed()) return NULL;
  wk_loader_arguments known;
  wk_loader *loader = NULL;
  if (wk_settings_copy("loader_create", arguments, offsetof(wk_loader_arguments, batch_size),
                       sizeof(known), &known) == WK_OK &&
      check(&known) == WK_OK)
    loader = create(&known);
  wk_error_add_call("loader_create", here);
  return loader;
}

void wk_loader_free(wk_loader *loader) {
  if (!loader) return;
  if (loader->fork_count != wk_fork_count() && loader->running) {
    wk_deallocate(loader); /* the rest is as a thread that is not there left it */
    return;
  }
  stop(loader);
  for (int i = 0; i < SLOTS; i++)
    for (int k = 0; k < WK_BATCH_TENSORS; k++) wk_tensor_release(loader->slots[i].tensors[k]);
  wk_batch_maker_clear(&loader->maker);
  pthread_cond_destroy(&loader->changed);
  pthread_mutex_destroy(&loader->lock);
  wk_deallocate(loader);
}

/* ---- batches ---- */

static slot *take(wk_loader *loader) {
  pthread_mutex_lock(&loader->lock);
  while (loader->made == loader->taken) pthread_cond_wait(&loader->changed, &loader->lock);
  slot *s = &loader->slots[loader->taken++ % SLOTS];
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->lock);
  return s;
}

/* Raises in this thread what failed in the worker, which has ended. */
static void raise_error(wk_loader *loader, slot *s) {
  if (s->error)
    wk_error_unpack(s->error);
  else
    wk_fail(WK_ERROR_MEMORY, "no memory to prepare a batch");
  s->error = NULL;
  stop(loader);
}

static wk_status next_slot(wk_loader *loader, slot **result) {
  slot *s = &loader->slots[0];
  if (loader->no_prefetch) {
    wk_batch_make(&loader->maker, loader->epoch, loader->batch, s->tensors);
  } else {
    if (check_worker(loader) < 0) return wk_error_status();
    if (!loader->running && start(loader) < 0) return wk_error_status();
    s = take(loader);
    if (s->failed) raise_error(loader, s);
  }
  *result = s;
  return wk_error_status();
}

static wk_status next(wk_loader *loader, wk_tensors *batch) {
  if (!loader || !batch)
    return wk_fail(WK_ERROR_ARGUMENT, "wk_loader_next: loader or batch is NULL");
  if (loader->batch >= loader->batch_count) {
    loader->epoch++;
    loader->batch = 0;
    return WK_END;
  }
  slot *s = NULL;
  const wk_status status = next_slot(loader, &s);
  if (status < 0) return status;
  loader->batch++;
  *batch = (wk_tensors){WK_BATCH_TENSORS, s->tensors};
  return WK_OK;
}

wk_status wk_loader_next_at(wk_place here, wk_loader *loader, wk_tensors *batch) {
  if (batch) *batch = (wk_tensors){0};
  if (wk_failed()) return wk_error_status();
  const wk_status status = next(loader, batch);
  wk_error_add_call("loader_next", here);
  return status;
}

int64_t wk_loader_batch_count(const wk_loader *loader) { return loader ? loader->batch_count : 0; }

wk_dataset *wk_loader_dataset(const wk_loader *loader) {
  return loader ? loader->maker.dataset : NULL;
}

void wk_loader_position(const wk_loader *loader, int64_t *epoch, int64_t *batch) {
  if (epoch) *epoch = loader ? loader->epoch : 0;
  if (batch) *batch = loader ? loader->batch : 0;
}

/* A position at the very end of an epoch is kept as such: the next call returns WK_END. The worker
 * begins with the epoch after it. */
static wk_status seek(wk_loader *loader, int64_t epoch, int64_t batch) {
  if (!loader) return wk_fail(WK_ERROR_ARGUMENT, "wk_loader_seek: the loader is NULL");
  if (epoch < 0 || epoch == INT64_MAX || batch < 0 || batch > wk_loader_batch_count(loader))
    return wk_fail(WK_ERROR_ARGUMENT,
                   "wk_loader_seek: no batch %lld in epoch %lld; an epoch has %lld",
                   (long long)batch, (long long)epoch, (long long)wk_loader_batch_count(loader));
  if (check_worker(loader) < 0) return wk_error_status();
  stop(loader);
  loader->epoch = epoch;
  loader->batch = batch;
  return WK_OK;
}

wk_status wk_loader_seek_at(wk_place here, wk_loader *loader, int64_t epoch, int64_t batch) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = seek(loader, epoch, batch);
  wk_error_add_call("loader_seek", here);
  return status;
}
