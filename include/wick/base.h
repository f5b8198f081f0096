/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_H
#define WICK_BASE_H

/* What every other header leans on: status codes, errors, call places, callbacks.
 *
 * Errors. The first error of a thread stays pending until wk_error_take, wk_error_clear or
 * wk_error_report ends it. While one is pending every fallible call does nothing and returns its
 * failure value (NULL, a negative status or NaN), so a program may make many calls and look once.
 * Getters, `_free`, `_release` and `wk_error_*` always work. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <wick/version.h>

#ifdef __cplusplus
#define WK_BEGIN_C extern "C" {
#define WK_END_C }
#else
#define WK_BEGIN_C
#define WK_END_C
#endif

#if defined(__GNUC__)
#define WK_API __attribute__((visibility("default")))
#define WK_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define WK_API
#define WK_PRINTF(format_index, first)
#endif

WK_BEGIN_C

/* What a fallible call returns. Negative values are errors. Append only. */
typedef enum wk_status {
  WK_OK = 0,
  WK_END = 1,                /* an iteration is over; not an error */
  WK_ERROR_ARGUMENT = -1,    /* a setting or argument outside its range */
  WK_ERROR_SHAPE = -2,       /* sizes that do not fit together */
  WK_ERROR_DTYPE = -3,       /* element types that do not fit together */
  WK_ERROR_INDEX = -4,       /* a value used as an index or label outside its range */
  WK_ERROR_STATE = -5,       /* a call at the wrong time: no scope, not built, ... */
  WK_ERROR_MEMORY = -6,      /* memory could not be had */
  WK_ERROR_IO = -7,          /* the operating system refused to read or write */
  WK_ERROR_FORMAT = -8,      /* a file is damaged or is something else */
  WK_ERROR_UNSUPPORTED = -9, /* legal, but not available here */
  WK_ERROR_NOT_FOUND = -10,  /* a name, file or data set that is not there */
  WK_ERROR_CANCELLED = -11,  /* a callback asked to stop */
  WK_ERROR_CALLBACK = -12,   /* a user's callback failed without saying why */
  WK_ERROR_DEVICE = -13,     /* a device reported a fault */
  WK_ERROR_NUMERIC = -14     /* NaN or infinity, where wk_set_anomaly_detection looks for them */
} wk_status;

/* Where in the user's program a call stands: what errors name. A call wk_x that can fail is a macro
 * over a function wk_x_at, whose first parameter it fills in; C++ has inline functions where macros
 * would not do. A program that calls on behalf of others, a language binding say, gives their
 * places to the functions, or defines WK_HERE before it includes any header. */
typedef struct wk_place {
  const char *file; /* NULL: not known, and left to a call around this one */
  const char *function;
  int64_t line; /* of 64 bits, since what is passed on right after only half of it was set waits */
} wk_place;

#ifdef __cplusplus
extern "C++" {
/* As default arguments of a function of its own, since GCC takes the builtins in the braces of
 * another function's default argument for this header's own place. */
constexpr wk_place wk_place_of_caller(const char *file = __builtin_FILE(),
                                      const char *function = __builtin_FUNCTION(),
                                      int line = __builtin_LINE()) {
  return wk_place{file, function, line};
}
}
#endif

#ifndef WK_HERE
#ifdef __cplusplus
#define WK_HERE (wk_place{__FILE__, __func__, __LINE__})
#else
#define WK_HERE ((wk_place){__FILE__, __func__, __LINE__})
#endif
#endif

/* An error, as wk_error_take hands it out. Strings are never NULL; an empty one is "not known".
 * They and `cause` stay valid until the same thread's next wk_error_take. */
typedef struct wk_error {
  size_t struct_size;
  wk_status status;
  const char *op;          /* "conv2d", or the function that failed */
  const char *module_path; /* "network.3 (conv2d)" */
  const char *shapes;      /* one line per operand */
  const char *file;        /* the user's source file, */
  const char *function;    /* function */
  int line;                /* and line */
  const char *message;     /* what is wrong */
  const char *hint;        /* what to do about it */
  const char *cause;       /* the lower-level error beneath, or "" */
} wk_error;

/* The pending error's status, or WK_OK. [any thread] */
WK_API wk_status wk_error_status(void);

/* Makes an error pending unless one is. For callbacks and custom modules: call it, then return
 * `status`. Returns `status`. `format` as printf's. [any thread] */
