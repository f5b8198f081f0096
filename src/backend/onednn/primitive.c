/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/onednn/primitive.h"

#ifdef WICK_HAVE_ONEDNN
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "backend/onednn/library.h"
#include "base/error.h"
#include "base/library.h"
#include "base/memory.h"
#include "base/parallel.h"

#define CACHE_SIZE 128
#define MOST_PACKS 8          /* pieces in which weights are packed, side by side */
#define PACK_ALIGNMENT 64     /* channels: a multiple of every blocked format's block */
#define LEAST_PACK (64 << 10) /* bytes worth a piece of their own */
#define PANEL 64              /* columns of a matrix side by side, all its rows one after another */
#define PANEL_ROWS 16         /* a multiple of so many */
#define PREFETCH_ROWS 16      /* they lie far apart, where the processor foresees nothing */
#define LINE 16               /* elements that come from memory together */
#define LINE_BYTES (LINE * sizeof(float))

struct wk_dnnl_primitive {
  wk_dnnl_key key;
  atomic_int references;
  uint64_t last_use;
  const char *refusal; /* NULL: it can be used */
  dnnl_primitive_desc_t description;
  dnnl_primitive_t run;
  size_t scratch_bytes, packed_bytes;
  bool in_panels; /* of columns, which we pack */
  int pack_count; /* that oneDNN packs; 0 of both: the weights are taken as they lie */
  dnnl_primitive_t pack[MOST_PACKS];
  dnnl_memory_desc_t plain[MOST_PACKS], packed[MOST_PACKS];
};

/* What a primitive reads and writes, as oneDNN numbers and asks for it. */
static const struct {
  int from, to;
  dnnl_query_t from_layout, to_layout;
} roles[] = {
    [WK_DNNL_CONV2D] = {DNNL_ARG_SRC, DNNL_ARG_DST, dnnl_query_src_md, dnnl_query_dst_md},
    [WK_DNNL_CONV2D_DATA] = {DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC, dnnl_query_diff_dst_md,
                             dnnl_query_diff_src_md},
    [WK_DNNL_MATMUL] = {DNNL_ARG_SRC, DNNL_ARG_DST, dnnl_query_src_md, dnnl_query_dst_md},
};

/* So that what follows in memory is aligned too. */
static size_t round_up(size_t size) { return (size + 63) & ~(size_t)63; }

/* ---- making one ---- */

/* The layouts a primitive is asked for; weights in the form that oneDNN likes best, and as Wick has
 * them. */
typedef struct layouts {
  dnnl_memory_desc_t from, to, wanted, plain, bias;
} layouts;

static void destroy_layouts(const wk_dnnl *dnnl, layouts *l) {
  dnnl_memory_desc_t all[] = {l->from, l->to, l->wanted, l->plain, l->bias};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i]) dnnl->memory_desc_destroy(all[i]);
}

static bool make_layout(const wk_dnnl *dnnl, dnnl_memory_desc_t *to, int rank, const int64_t *dims,
                        dnnl_format_tag_t tag) {
  dnnl_dims_t copy = {0};
  memcpy(copy, dims, (size_t)rank * sizeof *dims);
  return dnnl->memory_desc_create_with_tag(to, rank, copy, dnnl_f32, tag) == dnnl_success;
}

static bool make_strided(const wk_dnnl *dnnl, dnnl_memory_desc_t *to, int64_t rows, int64_t columns,
                         int64_t row_stride, int64_t column_stride) {
  const dnnl_dims_t dims = {rows, columns}, strides = {row_stride, column_stride};
  return dnnl->memory_desc_create_with_strides(to, 2, dims, dnnl_f32, strides) == dnnl_success;
}

static void copy_pair(dnnl_dims_t to, const int64_t *pair, int64_t less) {
  to[0] = pair[0] - less, to[1] = pair[1] - less;
}

/* oneDNN says padding behind; what no window reaches counts as none. */
static int64_t padding_behind(const wk_dnnl_key *key, int axis) {
  const int64_t reach = (key->conv2d.y[axis] - 1) * key->conv2d.stride[axis] +
                        (key->conv2d.kernel[axis] - 1) * key->conv2d.dilation[axis] + 1;
  const int64_t behind = reach - key->conv2d.x[axis] - key->conv2d.padding[axis];
  return behind > 0 ? behind : 0;
}

