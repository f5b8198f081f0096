/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_FORMAT_H
#define WICK_FORMAT_H

/* Files in other people's formats: safetensors, PNG, TensorBoard event files. Files are untrusted:
 * a damaged one is WK_ERROR_FORMAT with its path and what is wrong, and nothing is lost. */

#include <wick/graph.h>
#include <wick/tensor.h>

WK_BEGIN_C

/* ---- safetensors: named tensors and string metadata (github.com/huggingface/safetensors) ---- */

typedef struct wk_safetensors wk_safetensors;

/* Reads a file's table and maps its bytes; freed with wk_safetensors_free. [any thread] */
WK_API wk_safetensors *wk_safetensors_open_at(wk_place here, const char *path);
#define wk_safetensors_open(...) wk_safetensors_open_at(WK_HERE, __VA_ARGS__)
WK_API void wk_safetensors_free(wk_safetensors *file);

/* Number of tensors and the i-th one's name, in the file's order (NULL past the end). Borrowed.
 * [any thread] */
WK_API size_t wk_safetensors_count(const wk_safetensors *file);
WK_API const char *wk_safetensors_name(const wk_safetensors *file, size_t index);

/* The `__metadata__` string under `key`, or NULL if there is none. Borrowed. [any thread] */
WK_API const char *wk_safetensors_metadata(const wk_safetensors *file, const char *key);

/* A copy of the tensor called `name` on `device` (NULL: cpu), in the innermost scope.
 * WK_ERROR_NOT_FOUND if there is none; WK_ERROR_UNSUPPORTED for element types that Wick lacks.
 * [any thread] */
WK_API wk_tensor *wk_safetensors_get_at(wk_place here, const wk_safetensors *file, const char *name,
                                        wk_device *device);
#define wk_safetensors_get(...) wk_safetensors_get_at(WK_HERE, __VA_ARGS__)

/* Collects tensors and metadata, then writes them: under `path` there is the old file or the whole
 * new one, never a part. The writer keeps a reference to each tensor until it is freed; `key` and
 * `text` are copied. [one thread at a time per object] */
typedef struct wk_safetensors_writer wk_safetensors_writer;
WK_API wk_safetensors_writer *wk_safetensors_writer_create_at(wk_place here); /* [any thread] */
#define wk_safetensors_writer_create() wk_safetensors_writer_create_at(WK_HERE)
WK_API void wk_safetensors_writer_free(wk_safetensors_writer *writer); /* [any thread] */
/* [one thread at a time per object] */
WK_API wk_status wk_safetensors_writer_add_at(wk_place here, wk_safetensors_writer *writer,
                                              const char *name, wk_tensor *tensor);
#define wk_safetensors_writer_add(...) wk_safetensors_writer_add_at(WK_HERE, __VA_ARGS__)
/* [one thread at a time per object] */
WK_API wk_status wk_safetensors_writer_set_at(wk_place here, wk_safetensors_writer *writer,
                                              const char *key, const char *text);
#define wk_safetensors_writer_set(...) wk_safetensors_writer_set_at(WK_HERE, __VA_ARGS__)
/* [one thread at a time per object] */
WK_API wk_status wk_safetensors_writer_save_at(wk_place here, wk_safetensors_writer *writer,
                                               const char *path);
#define wk_safetensors_writer_save(...) wk_safetensors_writer_save_at(WK_HERE, __VA_ARGS__)

/* ---- plans of compiled functions ---- */

/* Writes the plan of the last call to a file, or reads one: a function that runs without the
 * program that made it, for inputs of the same sizes, with the same bits. The file is a safetensors
 * file, whose metadata hold the plan as text (src/graph/plan_text.h): graph, kernels, places in the
 * arena. `given` are tensors that whoever loads it gives again, in the same order and of the same
 * sizes, parameters for instance; the values of all other memory that the plan reads are in the
 * file, and then the function's own.
 *
 * A plan that takes steps on the host (an optimizer's), has loops, draws from a generator of its
 * own or changes objects' fields is WK_ERROR_UNSUPPORTED, and so is one that would run by other
 * kernels here. Files may come from anywhere: wrong ones are WK_ERROR_FORMAT or WK_ERROR_STATE. The
 * caller frees the function. [any thread] */
WK_API wk_status wk_plan_save_at(wk_place here, wk_function *function, const char *path,
                                 wk_tensors given);
