/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_OPS_CASES_H
#define WICK_TESTS_OPS_CASES_H

/* A sample made concrete for one dtype, and its run on a device. */

#include <stdalign.h>

#include "ops/op.h"
#include "samples.h"

typedef struct op_case {
  const wk_op *op;
  const wk_sample *sample;
  wk_dtype dtype;
  int input_count;
  sample_tensor inputs[WK_SAMPLE_TENSORS];
} op_case;

/* The dtypes that a sample runs in: f32 and f64, or only one if its texts leave no choice. */
int case_dtypes(const wk_sample *sample, wk_dtype dtypes[2]);

/* False, with the reason printed, if the sample makes no sense. Freed by case_free in any case. */
bool case_make(op_case *c, const wk_sample *sample, wk_dtype dtype);
void case_free(op_case *c);

/* The same with every input that shares the op's dtype made of `dtype`, whatever its text names;
 * false, silently, if one of them may not have it. */
bool case_make_as(op_case *c, const wk_sample *sample, wk_dtype dtype);

/* The name of the case in messages; valid until the next call. */
const char *case_label(const op_case *c);

/* Arguments of the op, ready for wk_op_run, with the inputs as tensors of the innermost scope. */
typedef struct case_arguments {
  alignas(16) char bytes[WK_MAX_ARGUMENTS_SIZE];
  wk_tensor *inputs[WK_SAMPLE_TENSORS];
} case_arguments;

/* How the inputs lie in memory. */
typedef enum case_memory {
  CASE_CONTIGUOUS,
  CASE_STRIDED,  /* axes in the opposite order, with gaps, not from the root's start */
  CASE_BACKWARD, /* from the end backwards, with huge gaps between the first axis' elements */
  CASE_REPEATED  /* the last axis lies on one element: all its values must be equal */
} case_memory;

/* False with an error pending. `arguments` holds addresses into itself: it must stay where it is.
 */
bool case_prepare(const op_case *c, wk_device *device, case_memory memory,
                  case_arguments *arguments);

/* The same with given tensors for the inputs. */
bool case_bind(const op_case *c, wk_device *device, wk_tensor *const *inputs,
               case_arguments *arguments);

/* What a run leaves: the outputs, then the inputs as they are afterwards. */
typedef struct case_result {
  int output_count, count;
  sample_tensor values[WK_MAX_OUTPUTS + WK_SAMPLE_TENSORS];
} case_result;

/* Runs the op once: the error's status, which is cleared, if that fails. Freed by
 * case_result_free in any case. */
wk_status case_try(const op_case *c, wk_device *device, case_memory memory, case_result *result);

/* Runs the op once; false, with the error printed and cleared, if that fails. Freed by
 * case_result_free in any case. */
bool case_run(const op_case *c, wk_device *device, case_memory memory, case_result *result);
void case_result_free(case_result *result);

/* Whether input i may be changed by the op. */
bool case_input_is_written(const op_case *c, int i);

/* Reads a tensor's values; NULL tensor: an absent one. */
bool read_tensor(sample_tensor *values, wk_tensor *tensor);

/* Prints the pending error with what was being done, and clears it. */
void print_pending_error(const char *what);

#endif