static bool describe_conv2d(const wk_dnnl *dnnl, const wk_dnnl_key *key, dnnl_primitive_attr_t how,
                            layouts *l, dnnl_primitive_desc_t *to) {
  const int64_t c = key->conv2d.channels, o = key->conv2d.out_channels;
  const int64_t x[] = {1, c, key->conv2d.x[0], key->conv2d.x[1]};
  const int64_t y[] = {1, o, key->conv2d.y[0], key->conv2d.y[1]};
  const int64_t w[] = {o, c, key->conv2d.kernel[0], key->conv2d.kernel[1]};
  const bool forward = key->kind == WK_DNNL_CONV2D;
  if (!make_layout(dnnl, &l->from, 4, x, dnnl_nhwc) || !make_layout(dnnl, &l->to, 4, y, dnnl_nhwc))
    return false;
  if (!make_layout(dnnl, &l->wanted, 4, w, dnnl_format_tag_any) ||
      !make_layout(dnnl, &l->plain, 4, w, dnnl_ohwi))
    return false;
  if (key->has_bias && !make_layout(dnnl, &l->bias, 1, &o, dnnl_a)) return false;
  dnnl_dims_t stride, dilation, before, behind = {padding_behind(key, 0), padding_behind(key, 1)};
  copy_pair(stride, key->conv2d.stride, 0);
  copy_pair(dilation, key->conv2d.dilation, 1);
  copy_pair(before, key->conv2d.padding, 0);
  dnnl_primitive_desc_t hint;
  if (dnnl->convolution_forward_primitive_desc_create(
          &hint, dnnl->engine, forward ? dnnl_forward_inference : dnnl_forward_training,
          dnnl_convolution_direct, l->from, l->wanted, l->bias, l->to, stride, dilation, before,
          behind, how) != dnnl_success)
    return false;
  if (forward) return *to = hint, true;
  const dnnl_status_t status =
      dnnl->convolution_backward_data_primitive_desc_create(to, dnnl->engine,
                                                            dnnl_convolution_direct, l->from,
                                                            l->wanted, l->to, stride, dilation,
                                                            before, behind, hint, how);
  dnnl->primitive_desc_destroy(hint);
  return status == dnnl_success;
}

static bool describe_matmul(const wk_dnnl *dnnl, const wk_dnnl_key *key, dnnl_primitive_attr_t how,
                            layouts *l, dnnl_primitive_desc_t *to) {
  const int64_t m = key->matmul.rows, n = key->matmul.n, k = key->matmul.k, b[] = {k, n};
  return make_strided(dnnl, &l->from, m, k, key->matmul.a_strides[0], key->matmul.a_strides[1]) &&
         make_strided(dnnl, &l->plain, k, n, key->matmul.b_strides[0], key->matmul.b_strides[1]) &&
         make_strided(dnnl, &l->to, m, n, key->matmul.c_stride, 1) &&
         make_layout(dnnl, &l->wanted, 2, b, dnnl_format_tag_any) &&
         dnnl->matmul_primitive_desc_create(to, dnnl->engine, l->from, l->wanted, NULL, l->to,
                                            how) == dnnl_success;
}

/* Packing the channels [begin, begin + count) along the axis that the format blocks outermost. */
static bool make_pack(const wk_dnnl *dnnl, wk_dnnl_primitive *p, const layouts *l,
                      const int64_t *dims, int axis, int64_t begin, int64_t count) {
  const int i = p->pack_count;
  const int rank = p->key.kind == WK_DNNL_MATMUL ? 2 : 4;
  dnnl_dims_t part = {0}, offsets = {0};
  memcpy(part, dims, (size_t)rank * sizeof *dims);
  part[axis] = count, offsets[axis] = begin;
  const_dnnl_memory_desc_t packed =
      dnnl->primitive_desc_query_md(p->description, dnnl_query_weights_md, 0);
  dnnl_primitive_desc_t description;
  if (dnnl->memory_desc_create_submemory(&p->plain[i], l->plain, part, offsets) != dnnl_success)
    return false;
  if (dnnl->memory_desc_create_submemory(&p->packed[i], packed, part, offsets) != dnnl_success ||
      dnnl->reorder_primitive_desc_create(&description, p->plain[i], dnnl->engine, p->packed[i],
                                          dnnl->engine, NULL) != dnnl_success)
    return p->pack_count++, false;
  const bool made = dnnl->primitive_create(&p->pack[i], description) == dnnl_success;
  dnnl->primitive_desc_destroy(description);
  p->pack_count++;
  return made;
}

static void destroy_packs(const wk_dnnl *dnnl, wk_dnnl_primitive *p) {
  for (int i = 0; i < p->pack_count; i++) {
    if (p->pack[i]) dnnl->primitive_destroy(p->pack[i]);
    if (p->plain[i]) dnnl->memory_desc_destroy(p->plain[i]);
    if (p->packed[i]) dnnl->memory_desc_destroy(p->packed[i]);
    p->pack[i] = NULL, p->plain[i] = p->packed[i] = NULL;
  }
  p->pack_count = 0;
}

