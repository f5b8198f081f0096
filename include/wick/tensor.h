/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TENSOR_H
#define WICK_TENSOR_H

/* Tensors, the scopes that own them, and reading and writing their values.
 *
 * Every op's result belongs to the innermost open scope and is released when that scope closes.
 * wk_tensor_retain keeps one longer; wk_scope_return hands one to the enclosing scope. */

#include <wick/base.h>
#include <wick/device.h>

WK_BEGIN_C

/* Element types. Append only; 0 stands for "the default", f32 where a new tensor is made. */
typedef enum wk_dtype {
  WK_DTYPE_DEFAULT = 0,
  WK_F32 = 1,
  WK_F64 = 2,
  WK_I64 = 3,
  WK_I32 = 4,
  WK_U8 = 5,
  WK_BOOL = 6,
  WK_F16 = 7,  /* IEEE 754 binary16 */
  WK_BF16 = 8, /* the upper half of an f32 */
  WK_I8 = 9,
  WK_I16 = 10
} wk_dtype;

/* Bytes of an element (0 if not a dtype) and name ("f32"); static storage. [any thread] */
WK_API size_t wk_dtype_size(wk_dtype dtype);
WK_API const char *wk_dtype_name(wk_dtype dtype);

#define WK_MAX_RANK 8

/* Sizes of a tensor's dimensions. WK_SHAPE(2, 3) makes one; WK_SCALAR has no dimensions. */
typedef struct wk_shape {
  int rank;
  int64_t dims[WK_MAX_RANK];
} wk_shape;

/* Some of a tensor's dimensions, counted from the end when negative. WK_AXES(0, -1) makes one; a
 * zeroed one means all of them. */
typedef struct wk_axes {
  int count;
  int axis[WK_MAX_RANK];
} wk_axes;

typedef struct wk_tensor wk_tensor;

/* Several tensors. `item` is borrowed. WK_TENSORS(a, b) makes one that lives as long as the
 * enclosing block, in C++ as long as the statement. */
typedef struct wk_tensors {
  size_t count;
  wk_tensor **item;
} wk_tensors;

