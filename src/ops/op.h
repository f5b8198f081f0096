/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_OP_H
#define WICK_OPS_OP_H

/* The record of an op, as the generator writes it from schema/, and one call of an op.
 *
 * To add an op: a record in schema/, and unless it is pointwise, in its family's file here:
 *   wk_infer_<op>      output shapes and dtypes, and every error a user can make;
 *   wk_vjp_<op>        its gradient, in public ops (if differentiable);
 *   wk_composite_<op>  what it stands for, in public ops (a composite needs no infer);
 * and a plain kernel in backend/reference. */

#include <wick/ops.h>

#include "tensor/attribute.h"
#include "tensor/tensor.h"

#define WK_MAX_INPUTS 8
#define WK_MAX_OUTPUTS 3
#define WK_MAX_ARGUMENTS_SIZE 384

typedef enum __attribute__((packed)) wk_op_class {
  WK_CLASS_POINTWISE, /* output i depends on the inputs' elements i, after broadcasting */
  WK_CLASS_REDUCTION,
  WK_CLASS_VIEW,   /* the output shares its input's memory */
  WK_CLASS_MATRIX, /* products, convolutions and their gradients */
  WK_CLASS_WINDOW, /* pooling */
  WK_CLASS_MOVE,   /* copies elements about */
  WK_CLASS_CREATION,
  WK_CLASS_RANDOM, /* draws as many random numbers as its output has elements */
  WK_CLASS_UPDATE, /* writes some of its inputs in place; has no output */
  WK_CLASS_ROW     /* along the last axis: softmax and its like */
} wk_op_class;

/* What autocast does with an op's floats: autocast.h. */
typedef enum __attribute__((packed)) wk_autocast {
  WK_AUTOCAST_JOIN, /* nothing, but where two differ the wider one counts */
  WK_AUTOCAST_LOW,  /* the low type: products and their like */
  WK_AUTOCAST_FULL  /* f32: what would lose too much */
} wk_autocast;

typedef struct wk_op_input {
  const char *name;
  uint32_t dtypes; /* which it may have */
  uint16_t offset; /* in the arguments struct */
  bool optional : 1;
  bool list : 1;       /* a wk_tensors; only ever the last input */
  bool same_dtype : 1; /* must have the dtype of the other inputs so marked */
  bool written : 1;    /* updated in place */
} wk_op_input;

typedef struct wk_call wk_call;
typedef struct wk_vjp wk_vjp;

/* How many operations an op takes that is no element-by-element one: a factor times the counts of
 * elements of two of its tensors, times or divided by a size of a third. A multiplication and an
 * addition are two. Tensors are inputs from 1 on, outputs from -1 down; 0: none. */
typedef struct wk_work {
  uint8_t factor; /* 0: not stated */
  int8_t counts[2];
  int8_t sized, axis;
  bool divides;
} wk_work;

/* How the first axis of an op's results follows from its inputs, so that a call may be made in
 * parts, with some of the rows each. All zero: not stated. */
typedef struct wk_rows {
  uint8_t inputs;   /* bit i: of input i, each row of the results needs the same row alone; of those
                     * without a bit it may need all. A pointwise op's may broadcast */
  uint8_t matrices; /* bit i: input i is a matrix or, with more axes than two, a batch of them,
                     * whose first axis is the results' with or without a bit above */
  int8_t sums[2];   /* one more than the axis of input i, over which results are sums; 0: they are
                     * not */
} wk_rows;

typedef struct wk_op {
  const char *name;
  int id;
  uint16_t input_count, output_count;
  const wk_op_input *inputs;
  wk_op_class class;
  bool hidden;          /* no public function: a part of another op's gradient, or an optimizer's */
  uint8_t output_dtype; /* of a pointwise op; 0: that of the first input marked same_dtype */
  bool promotes;        /* inputs marked same_dtype may differ: promote.h */
  wk_autocast autocast;
  wk_work work;
  wk_rows rows;
  uint16_t random_key; /* class random: where in the arguments its wk_random_key stands */
  uint32_t gradient_reads_inputs; /* bit i: the gradient needs input i */
  uint32_t gradient_reads_outputs;
  wk_settings settings;
  wk_status (*infer)(wk_call *call);     /* NULL for a composite that no backend claims */
  wk_status (*composite)(wk_call *call); /* NULL for a primitive. One with an infer runs as a kernel
                                          * where there is one, unless it has no gradient rule and
                                          * is to be recorded: then it is taken apart */
  bool (*is_native)(const wk_call *call); /* of such a composite: whether this call may run as a
                                           * kernel; NULL: every one. Inputs are checked for dtype
                                           * only */
  wk_status (*vjp)(wk_vjp *vjp);          /* NULL: no gradient */
  const char *doc;                        /* of an op that a user registered, or NULL */
} wk_op;