static bool make_packs_of(const wk_dnnl *dnnl, wk_dnnl_primitive *p, const layouts *l,
                          const int64_t *dims, int axis, int64_t step) {
  for (int64_t begin = 0; begin < dims[axis]; begin += step) {
    const int64_t left = dims[axis] - begin;
    if (!make_pack(dnnl, p, l, dims, axis, begin, left < step ? left : step)) return false;
  }
  return true;
}

/* In pieces if the format's blocks allow it, else as a whole. */
static bool make_packs(const wk_dnnl *dnnl, wk_dnnl_primitive *p, const layouts *l) {
  const wk_dnnl_key *key = &p->key;
  const bool product = key->kind == WK_DNNL_MATMUL;
  const int64_t filters[] = {key->conv2d.out_channels, key->conv2d.channels, key->conv2d.kernel[0],
                             key->conv2d.kernel[1]};
  const int64_t matrix[] = {key->matmul.k, key->matmul.n};
  const int64_t *dims = product ? matrix : filters;
  const int axis = key->kind == WK_DNNL_CONV2D_DATA ? 1 : 0;
  const int64_t most = (int64_t)(p->packed_bytes / LEAST_PACK);
  const int64_t wanted = most < 1 ? 1 : most < MOST_PACKS ? most : MOST_PACKS;
  const int64_t blocks = dims[axis] / PACK_ALIGNMENT;
  const int64_t step = (blocks + wanted - 1) / wanted * PACK_ALIGNMENT;
  if (wanted > 1 && dims[axis] % PACK_ALIGNMENT == 0) {
    if (make_packs_of(dnnl, p, l, dims, axis, step)) return true;
    destroy_packs(dnnl, p);
  }
  return make_packs_of(dnnl, p, l, dims, axis, dims[axis]);
}

/* Whether packed weights are what pack_panels makes; oneDNN's own reorder takes twice as long. */
static bool are_panels(const wk_dnnl *dnnl, const wk_dnnl_key *key,
                       const_dnnl_memory_desc_t packed) {
  const int64_t dims[] = {key->matmul.k, key->matmul.n};
  dnnl_memory_desc_t panels;
  if (key->kind != WK_DNNL_MATMUL || key->matmul.b_strides[1] != 1 || dims[0] % PANEL_ROWS != 0 ||
      dims[1] % PANEL != 0 || !make_layout(dnnl, &panels, 2, dims, dnnl_BA16a64b))
    return false;
  const bool equal = dnnl->memory_desc_equal(packed, panels);
  dnnl->memory_desc_destroy(panels);
  return equal;
}

static const char *make_from_description(const wk_dnnl *dnnl, wk_dnnl_primitive *p,
                                         const layouts *l) {
  if (strncmp(wk_dnnl_primitive_name(p), "ref", 3) == 0)
    return "oneDNN has only its reference kernel for it";
  const_dnnl_memory_desc_t packed =
      dnnl->primitive_desc_query_md(p->description, dnnl_query_weights_md, 0);
  const_dnnl_memory_desc_t scratch =
      dnnl->primitive_desc_query_md(p->description, dnnl_query_scratchpad_md, 0);
  p->scratch_bytes = round_up(scratch ? dnnl->memory_desc_get_size(scratch) : 0);
  p->packed_bytes = round_up(dnnl->memory_desc_get_size(packed));
  p->in_panels = are_panels(dnnl, &p->key, packed);
  if (!p->in_panels && !dnnl->memory_desc_equal(packed, l->plain) && !make_packs(dnnl, p, l))
    return "oneDNN cannot pack its weights";
  if (dnnl->primitive_create(&p->run, p->description) != dnnl_success)
    return "oneDNN cannot make it";
  return NULL;
}

static const char *make(const wk_dnnl *dnnl, wk_dnnl_primitive *p) {
  layouts l = {0};
  dnnl_primitive_attr_t how;
  const char *refusal = "oneDNN has no kernel for it";
  const int before = wk_dnnl_enter(dnnl);
  if (dnnl->primitive_attr_create(&how) == dnnl_success) {
    dnnl->primitive_attr_set_scratchpad_mode(how, dnnl_scratchpad_mode_user);
    const bool product = p->key.kind == WK_DNNL_MATMUL;
    if ((product ? describe_matmul : describe_conv2d)(dnnl, &p->key, how, &l, &p->description))
      refusal = make_from_description(dnnl, p, &l);
    dnnl->primitive_attr_destroy(how);
  }
  destroy_layouts(dnnl, &l);
  wk_dnnl_leave(dnnl, before);
  return refusal;
}