#ifdef __cplusplus
#define WK_SCALAR (wk_shape{0, {}})
#define WK_SHAPE(...) wk_shape_of(__VA_ARGS__)
#define WK_AXES(...) wk_axes_of(__VA_ARGS__)
#define WK_TENSORS(...) wk_tensors_of(__VA_ARGS__)
extern "C++" {
template <typename... Size> constexpr wk_shape wk_shape_of(Size... dims) {
  return {static_cast<int>(sizeof...(dims)), {static_cast<int64_t>(dims)...}};
}
template <typename... Axis> constexpr wk_axes wk_axes_of(Axis... axis) {
  return {static_cast<int>(sizeof...(axis)), {static_cast<int>(axis)...}};
}
/* Holds what a wk_tensors points to. */
template <size_t Count> struct wk_tensor_list {
  wk_tensor *item[Count];
  operator wk_tensors() { return {Count, item}; }
};
template <typename... Tensor>
constexpr wk_tensor_list<sizeof...(Tensor)> wk_tensors_of(Tensor... tensors) {
  return {{tensors...}};
}
}
#else
#define WK_SCALAR ((wk_shape){0, {0}})
#define WK_SHAPE(...)                                                                              \
  ((wk_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
#define WK_AXES(...) ((wk_axes){(int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), {__VA_ARGS__}})
#define WK_TENSORS(...)                                                                            \
  ((wk_tensors){sizeof((wk_tensor *[]){__VA_ARGS__}) / sizeof(wk_tensor *),                        \
                (wk_tensor *[]){__VA_ARGS__}})
#endif

/* For a setting whose zero means "the default" when zero itself is wanted: a negative zero. */
#define WK_EXACTLY_ZERO (-0.0)

/* ---- scopes ---- */

/* A position in the calling thread's stack of scopes. */
typedef struct wk_scope {
  size_t position, depth;
} wk_scope;

/* WK_SCOPE; is a declaration: a scope opens here and closes when the block is left, by whatever
 * way: its end, break, continue, return or goto. [creating thread] */
#define WK_SCOPE                                                                                   \
  __attribute__((cleanup(wk_scope_close), unused)) wk_scope WK_PASTE_(wk_scope_at_, __LINE__) =    \
      wk_scope_open()
#define WK_PASTE_(a, b) WK_PASTE2_(a, b)
#define WK_PASTE2_(a, b) a##b

/* The same by hand, where the cleanup attribute is not at hand. Closing a scope closes the scopes
 * opened after it too. Never fail. [creating thread] */
WK_API wk_scope wk_scope_open(void);
WK_API void wk_scope_close(wk_scope *scope);

/* Hands `tensor` (NULL is fine) up: when the innermost scope closes, the tensor belongs to the
 * enclosing one. Returns `tensor`. WK_ERROR_STATE if there is no enclosing scope or the tensor does
 * not belong to the innermost one, and then NULL. [creating thread] */
WK_API wk_tensor *wk_scope_return_at(wk_place here, wk_tensor *tensor);
#define wk_scope_return(...) wk_scope_return_at(WK_HERE, __VA_ARGS__)

/* Number of tensors in all open scopes of the calling thread. [any thread] */
WK_API size_t wk_scope_count(void);

/* Writes what the calling thread's open scopes hold most of, as snprintf: bytes and number of
 * tensors for each op and module that made them, with what the records behind them keep for
 * gradients. With WICK_DEBUG=scope the report of the moment when there was most is kept for
 * wk_error_report. [any thread] */
WK_API size_t wk_scope_report(char *buffer, size_t size);

/* ---- making and freeing ---- */

/* A tensor holding a copy of `data`: elements of `dtype` in row-major order, shape's worth of them.
 * On `device`, or the cpu if NULL. Belongs to the innermost scope. [any thread] */
WK_API wk_tensor *wk_tensor_from_data_at(wk_place here, wk_shape shape, wk_dtype dtype,
                                         const void *data, wk_device *device);
#define wk_tensor_from_data(...) wk_tensor_from_data_at(WK_HERE, __VA_ARGS__)

/* One more owner, one owner less; NULL is fine. The last release frees. [any thread] */
WK_API wk_tensor *wk_tensor_retain(wk_tensor *tensor);
WK_API void wk_tensor_release(wk_tensor *tensor);

/* ---- asking ---- [any thread], never fail */

WK_API wk_dtype wk_tensor_dtype(const wk_tensor *tensor); /* [any thread] */
WK_API int wk_tensor_rank(const wk_tensor *tensor);       /* [any thread] */
WK_API wk_shape wk_tensor_shape(const wk_tensor *tensor); /* [any thread] */
WK_API int64_t wk_tensor_dim(const wk_tensor *tensor,
                             int axis); /* 0 if no such axis. [any thread] */
WK_API int64_t wk_tensor_stride(const wk_tensor *tensor, int axis); /* in elements. [any thread] */
WK_API int64_t wk_tensor_count(const wk_tensor *tensor);            /* elements. [any thread] */
WK_API wk_device *wk_tensor_device(const wk_tensor *tensor);        /* [any thread] */
WK_API bool wk_tensor_is_contiguous(const wk_tensor *tensor); /* row-major, no gaps. [any thread] */
WK_API const char *wk_tensor_name(const wk_tensor *tensor);   /* "" if none. [any thread] */

/* "f32 [64, 3, 28]", as snprintf. [any thread] */
WK_API size_t wk_tensor_describe(const wk_tensor *tensor, char *buffer, size_t size);

/* ---- values ---- each waits for the device: a host read point */

/* Copies all elements, row-major, into `buffer` of `size` bytes, exactly count * dtype size.
 * [any thread] */
WK_API wk_status wk_tensor_read_at(wk_place here, const wk_tensor *tensor, void *buffer,
                                   size_t size);
#define wk_tensor_read(...) wk_tensor_read_at(WK_HERE, __VA_ARGS__)

/* Overwrites all elements from `data`. WK_ERROR_STATE for a tensor that requires a gradient while
 * gradients are recorded. [one thread at a time per object] */
WK_API wk_status wk_tensor_write_at(wk_place here, wk_tensor *tensor, const void *data,
                                    size_t size);
#define wk_tensor_write(...) wk_tensor_write_at(WK_HERE, __VA_ARGS__)

/* The value of a tensor with exactly one element; NaN on failure. [any thread] */
WK_API double wk_item_at(wk_place here, const wk_tensor *tensor);
#define wk_item(...) wk_item_at(WK_HERE, __VA_ARGS__)

/* Writes the values as text, outer elements of large tensors only, as snprintf. [any thread] */
WK_API size_t wk_tensor_text(const wk_tensor *tensor, char *buffer, size_t size);

/* For looking at a tensor (NULL is fine) from a program or a debugger, in gdb as
 * `call (char *)wk_describe(x)`; also while an error is pending. wk_describe gives one line,
 * "f32 [2, 3] relu at network.1 (relu), requires gradient: [[0.5000, ...]]", valid until the
 * thread's next call; wk_print writes the same and the values as wk_tensor_text does. [any thread]
 */
WK_API const char *wk_describe(const wk_tensor *tensor);
WK_API void wk_print(FILE *stream, const wk_tensor *tensor); /* [any thread] */

/* The insides of tensors, for debuggers. [any thread] */
WK_API extern const wk_debug_field wk_debug_tensor_fields[];

/* The tensor on `device`: itself (one more entry in the scope) if it is there, a copy otherwise.
 * Copies carry no gradient. Belongs to the innermost scope. [any thread] */
WK_API wk_tensor *wk_tensor_to_at(wk_place here, wk_tensor *tensor, wk_device *device);
#define wk_tensor_to(...) wk_tensor_to_at(WK_HERE, __VA_ARGS__)

/* ---- random numbers ---- */

/* A stream of random numbers: (seed, offset). Ops that draw n numbers take offset .. offset+n-1. */
typedef struct wk_generator wk_generator;

/* A generator at offset 0; freed with wk_generator_free. [any thread] */
WK_API wk_generator *wk_generator_create_at(wk_place here, uint64_t seed);
#define wk_generator_create(...) wk_generator_create_at(WK_HERE, __VA_ARGS__)
WK_API void wk_generator_free(wk_generator *generator);

/* The calling thread's own generator, used where an op is given none; seed 0 at first. Not to be
 * freed. [any thread] */
WK_API wk_generator *wk_generator_default(void);

/* Sets (seed, offset), reads them back. [one thread at a time per object] */
WK_API void wk_generator_set(wk_generator *generator, uint64_t seed, uint64_t offset);
WK_API void wk_generator_get(const wk_generator *generator, uint64_t *seed, uint64_t *offset);

/* ---- parameter sets ---- */

/* The trainable tensors of a network, side by side in memory, with their gradients. A set belongs
 * to the module that wk_module_parameters returned it for. */
typedef struct wk_parameters wk_parameters;

/* Number of parameters, of their elements, and the i-th one (NULL past the end): its name is
 * wk_tensor_name. Borrowed. [any thread] */
WK_API size_t wk_parameters_count(const wk_parameters *set);
WK_API int64_t wk_parameters_element_count(const wk_parameters *set);
WK_API wk_tensor *wk_parameters_get(const wk_parameters *set, size_t index);
WK_API wk_tensor *wk_parameters_find(const wk_parameters *set, const char *name);

/* A frozen parameter gets no gradient and is not updated. WK_ERROR_NOT_FOUND for an index past the
 * end. [one thread at a time per object] */
WK_API wk_status wk_parameters_freeze_at(wk_place here, wk_parameters *set, size_t index,
                                         bool frozen);
#define wk_parameters_freeze(...) wk_parameters_freeze_at(WK_HERE, __VA_ARGS__)

WK_END_C

#endif