/* How random ops name their numbers. The fields stand in this order in their arguments. */
typedef struct wk_random_key {
  wk_generator *generator; /* NULL: the thread's own */
  bool keyed;              /* take (seed, offset) from here and no generator */
  uint64_t seed, offset;
} wk_random_key;

/* Gives the key its numbers, `count` of them, unless it is keyed: those of its generator, or what a
 * journal replays (journal.h; WK_ERROR_STATE if the journal has others next). */
wk_status wk_random_key_draw(wk_random_key *key, int64_t count);

/* Some work on the host that a traced function repeats at every call (trace.h): filling in an op's
 * arguments from an object's fields and saying whether it is to run at all, or changing those
 * fields. */
typedef struct wk_late {
  bool (*run)(void *object, int64_t detail, void *arguments);
  void *object;
  int64_t detail;
} wk_late;

/* One call on its way through dispatch. */
struct wk_call {
  const wk_op *op;
  wk_thread *thread; /* that calls */
  wk_place here;
  wk_tensor **inputs; /* NULL where an optional one is absent */
  int input_count;
  void *arguments;                    /* resolved */
  wk_layout layouts[WK_MAX_OUTPUTS];  /* of the outputs, set by infer; views: with strides, */
  int64_t view_offset;                /* and where the view begins in its input's root */
  bool view_of_copy;                  /* the strides do not allow a view: copy the input first */
  wk_tensor *outputs[WK_MAX_OUTPUTS]; /* owned references, once it has run */
  wk_late late;                       /* fills in the arguments, if its run is not NULL */
};

/* What a gradient rule gets and gives. All tensors are borrowed; results belong to the scope that
 * is open around the rule. */
struct wk_vjp {
  const wk_op *op;
  const void *arguments;
  int input_count;
  wk_tensor *const *inputs;           /* those the record says it reads, else NULL */
  const wk_layout *input_layouts;     /* of all (rank -1 where absent); strides are void */
  wk_tensor *const *outputs;          /* likewise */
  wk_tensor *const *output_gradients; /* NULL: zero */
  const bool *needed;                 /* which inputs' gradients are wanted */
  wk_tensor **input_gradients;        /* to set, where needed; NULL: zero */
  wk_tensor *rows; /* to set if input_gradients[0] is that of these rows of input 0 alone: i64 [n],
                    * ascending, each once. Only while nothing is recorded. */
};

extern const wk_op wk_op_table[];
extern const int wk_op_table_count;

/* The record called `name`, or NULL; also one that a user registered, whose number is not below
 * WK_OP_COUNT. */
const wk_op *wk_op_find(const char *name);

/* Output shape of operands that broadcast together; raises WK_ERROR_SHAPE. */
wk_status wk_broadcast_layouts(wk_tensor *const *inputs, int count, wk_layout *result);

/* For infer functions: sets output 0, or `output`, to a row-major tensor of `dtype` and these
 * sizes.
 */
wk_status wk_infer_output(wk_call *call, wk_dtype dtype, int rank, const int64_t *dims);
wk_status wk_infer_output_at(wk_call *call, int output, wk_dtype dtype, int rank,
                             const int64_t *dims);

/* Whether the gradient rule needs the value of input `index`. */
static inline bool wk_op_reads_input(const wk_op *op, int index) {
  return op->gradient_reads_inputs >> (index < op->input_count ? index : op->input_count - 1) & 1;
}

/* The record of the call's input `index`: a list's stands for all its tensors. */
static inline const wk_op_input *wk_op_input_at(const wk_op *op, int index) {
  return &op->inputs[index < op->input_count ? index : op->input_count - 1];
}

/* The shared infer of pointwise ops, and of optimizer updates. */
wk_status wk_infer_pointwise(wk_call *call);
wk_status wk_infer_update(wk_call *call);

#endif
