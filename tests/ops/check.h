/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_OPS_CHECK_H
#define WICK_TESTS_OPS_CHECK_H

#include "cases.h"

/* Whether what the op leaves is as expected, within `ulp`, and its other inputs are as they were.
 */
bool compare_results(const char *how, const op_case *c, const case_result *actual,
                     const case_result *expected, double ulp);

/* All runs of one case against the reference; of one sample, with the number that failed. */
bool check_case(const op_case *c);
int check_sample(const wk_sample *sample);

/* The same op on what is made of the sample: nothing along an axis, no axes, one element repeated,
 * and for pointwise ops NaN, infinities and denormals. Returns how many of them failed. */
int check_degenerate(const wk_sample *sample);

#endif
