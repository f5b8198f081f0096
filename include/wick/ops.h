/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_H
#define WICK_OPS_H

/* Operations on tensors. Each op `x` is a macro wk_x(...) over a function wk_x_at: first its
 * tensors, then its positional settings, then any of the others by name:
 *   wk_conv2d(images, weight, .bias = bias, .stride = {2, 2})
 * A setting left out, or zero, has its default. Results belong to the innermost scope. NULL is
 * returned on failure, with the error pending. */

#include <wick/ops.gen.h>

/* Bounds of slices: as far as the axis goes, forwards or, with a negative step, backwards.
 * wk_slice(x, 0, WK_LAST, WK_FIRST, .step = -1) is all of x backwards. */
#define WK_FIRST INT64_MIN
#define WK_LAST INT64_MAX

WK_BEGIN_C

/* A number as an operand: wk_multiply(x, wk_scalar(0.5)). It takes the dtype of what it meets: an
 * f16 tensor stays f16. Only a fraction beside integers makes them f32. [any thread] */
WK_API wk_tensor *wk_scalar_at(wk_place here, double value, bool whole);
#define wk_scalar(x) wk_scalar_at(WK_HERE, (double)(x), WK_IS_WHOLE_(x))
#ifdef __cplusplus
#define WK_IS_WHOLE_(x) (decltype(x)(3) / decltype(x)(2) == decltype(x)(1))
#else
#define WK_IS_WHOLE_(x) _Generic((x), float : false, double : false, default : true)
#endif

/* The dtype in which pointwise ops on mixed operands work, and their result: PyTorch's rules.
 * wk_result_dtype looks at tensors: those without dimensions only decide whether it is a float. The
 * dtypes' order: bool, u8 or i8, i16, i32, i64, f16 or bf16, f32, f64; u8 with i8 is i16, f16 with
 * bf16 is f32. [any thread] */
WK_API wk_dtype wk_promote_dtypes(wk_dtype a, wk_dtype b);
WK_API wk_dtype wk_result_dtype(wk_tensors tensors);
/* Whether no category is lost: a float is not cast to an integer, an integer not to bool. [any
 * thread] */
WK_API bool wk_can_cast(wk_dtype from, wk_dtype to);

/* Runs the op called `name`: `arguments` is its wk_<name>_arguments. Writes owned references to
 * outputs[0 .. count-1]; the caller releases them. For language bindings. [any thread] */
WK_API wk_status wk_call_op(wk_place here, const char *name, const void *arguments,
                            wk_tensor **outputs, size_t count);

/* ---- mixed precision ---- */

/* WK_AUTOCAST(WK_BF16); or (WK_F16) is a declaration: until the block is left the calling thread's
 * products, convolutions, attention and recurrent ops cast their f32 inputs to that type and run in
 * it; sums, norms, softmax, losses, exp, log, power and their like cast theirs to f32; other ops
 * work in the type of their inputs, the wider one where they differ. f64 stays f64.
 * docs/ops.gen.md says which ops are which. Weights stay f32: the cast of one is kept until it is
 * written or the block is left, and its gradient comes back in f32. wk_backward belongs outside the
 * block, or inside: it does not look. With f16 gradients need a wk_loss_scaler. wk_tensor *loss =
 * NULL;
 *   {
 *     WK_AUTOCAST(WK_BF16);
 *     loss = wk_cross_entropy(wk_forward(network, images), labels);
 *   }
 *   wk_backward(loss);
 * What follows the declaration in its block belongs to it. */
#define WK_AUTOCAST(dtype)                                                                         \
  __attribute__((cleanup(wk_autocast_end), unused)) wk_dtype WK_PASTE_(wk_autocast_at_,            \
                                                                       __LINE__) =                 \
      wk_set_autocast(dtype)
/* Sets it (WK_DTYPE_DEFAULT: off) and returns what it was. WK_ERROR_DTYPE, with nothing changed,
 * for another type. [any thread] */
WK_API wk_dtype wk_set_autocast_at(wk_place here, wk_dtype dtype);
#define wk_set_autocast(...) wk_set_autocast_at(WK_HERE, __VA_ARGS__)
WK_API wk_dtype wk_autocast_dtype(void);             /* [any thread] */
WK_API void wk_autocast_end(const wk_dtype *before); /* [any thread] */

/* The i-th op's name, or NULL past the end. [any thread] */
WK_API const char *wk_op_name_at(int index);

/* ---- ops of one's own ---- */

/* Ops of one's own, described by the same fields as the library's records and called the same way:
 * arguments resolved and checked, shapes inferred, a kernel run, the call recorded for gradients.
 * For a gradient of one's own over existing ops, wk_function_apply in <wick/autograd.h> is shorter.
 *
 *   typedef struct scale_arguments {
 *     size_t struct_size;
 *     wk_tensor *x;
 *     double factor;
 *   } scale_arguments;
 *   static const wk_op_operand inputs[] = {{"x", offsetof(scale_arguments, x), WK_DTYPES_FLOAT}};
 *   static const wk_op_setting settings[] = {
 *       {"factor", WK_SETTING_DOUBLE, offsetof(scale_arguments, factor), .default_value = 2}};
 *   wk_op_register(&(wk_op_definition){sizeof(wk_op_definition), .name = "scale", ...});
 *   wk_call_op(WK_HERE, "scale", &(scale_arguments){sizeof(scale_arguments), x}, &y, 1); */