WK_API wk_status wk_error_set(wk_status status, const char *format, ...) WK_PRINTF(2, 3);

/* Moves the pending error into `*error` and ends it. Returns false, leaving `*error` alone, when
 * none is pending. `error->struct_size` is set by the caller. [any thread] */
WK_API bool wk_error_take(wk_error *error);

/* Forgets the pending error. [any thread] */
WK_API void wk_error_clear(void);

/* Ends the pending error. Returns 0 when there is none; otherwise prints it to `stream` (NULL:
 * prints nothing) and returns 1, so that main can end with it. With WICK_DEBUG=scope it also prints
 * what the thread's scopes held when they held most, error or not. [any thread] */
WK_API int wk_error_report(FILE *stream);

/* Writes the pending error's whole text as wk_error_report prints it, as snprintf does; the error
 * stays pending. [any thread] */
WK_API size_t wk_error_text(char *buffer, size_t size);

/* The status' name, such as "shape error"; static storage. [any thread] */
WK_API const char *wk_status_name(wk_status status);

/* A function of the user's with its data. `destroy` (may be NULL) is called exactly once, when the
 * callback is no longer needed, also when registering it fails. */
typedef struct wk_callback {
  size_t struct_size;
  wk_status (*run)(void *context, void *event);
  void *context;
  void (*destroy)(void *context);
} wk_callback;

/* Where a field lies in one of the library's objects: what tools/gdb and tools/lldb read, so that
 * they understand programs and core dumps without debug information. Tables end with a NULL name.
 */
typedef struct wk_debug_field {
  const char *name; /* "tensor.offset" */
  size_t offset;    /* bytes */
} wk_debug_field;

/* "0.1.0"; static storage. [any thread] */
WK_API const char *wk_version(void);

/* Number of threads that kernels called from this thread use: at first the CPUs in the process's
 * affinity mask, at most its cgroup quota, or $WICK_THREADS; at most this thread's budget.
 * [any thread] */
WK_API int wk_thread_count(void);

/* Sets it, from 1 to 256. WK_ERROR_STATE while a kernel runs. [one thread at a time] */
WK_API wk_status wk_set_thread_count_at(wk_place here, int count);
#define wk_set_thread_count(...) wk_set_thread_count_at(WK_HERE, __VA_ARGS__)

/* At most so many of them for kernels called from this thread, itself included; 0, as at first: no
 * less than all. A server whose request threads each have a budget keeps their sum at the number of
 * CPUs. A budget of one never waits for or wakes another thread. [any thread] */
WK_API int wk_thread_budget(void);
WK_API wk_status wk_set_thread_budget_at(wk_place here, int count);
#define wk_set_thread_budget(...) wk_set_thread_budget_at(WK_HERE, __VA_ARGS__)

/* Which runs of the same program on the same data give the same bits. Append only. */
typedef enum wk_determinism {
  WK_DETERMINISM_DEFAULT = 0, /* those on one machine with one number of threads */
  WK_DETERMINISM_THREADS = 1, /* with any number; and a row has its bits whatever batch it is in */
  WK_DETERMINISM_MACHINE = 2  /* with any instruction set as well */
} wk_determinism;

/* The level in force: at first WK_DETERMINISM_DEFAULT, or $WICK_DETERMINISM. [any thread] */
WK_API wk_determinism wk_determinism_get(void);

/* Sets it for all threads. From then on a kernel that does not keep the level is not chosen; an op
 * that has no other fails with WK_ERROR_UNSUPPORTED, naming the kernel. WK_ERROR_ARGUMENT for what
 * is no level. [one thread at a time] */
WK_API wk_status wk_determinism_set_at(wk_place here, wk_determinism level);
#define wk_determinism_set(...) wk_determinism_set_at(WK_HERE, __VA_ARGS__)

/* The level's name, such as "threads", or NULL; static storage. [any thread] */
WK_API const char *wk_determinism_name(wk_determinism level);

/* A forked child either execs or calls this: it has none of its parent's threads, so kernels run on
 * one thread until then, and on as many as in the parent from then on. Tensors, networks, data sets
 * and optimizers go on as they were; a loader is to be created anew (its next batch is an error).
 * No effect elsewhere. Never fails. [one thread at a time] */
WK_API void wk_after_fork(void);

/* Frees caches and ends worker threads. Optional: for leak checkers and before unloading the
 * library. Nothing of Wick may be in use. [one thread at a time] */
WK_API void wk_shutdown(void);

WK_END_C

#endif
