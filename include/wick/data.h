/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DATA_H
#define WICK_DATA_H

/* Data sets and the batches made of them. A data set is a list of (input, label) pairs; a loader
 * walks it in batches, shuffled if asked, prepared in the background. */

#include <wick/tensor.h>

WK_BEGIN_C

typedef struct wk_dataset wk_dataset;

/* Settings of wk_dataset_open. */
typedef struct wk_dataset_arguments {
  size_t struct_size;
  const char *name; /* a known name, or a folder */
  bool test;        /* the test part rather than the training part */
  const char *path; /* folder with the named set's files; NULL: $WICK_DATA, then the system's */
  int64_t height;   /* image size; 0: the first image's. Others are resized (bilinear) */
  int64_t width;
  int64_t channels;     /* 1 or 3; 0: the first image's */
  double test_fraction; /* of a folder without train/ and test/ parts; 0: one fifth */
  bool shuffle_labels;  /* a control: labels permuted at random, so nothing can be learnt */
  uint64_t seed;        /* of the split and of shuffle_labels; also of generated sets */
  int64_t count;        /* only this many examples, from the start; 0: all */
} wk_dataset_arguments;

/* Opens a data set; freed with wk_dataset_free. Names: "fashion-mnist" (60,000 and 10,000 images
 * 28x28x1 in 10 classes; Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747) and "mnist", IDX files plain
 * or gzipped; "glyphs" (10,000 and 2,000 handwriting-like digits 28x28x1 made by Wick itself, the
 * same for the same seed). A folder holds one folder of PNG files for each class, or train/ and
 * test/ folders of those. Inputs are f32 in 0..1, [height, width, channels]; labels are i64, the
 * class's place among the sorted names. WK_ERROR_NOT_FOUND names what was looked for and where.
 *   wk_dataset *train_set = wk_dataset_open("fashion-mnist");
 *   wk_dataset *test_set = wk_dataset_open("fashion-mnist", .test = true);
 * [any thread] */
WK_API wk_dataset *wk_dataset_open_at(wk_place here, const wk_dataset_arguments *arguments);
#ifndef __cplusplus
#define wk_dataset_open(...)                                                                       \
  wk_dataset_open_at(WK_HERE, &(wk_dataset_arguments){.struct_size = sizeof(wk_dataset_arguments), \
                                                      __VA_ARGS__})
#else
extern "C++" inline wk_dataset *wk_dataset_open(const char *name,
                                                wk_dataset_arguments arguments = {},
                                                wk_place here = wk_place_of_caller()) {
  arguments.struct_size = sizeof arguments;
  arguments.name = name;
  return wk_dataset_open_at(here, &arguments);
}
#endif

/* A data set over the rows of `inputs` (any dtype, [N, ...]) and `labels` (i64 [N]), which it
 * retains. [any thread] */
WK_API wk_dataset *wk_dataset_from_tensors_at(wk_place here, wk_tensor *inputs, wk_tensor *labels);
#define wk_dataset_from_tensors(...) wk_dataset_from_tensors_at(WK_HERE, __VA_ARGS__)

/* A data set of one's own. Calls come from the loader's worker thread, one at a time. */
typedef struct wk_dataset_functions {
  size_t struct_size;
  /* Writes the input of example `index`, in the shape and dtype given below, to `input` and its
   * label to `*label`. */
  wk_status (*get)(void *context, int64_t index, void *input, int64_t *label);
  void (*destroy)(void *context); /* optional */
  int64_t count;
  wk_shape shape; /* of one example */
  wk_dtype dtype;
  size_t class_count;             /* 0: labels are not classes */
  const char *const *class_names; /* optional; copied */
} wk_dataset_functions;

/* Takes `context`: destroy is called once, also when this fails. [any thread] */
WK_API wk_dataset *wk_dataset_create_at(wk_place here, const wk_dataset_functions *functions,
                                        void *context);
#define wk_dataset_create(...) wk_dataset_create_at(WK_HERE, __VA_ARGS__)

WK_API void wk_dataset_free(wk_dataset *dataset); /* [any thread] */