static void destroy(wk_dnnl_primitive *p) {
  const wk_dnnl *dnnl = wk_dnnl_get(NULL);
  destroy_packs(dnnl, p);
  if (p->run) dnnl->primitive_destroy(p->run);
  if (p->description) dnnl->primitive_desc_destroy(p->description);
  wk_deallocate(p);
}

/* ---- keeping them ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards these: */
static wk_dnnl_primitive *cache[CACHE_SIZE];
static uint64_t clock_now;

static void forget_all(void) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < CACHE_SIZE; i++) {
    if (cache[i]) wk_dnnl_primitive_give_back(cache[i]);
    cache[i] = NULL;
  }
  pthread_mutex_unlock(&lock);
}

/* The caller holds the lock. A place that is free, or that of the one used longest ago. */
static wk_dnnl_primitive *find(const wk_dnnl_key *key, int *place) {
  *place = 0;
  for (int i = 0; i < CACHE_SIZE; i++) {
    wk_dnnl_primitive *const at = cache[i];
    if (at && memcmp(&at->key, key, sizeof *key) == 0) return at;
    const wk_dnnl_primitive *const oldest = cache[*place];
    if (oldest && (!at || at->last_use < oldest->last_use)) *place = i;
  }
  return NULL;
}

static wk_dnnl_primitive *find_or_make(const wk_dnnl *dnnl, const wk_dnnl_key *key) {
  int place;
  wk_dnnl_primitive *p = find(key, &place);
  if (!p) {
    p = wk_allocate_zeroed(1, sizeof *p);
    if (!p) return NULL;
    p->key = *key;
    atomic_store(&p->references, 1);
    p->refusal = make(dnnl, p);
    if (cache[place]) wk_dnnl_primitive_give_back(cache[place]);
    cache[place] = p;
    wk_at_shutdown(forget_all);
  }
  p->last_use = ++clock_now;
  return p;
}

wk_dnnl_primitive *wk_dnnl_primitive_take(const wk_dnnl_key *key, const char **why) {
  const wk_dnnl *dnnl = wk_dnnl_get(why);
  if (!dnnl) return NULL;
  wk_at_fork_lock(&lock);
  pthread_mutex_lock(&lock);
  wk_dnnl_primitive *p = find_or_make(dnnl, key);
  *why = p ? p->refusal : "out of memory";
  if (p && p->refusal) p = NULL;
  if (p) atomic_fetch_add(&p->references, 1);
  pthread_mutex_unlock(&lock);
  return p;
}

void wk_dnnl_primitive_give_back(wk_dnnl_primitive *primitive) {
  if (atomic_fetch_sub(&primitive->references, 1) == 1) destroy(primitive);
}

const char *wk_dnnl_primitive_name(const wk_dnnl_primitive *primitive) {
  const char *name = "";
  wk_dnnl_get(NULL)->primitive_desc_query(primitive->description, dnnl_query_impl_info_str, 0,
                                          &name);
  return name;
}

/* ---- running one ---- */

static bool is_packed(const wk_dnnl_primitive *p) { return p->in_panels || p->pack_count; }

typedef struct job {
  const wk_dnnl *dnnl;
  const wk_dnnl_call *call;
  char *packed, *scratch; /* of thread 0 */
  atomic_int status;      /* dnnl_status_t, the last that was not success */
} job;

/* Executes with `count` arguments, whose memory lies where `data` says. */
static void execute(job *j, dnnl_primitive_t primitive, int count, const int *arguments,
                    const const_dnnl_memory_desc_t *layout, void *const *data) {
  dnnl_exec_arg_t given[5];
  dnnl_status_t status = dnnl_success;
  int made = 0;
  for (; made < count && status == dnnl_success; made++) {
    given[made].arg = arguments[made];
    given[made].memory = NULL;
    status = j->dnnl->memory_create(&given[made].memory, layout[made], j->dnnl->engine, data[made]);
  }
  const dnnl_stream_t stream = wk_dnnl_stream(j->dnnl);
  if (status == dnnl_success)
    status =
        stream ? j->dnnl->primitive_execute(primitive, stream, count, given) : dnnl_out_of_memory;
  for (int i = 0; i < made; i++)
    if (given[i].memory) j->dnnl->memory_destroy(given[i].memory);
  if (status != dnnl_success) atomic_store(&j->status, (int)status);
}