/* Sets of dtypes, as bits 1 << dtype. */
#define WK_DTYPES_FLOAT ((1u << WK_F32) | (1u << WK_F64) | (1u << WK_F16) | (1u << WK_BF16))
#define WK_DTYPES_INTEGER                                                                          \
  ((1u << WK_I64) | (1u << WK_I32) | (1u << WK_I16) | (1u << WK_I8) | (1u << WK_U8))
#define WK_DTYPES_NUMBER (WK_DTYPES_FLOAT | WK_DTYPES_INTEGER)
#define WK_DTYPES_ANY (WK_DTYPES_NUMBER | (1u << WK_BOOL))

/* An input: a field wk_tensor * of the arguments, or for the last one a wk_tensors. */
typedef struct wk_op_operand {
  const char *name;
  size_t offset;   /* in the arguments struct */
  uint32_t dtypes; /* which it may have; 0: any */
  bool optional;   /* may be NULL */
  bool list;       /* a wk_tensors; only the last input */
  bool own_dtype;  /* may differ from the dtype of the other inputs */
} wk_op_operand;

/* What a setting is in the arguments struct. Append only. */
typedef enum wk_setting_type {
  WK_SETTING_INT = 0,    /* int64_t */
  WK_SETTING_AXIS = 1,   /* int */
  WK_SETTING_DOUBLE = 2, /* double */
  WK_SETTING_BOOL = 3,   /* bool */
  WK_SETTING_UINT = 4,   /* uint64_t */
  WK_SETTING_PAIR = 5,   /* int64_t[2]; a zero second one repeats the first */
  WK_SETTING_SHAPE = 6,  /* wk_shape */
  WK_SETTING_AXES = 7,   /* wk_axes */
  WK_SETTING_DTYPE = 8   /* wk_dtype */
} wk_setting_type;

/* A setting. Numbers are checked against the range where minimum < maximum. */
typedef struct wk_op_setting {
  const char *name;
  wk_setting_type type;
  size_t offset;        /* in the arguments struct */
  bool required;        /* zero means zero; otherwise the default */
  double default_value; /* of numbers */
  double minimum, maximum;
  const char *doc; /* "factor that x is multiplied by" */
} wk_op_setting;

/* Sizes and dtype of a result. */
typedef struct wk_op_result {
  wk_dtype dtype;
  wk_shape shape;
} wk_op_result;

/* A tensor in a kernel: row-major elements in the host's memory. */
typedef struct wk_array {
  void *data; /* NULL: an optional input that is absent */
  wk_dtype dtype;
  wk_shape shape;
} wk_array;

/* What a gradient rule gets, and its results. All borrowed. */
typedef struct wk_op_gradient {
  const void *arguments;       /* with defaults filled in; its tensors are not to be used */
  wk_tensors inputs;           /* those that the definition says it reads, others NULL */
  wk_tensors outputs;          /* likewise */
  wk_tensors output_gradients; /* NULL: zero */
  const wk_shape *input_shapes;
  const bool *needed;          /* for each input, whether its gradient is wanted */
  wk_tensor **input_gradients; /* to set where needed; NULL: zero */
} wk_op_gradient;

/* An op. It needs an infer and a kernel, or a composite; with all three the kernel runs unless
 * gradients are recorded and there is no vjp. Functions return WK_OK, or fail by wk_error_set and a
 * negative status. `arguments` is always whole: of the definition's size, defaults filled in. */
typedef struct wk_op_definition {
  size_t struct_size;
  const char *name; /* no op may have it yet */
  const char *doc;
  const wk_op_operand *inputs;
  size_t input_count;  /* 0 to 8 */
  size_t output_count; /* 1 to 3 */
  const wk_op_setting *settings;
  size_t setting_count;
  size_t arguments_size; /* of the struct of arguments, which begins with size_t struct_size */
  bool promotes;         /* inputs of different dtypes become the common one first, as in wk_add */
  /* Sets results[0 .. output_count - 1]; every error that a caller can make is found here. */
  wk_status (*infer)(const void *arguments, wk_tensors inputs, wk_op_result *results);
  /* Computes the outputs, whose memory is uninitialised. Never called for empty ones. */
  wk_status (*kernel)(const void *arguments, const wk_array *inputs, const wk_array *outputs);
  /* Sets outputs[0 .. output_count - 1] to results of other ops, of its scope. */
  wk_status (*composite)(const void *arguments, wk_tensors inputs, wk_tensor **outputs);
  /* The gradient rule, in other ops, so that it has gradients itself. NULL: none, or for a
   * composite that of its ops. */
  wk_status (*vjp)(const wk_op_gradient *gradient);
  uint32_t gradient_reads_inputs;  /* bit i: the rule needs the value of input i */
  uint32_t gradient_reads_outputs; /* bit i: of output i */
} wk_op_definition;

/* Makes an op that wk_call_op runs by its name, on every device in the host's memory, until
 * wk_shutdown. Tables and strings are copied. WK_ERROR_ARGUMENT for a definition that does not fit
 * together, WK_ERROR_STATE for a name that is taken. [any thread] */
WK_API wk_status wk_op_register_at(wk_place here, const wk_op_definition *definition);
#define wk_op_register(...) wk_op_register_at(WK_HERE, __VA_ARGS__)

WK_END_C

#endif