/* Number of examples, shape and dtype of one, number of classes and the i-th one's name (NULL past
 * the end). Borrowed. Each [any thread] */
WK_API int64_t wk_dataset_count(const wk_dataset *dataset);      /* [any thread] */
WK_API wk_shape wk_dataset_shape(const wk_dataset *dataset);     /* [any thread] */
WK_API wk_dtype wk_dataset_dtype(const wk_dataset *dataset);     /* [any thread] */
WK_API size_t wk_dataset_class_count(const wk_dataset *dataset); /* [any thread] */
WK_API const char *wk_dataset_class_name(const wk_dataset *dataset,
                                         size_t index); /* [any thread] */

/* The files it was read from, one per line, as snprintf; "" for a generated set. [any thread] */
WK_API size_t wk_dataset_sources(const wk_dataset *dataset, char *buffer, size_t size);

/* One example: its input in the innermost scope, and its label (NULL if not wanted). [any thread]
 */
WK_API wk_tensor *wk_dataset_get_at(wk_place here, wk_dataset *dataset, int64_t index,
                                    int64_t *label);
#define wk_dataset_get(...) wk_dataset_get_at(WK_HERE, __VA_ARGS__)

/* ---- loaders ---- */

typedef struct wk_loader wk_loader;

typedef struct wk_loader_arguments {
  size_t struct_size;
  wk_dataset *dataset; /* outlives the loader */
  int64_t batch_size;  /* 0: 32 */
  bool shuffle;        /* another order each epoch, a function of (seed, epoch) alone */
  uint64_t seed;
  bool drop_last;    /* leave out a last batch that is not full */
  bool no_prefetch;  /* prepare each batch when it is asked for, on the caller's thread */
  wk_device *device; /* where batches go; NULL: cpu */
} wk_loader_arguments;

/* A loader over a data set; freed with wk_loader_free.
 *   wk_loader *batches = wk_loader_create(train_set, .batch_size = 64, .shuffle = true, .seed = 1);
 *   for (wk_tensors batch; wk_loader_next(batches, &batch) == WK_OK;) { WK_SCOPE; ... }
 * [any thread] */
WK_API wk_loader *wk_loader_create_at(wk_place here, const wk_loader_arguments *arguments);
#ifndef __cplusplus
#define wk_loader_create(...)                                                                      \
  wk_loader_create_at(WK_HERE, &(wk_loader_arguments){.struct_size = sizeof(wk_loader_arguments),  \
                                                      __VA_ARGS__})
#else
extern "C++" inline wk_loader *wk_loader_create(wk_dataset *dataset,
                                                wk_loader_arguments arguments = {},
                                                wk_place here = wk_place_of_caller()) {
  arguments.struct_size = sizeof arguments;
  arguments.dataset = dataset;
  return wk_loader_create_at(here, &arguments);
}
#endif
WK_API void wk_loader_free(wk_loader *loader); /* [any thread] */

/* The next batch: inputs [n, ...] and labels i64 [n], borrowed until the next call on the loader.
 * WK_END after the last one; the call after that begins the next epoch. Errors of the worker thread
 * arrive here. *batch is emptied on failure. [one thread at a time per object] */
WK_API wk_status wk_loader_next_at(wk_place here, wk_loader *loader, wk_tensors *batch);
#define wk_loader_next(...) wk_loader_next_at(WK_HERE, __VA_ARGS__)

/* Batches in an epoch. [any thread] */
WK_API int64_t wk_loader_batch_count(const wk_loader *loader);
WK_API wk_dataset *wk_loader_dataset(const wk_loader *loader); /* borrowed [any thread] */

/* Where it stands: the epoch (from 0) and the number of its batches handed out. Setting it makes
 * the next call return that batch, so that a run resumes exactly.
 * [one thread at a time per object] */
WK_API void wk_loader_position(const wk_loader *loader, int64_t *epoch, int64_t *batch);
WK_API wk_status wk_loader_seek_at(wk_place here, wk_loader *loader, int64_t epoch, int64_t batch);
#define wk_loader_seek(...) wk_loader_seek_at(WK_HERE, __VA_ARGS__)

WK_END_C

#endif