static void pack(void *context, int64_t begin, int64_t end) {
  job *j = context;
  const wk_dnnl_primitive *p = j->call->primitive;
  static const int arguments[] = {DNNL_ARG_FROM, DNNL_ARG_TO};
  void *const data[] = {(void *)(uintptr_t)j->call->weights, j->packed};
  const int before = wk_dnnl_enter(j->dnnl);
  for (int64_t i = begin; i < end; i++) {
    const const_dnnl_memory_desc_t layout[] = {p->plain[i], p->packed[i]};
    execute(j, p->pack[i], 2, arguments, layout, data);
  }
  wk_dnnl_leave(j->dnnl, before);
}

static void pack_panels(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const wk_dnnl_key *key = &j->call->primitive->key;
  const int64_t rows = key->matmul.k, stride = key->matmul.b_strides[0];
  float *to = (float *)j->packed + begin * rows * PANEL;
  for (int64_t panel = begin; panel < end; panel++) {
    const float *from = (const float *)j->call->weights + panel * PANEL;
    for (int64_t i = 0; i < rows; i++, from += stride, to += PANEL) {
      for (int k = 0; k < PANEL; k += LINE) __builtin_prefetch(from + PREFETCH_ROWS * stride + k);
      memcpy(to, from, PANEL * sizeof *to);
    }
  }
}

static void run_pieces(void *context, int64_t begin, int64_t end) {
  job *j = context;
  const wk_dnnl_call *call = j->call;
  const wk_dnnl_primitive *p = call->primitive;
  const dnnl_primitive_desc_t of = p->description;
  const int kind = (int)p->key.kind;
  const int arguments[] = {roles[kind].from, DNNL_ARG_WEIGHTS, roles[kind].to, DNNL_ARG_SCRATCHPAD,
                           DNNL_ARG_BIAS};
  const const_dnnl_memory_desc_t layout[] = {
      j->dnnl->primitive_desc_query_md(of, roles[kind].from_layout, 0),
      j->dnnl->primitive_desc_query_md(of, dnnl_query_weights_md, 0),
      j->dnnl->primitive_desc_query_md(of, roles[kind].to_layout, 0),
      j->dnnl->primitive_desc_query_md(of, dnnl_query_scratchpad_md, 0),
      p->key.has_bias ? j->dnnl->primitive_desc_query_md(of, dnnl_query_weights_md, 1) : NULL};
  char *scratch = j->scratch + (size_t)wk_parallel_index() * p->scratch_bytes;
  const int before = wk_dnnl_enter(j->dnnl);
  for (int64_t i = begin; i < end; i++) {
    void *const data[] = {(void *)(uintptr_t)(call->from + i * call->from_step),
                          is_packed(p) ? j->packed : (void *)(uintptr_t)call->weights,
                          call->to + i * call->to_step, scratch, (void *)(uintptr_t)call->bias};
    execute(j, p->run, p->key.has_bias ? 5 : 4, arguments, layout, data);
  }
  wk_dnnl_leave(j->dnnl, before);
}

static size_t packed_bytes(const wk_dnnl_primitive *p) {
  return is_packed(p) ? p->packed_bytes : 0;
}

size_t wk_dnnl_call_bytes(const wk_dnnl_primitive *p) {
  return packed_bytes(p) + p->scratch_bytes * (size_t)wk_thread_count() + LINE_BYTES;
}

wk_status wk_dnnl_run(const wk_dnnl_call *call) {
  const wk_dnnl_primitive *p = call->primitive;
  const size_t packed = packed_bytes(p), size = wk_dnnl_call_bytes(p);
  wk_device *device = call->stream->device;
  char *memory = device->functions->allocate(device, size, call->stream);
  if (!memory) return WK_ERROR_MEMORY;
  job j = {.dnnl = wk_dnnl_get(NULL), .call = call, .packed = memory, .scratch = memory + packed};
  if (p->in_panels) wk_parallel_for(p->key.matmul.n / PANEL, 1, pack_panels, &j);
  wk_parallel_for(p->pack_count, 1, pack, &j);
  wk_parallel_for(call->count, 1, run_pieces, &j);
  device->functions->free(device, memory, size, call->stream);
  const int status = atomic_load(&j.status);
  if (status == dnnl_success) return WK_OK;
  if (status == dnnl_out_of_memory) {
    wk_fail_memory(size);
    return WK_ERROR_MEMORY;
  }
  return wk_fail(WK_ERROR_DEVICE, "oneDNN's %s failed with its status %d",
                 wk_dnnl_primitive_name(p), status);
}

#endif
