/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_ONEDNN_LIBRARY_H
#define WICK_BACKEND_ONEDNN_LIBRARY_H

/* oneDNN as it is found at run time: never linked, so nothing changes where it is absent. */

#include <oneapi/dnnl/dnnl.h>

#define WK_DNNL_FUNCTIONS(X)                                                                       \
  X(version)                                                                                       \
  X(engine_create)                                                                                 \
  X(stream_create)                                                                                 \
  X(stream_destroy)                                                                                \
  X(memory_create)                                                                                 \
  X(memory_destroy)                                                                                \
  X(memory_desc_create_with_strides)                                                               \
  X(memory_desc_create_with_tag)                                                                   \
  X(memory_desc_create_submemory)                                                                  \
  X(memory_desc_destroy)                                                                           \
  X(memory_desc_equal)                                                                             \
  X(memory_desc_get_size)                                                                          \
  X(primitive_attr_create)                                                                         \
  X(primitive_attr_set_scratchpad_mode)                                                            \
  X(primitive_attr_destroy)                                                                        \
  X(convolution_forward_primitive_desc_create)                                                     \
  X(convolution_backward_data_primitive_desc_create)                                               \
  X(matmul_primitive_desc_create)                                                                  \
  X(reorder_primitive_desc_create)                                                                 \
  X(primitive_desc_query)                                                                          \
  X(primitive_desc_query_md)                                                                       \
  X(primitive_desc_destroy)                                                                        \
  X(primitive_create)                                                                              \
  X(primitive_execute)                                                                             \
  X(primitive_destroy)

typedef struct wk_dnnl {
#define WK_DNNL_POINTER(name) __typeof__(&dnnl_##name) name;
  WK_DNNL_FUNCTIONS(WK_DNNL_POINTER)
#undef WK_DNNL_POINTER
  dnnl_engine_t engine;
  /* Of the OpenMP that it runs on; NULL: it has none and never starts a thread. */
  int (*omp_get_max_threads)(void);
  void (*omp_set_num_threads)(int count);
} wk_dnnl;

/* The library, opened at the first call; NULL when there is none to use, and then *why (if not
 * NULL) says why. Both stay until the process ends. [any thread] */
const wk_dnnl *wk_dnnl_get(const char **why);

/* Between these two the library stays on the calling thread, whatever it does; `before` is what the
 * first returned. Wick spreads the work, see docs/decisions/onednn.md. */
int wk_dnnl_enter(const wk_dnnl *dnnl);
void wk_dnnl_leave(const wk_dnnl *dnnl, int before);

/* The calling thread's stream, or NULL. */
dnnl_stream_t wk_dnnl_stream(const wk_dnnl *dnnl);

#endif
