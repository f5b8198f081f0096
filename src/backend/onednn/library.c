/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/onednn/onednn.h"

#include "base/environment.h"
#include "base/text.h"

#ifdef WICK_HAVE_ONEDNN
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "backend/onednn/library.h"
#include "base/library.h"

static wk_dnnl library;
static bool is_usable;
static char where[1200]; /* or why it is not usable */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- finding it ---- */

static const struct {
  const char *name;
  size_t offset;
} functions[] = {
#define ROW(name) {"dnnl_" #name, offsetof(wk_dnnl, name)},
    WK_DNNL_FUNCTIONS(ROW)
#undef ROW
};

static bool load_functions(void *handle) {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *const function = dlsym(handle, functions[i].name);
    if (!function) {
      wk_print_into(where, sizeof where, 0, "it has no %s", functions[i].name);
      return false;
    }
    memcpy((char *)&library + functions[i].offset, &function, sizeof function);
  }
  return true;
}

/* A library on OpenMP must take orders about threads; on none it needs none. */
static bool load_threads(void *handle, unsigned runtime) {
  if (runtime == DNNL_RUNTIME_SEQ) return true;
  void *const get = dlsym(handle, "omp_get_max_threads");
  void *const set = dlsym(handle, "omp_set_num_threads");
  if (runtime != DNNL_RUNTIME_OMP || !get || !set) {
    wk_print_into(where, sizeof where, 0, "it runs on other threads than OpenMP's");
    return false;
  }
  memcpy(&library.omp_get_max_threads, &get, sizeof get);
  memcpy(&library.omp_set_num_threads, &set, sizeof set);
  return true;
}

static bool take(void *handle, const char *path) {
  if (!load_functions(handle)) return false;
  const dnnl_version_t *version = library.version();
  if (version->major != DNNL_VERSION_MAJOR) {
    wk_print_into(where, sizeof where, 0, "%s is version %d, not %d", path, version->major,
                  DNNL_VERSION_MAJOR);
    return false;
  }
  if (!load_threads(handle, version->cpu_runtime)) return false;
  const int before = wk_dnnl_enter(&library);
  const dnnl_status_t status = library.engine_create(&library.engine, dnnl_cpu, 0);
  wk_dnnl_leave(&library, before);
  if (status != dnnl_success) {
    wk_print_into(where, sizeof where, 0, "%s makes no CPU engine", path);
    return false;
  }
  wk_print_into(where, sizeof where, 0, "%d.%d.%d, %s", version->major, version->minor,
                version->patch, path);
  return true;
}

/* True when a file of this name was there: then it decides, usable or not. */
static bool try_open(const char *path) {
  void *const handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return false;
  is_usable = take(handle, path);
  if (!is_usable) dlclose(handle);
  return true;
}

/* Beside the library or the program that holds this code, installed or in its build folder. */
static bool open_own(void) {
  static const char *const folders[] = {"wick", WICK_LIBRARY_FOLDER "/wick",
                                        "../" WICK_LIBRARY_FOLDER "/wick"};
  Dl_info self;
  const char *slash = dladdr(&library, &self) ? strrchr(self.dli_fname, '/') : NULL;
  for (size_t i = 0; slash && i < sizeof folders / sizeof *folders; i++) {
    char path[1024];
    const size_t length = wk_print_into(path, sizeof path, 0, "%.*s/%s/libdnnl.so.3",
                                        (int)(slash - self.dli_fname), self.dli_fname, folders[i]);
    if (length < sizeof path && try_open(path)) return true;
  }
  return false;
}

static void open_library(void) {
  const char *wanted = wk_variable_get(WK_VARIABLE_ONEDNN);
  if (strcmp(wanted, "off") == 0) {
    wk_print_into(where, sizeof where, 0, "turned off by WICK_ONEDNN");
  } else if (wanted[0]) {
    if (!try_open(wanted))
      wk_print_into(where, sizeof where, 0, "WICK_ONEDNN: %s cannot be opened", wanted);
  } else if (!open_own() && !try_open("libdnnl.so.3")) {
    wk_print_into(where, sizeof where, 0, "no libdnnl.so.3 beside Wick or in the system");
  }
}

const wk_dnnl *wk_dnnl_get(const char **why) {
  pthread_once(&once, open_library);
  if (why) *why = where;
  return is_usable ? &library : NULL;
}

/* ---- threads ---- */

int wk_dnnl_enter(const wk_dnnl *dnnl) {
  if (!dnnl->omp_set_num_threads) return 1;
  const int before = dnnl->omp_get_max_threads();
  dnnl->omp_set_num_threads(1);
  return before;
}

void wk_dnnl_leave(const wk_dnnl *dnnl, int before) {
  if (dnnl->omp_set_num_threads) dnnl->omp_set_num_threads(before);
}

static _Thread_local dnnl_stream_t stream;

static void free_stream(void) {
  library.stream_destroy(stream);
  stream = NULL;
}

dnnl_stream_t wk_dnnl_stream(const wk_dnnl *dnnl) {
  if (stream) return stream;
  if (dnnl->stream_create(&stream, dnnl->engine, dnnl_stream_default_flags) != dnnl_success)
    return stream = NULL;
  wk_at_thread_exit(free_stream);
  return stream;
}

size_t wk_onednn_describe(char *buffer, size_t size) {
  const char *text;
  const wk_dnnl *dnnl = wk_dnnl_get(&text);
  return wk_print_into(buffer, size, 0, "%s%s", dnnl ? "" : "not used: ", text);
}

#else

size_t wk_onednn_describe(char *buffer, size_t size) {
  return wk_print_into(buffer, size, 0, "not used: Wick was built without its headers");
}

const wk_kernel wk_onednn_kernels[] = {{0}};
const int wk_onednn_kernel_count = 0;

#endif