#define wk_plan_save(...) wk_plan_save_at(WK_HERE, __VA_ARGS__)
/* [any thread] */
WK_API wk_function *wk_plan_load_at(wk_place here, const char *path, wk_tensors given);
#define wk_plan_load(...) wk_plan_load_at(WK_HERE, __VA_ARGS__)

/* ---- images ---- */

/* A PNG file as u8 [height, width, channels]; channels 1, 2, 3 or 4 as in the file (palettes
 * become colours, 16 bits become 8). In the innermost scope. [any thread] */
WK_API wk_tensor *wk_png_load_at(wk_place here, const char *path);
#define wk_png_load(...) wk_png_load_at(WK_HERE, __VA_ARGS__)

/* Writes a u8 [height, width, channels] tensor, channels 1 to 4, atomically. [any thread] */
WK_API wk_status wk_png_save_at(wk_place here, wk_tensor *image, const char *path);
#define wk_png_save(...) wk_png_save_at(WK_HERE, __VA_ARGS__)

/* ---- TensorBoard event files ---- */

typedef struct wk_event_writer wk_event_writer;

/* Creates `folder` if need be, and in it a new events.out.tfevents.* file. Freed with
 * wk_event_writer_free, which flushes. [any thread] */
WK_API wk_event_writer *wk_event_writer_create_at(wk_place here, const char *folder);
#define wk_event_writer_create(...) wk_event_writer_create_at(WK_HERE, __VA_ARGS__)
WK_API void wk_event_writer_free(wk_event_writer *writer);

/* Tells readers that a run starts again at `step`: what they hold of later steps is void.
 * [one thread at a time per object] */
WK_API wk_status wk_event_writer_restart_at(wk_place here, wk_event_writer *writer, int64_t step);
#define wk_event_writer_restart(...) wk_event_writer_restart_at(WK_HERE, __VA_ARGS__)

/* Appends one scalar. Buffered; written at the latest with the next flush.
 * [one thread at a time per object] */
WK_API wk_status wk_event_writer_scalar_at(wk_place here, wk_event_writer *writer, const char *tag,
                                           int64_t step, double value);
#define wk_event_writer_scalar(...) wk_event_writer_scalar_at(WK_HERE, __VA_ARGS__)
/* [one thread at a time per object] */
WK_API wk_status wk_event_writer_flush_at(wk_place here, wk_event_writer *writer);
#define wk_event_writer_flush(...) wk_event_writer_flush_at(WK_HERE, __VA_ARGS__)

/* What a wk_event tells. Append only. */
typedef enum wk_event_kind {
  WK_EVENT_OTHER = 0,   /* something that is no scalar: an image, a histogram, a graph */
  WK_EVENT_VERSION = 1, /* `text` is the file's version, "brain.Event:2" */
  WK_EVENT_SCALAR = 2,  /* `value` under the tag `text` */
  WK_EVENT_START = 3    /* the run starts again: what was told of `step` and later steps is void */
} wk_event_kind;

typedef struct wk_event {
  size_t struct_size;
  wk_event_kind kind;
  double wall_time; /* in seconds since 1970 */
  int64_t step;
  const char *text; /* UTF-8, never NULL, "" where there is none; borrowed until the next call */
  double value;     /* of a scalar; 0 otherwise */
} wk_event;

typedef struct wk_event_reader wk_event_reader;

/* Opens an event file, which may still be written to. Freed with wk_event_reader_free.
 * [any thread] */
WK_API wk_event_reader *wk_event_reader_open_at(wk_place here, const char *path);
#define wk_event_reader_open(...) wk_event_reader_open_at(WK_HERE, __VA_ARGS__)
WK_API void wk_event_reader_free(wk_event_reader *reader); /* [any thread] */

/* The next event into *event, whose struct_size the caller sets. WK_END when the file holds no more
 * whole record; what is missing may be written yet, so a later call looks again. WK_ERROR_FORMAT
 * names the record that is damaged: behind damage within a record the next call goes on, while a
 * record whose length is damaged hides all that follows. [one thread at a time per object] */
WK_API wk_status wk_event_reader_next_at(wk_place here, wk_event_reader *reader, wk_event *event);
#define wk_event_reader_next(...) wk_event_reader_next_at(WK_HERE, __VA_ARGS__)

/* Bytes behind the last whole record when wk_event_reader_next last returned WK_END: a record that
 * is being written, or was cut off. [one thread at a time per object] */
WK_API size_t wk_event_reader_unfinished(const wk_event_reader *reader);

WK_END_C

#endif
