/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TRAIN_H
#define WICK_TRAIN_H

/* Training whole networks on whole data sets. */

#include <wick/data.h>
#include <wick/nn.h>
#include <wick/optim.h>

WK_BEGIN_C

/* Builds the network for the data set's examples, and notes their preprocessing and class names for
 * the model file. Random numbers come from the thread's generator.
 * [one thread at a time per object] */
WK_API wk_status wk_module_build_at(wk_place here, wk_module *module, const wk_dataset *dataset);
#define wk_module_build(...) wk_module_build_at(WK_HERE, __VA_ARGS__)

/* What a network scores on a data set. */
typedef struct wk_evaluation {
  size_t struct_size;
  double loss;     /* mean cross-entropy */
  double accuracy; /* part of the examples whose largest score is their class's, 0..1 */
  int64_t count;   /* examples */
} wk_evaluation;

/* Runs one epoch of `loader` through the network in evaluation mode, from its start; sets
 * *evaluation, whose struct_size the caller sets. [one thread at a time per object] */
WK_API wk_status wk_evaluate_at(wk_place here, wk_module *module, wk_loader *loader,
                                wk_evaluation *evaluation);
#define wk_evaluate(...) wk_evaluate_at(WK_HERE, __VA_ARGS__)

/* Its accuracy alone; NaN on failure. [one thread at a time per object] */
WK_API double wk_accuracy_at(wk_place here, wk_module *module, wk_loader *loader);
#define wk_accuracy(...) wk_accuracy_at(WK_HERE, __VA_ARGS__)

/* Where training stands; callbacks get a pointer to one as their event. */
typedef enum wk_progress_kind {
  WK_PROGRESS_BEGIN = 0, /* before the first step */
  WK_PROGRESS_STEP = 1,  /* after each step */
  WK_PROGRESS_EPOCH = 2, /* after each epoch, validation done */
  WK_PROGRESS_END = 3    /* after the last one, or when stopped */
} wk_progress_kind;

typedef struct wk_progress {
  size_t struct_size;
  wk_progress_kind kind;
  int64_t epoch, epochs;                       /* the running one, from 1, of how many */
  int64_t batch, batches;                      /* steps done in this epoch, of how many */
  int64_t step;                                /* steps done since the start */
  int64_t examples;                            /* done in this epoch */
  double loss, accuracy;                       /* of this epoch so far, while training */
  double validation_loss, validation_accuracy; /* at WK_PROGRESS_EPOCH, NaN without validation */
  double seconds;                              /* since this call of wk_fit began */
  double examples_per_second;
} wk_progress;

typedef struct wk_fit_arguments {
  size_t struct_size;
  wk_module *module; /* built */
  wk_optimizer *optimizer;
  wk_loader *training;
  wk_loader *validation;     /* scored after each epoch; may be NULL */
  int64_t epochs;            /* 0: one */
  const char *run_folder;    /* checkpoints and event files go here; NULL: nowhere */
  bool resume;               /* go on from the run folder's checkpoint */
  double checkpoint_seconds; /* between checkpoints; 0: one at the end of each epoch only */
  /* Mean loss of a batch, zero-dimensional; NULL: wk_cross_entropy. */
  wk_tensor *(*loss)(void *context, wk_tensor *output, wk_tensor *labels);
  void *loss_context;
  const wk_callback *callbacks; /* each gets a wk_progress; WK_END stops training in good order */
  size_t callback_count;
  wk_dtype precision; /* WK_BF16 or WK_F16: forward under autocast, and for f16 with a loss scaler,
                       * which checkpoints hold; WK_F32: without; not given: as the caller has it.
                       * Validation is as the caller has it */
  int64_t compiled; /* 1: each step is one compiled function (wick/graph.h), with the same bits and
                     * less memory; the network, the loss and hooks must be such that that may be */
} wk_fit_arguments;

/* Trains. WK_OK after the last epoch; WK_END when a callback stopped it, then with a checkpoint
 * saved that `.resume` goes on from, bit for bit. Takes the callbacks' contexts.
 *   wk_fit(network, optimizer, batches, .validation = unseen, .epochs = 5);
 * [one thread at a time per object] */
WK_API wk_status wk_fit_at(wk_place here, const wk_fit_arguments *arguments);
#ifndef __cplusplus
#define wk_fit(...)                                                                                \
  wk_fit_at(WK_HERE, &(wk_fit_arguments){.struct_size = sizeof(wk_fit_arguments), __VA_ARGS__})
#else
extern "C++" inline wk_status wk_fit(wk_module *module, wk_optimizer *optimizer,
                                     wk_loader *training, wk_fit_arguments arguments = {},
                                     wk_place here = wk_place_of_caller()) {
  arguments.struct_size = sizeof arguments;
  arguments.module = module;
  arguments.optimizer = optimizer;
  arguments.training = training;
  return wk_fit_at(here, &arguments);
}
#endif

/* Saves everything a run needs to go on (network, optimizer, random counters, data position), and
 * brings it back into objects made the same way. Atomic. [one thread at a time per object] */
WK_API wk_status wk_checkpoint_save_at(wk_place here, const char *path, wk_module *module,
                                       wk_optimizer *optimizer, wk_loader *training);
#define wk_checkpoint_save(...) wk_checkpoint_save_at(WK_HERE, __VA_ARGS__)
WK_API wk_status wk_checkpoint_load_at(wk_place here, const char *path, wk_module *module,
                                       wk_optimizer *optimizer, wk_loader *training);
#define wk_checkpoint_load(...) wk_checkpoint_load_at(WK_HERE, __VA_ARGS__)

/* A prediction for one example. */
typedef struct wk_prediction {
  size_t struct_size;
  int64_t label;
  const char *class_name; /* borrowed from the network, or NULL */
  double probability;
} wk_prediction;

/* Classifies an image file with a network that knows its preprocessing: resized, scaled and
 * normalised as its training data were. Writes the `count` likeliest classes (at most all),
 * likeliest first, to `predictions`, whose first element's struct_size the caller sets; *found is
 * how many. [any thread] */
WK_API wk_status wk_predict_image_at(wk_place here, wk_module *module, const char *path,
                                     wk_prediction *predictions, size_t count, size_t *found);
#define wk_predict_image(...) wk_predict_image_at(WK_HERE, __VA_ARGS__)

WK_END_C

#endif
