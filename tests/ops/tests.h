/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_OPS_TESTS_H
#define WICK_TESTS_OPS_TESTS_H

/* The groups of this program; each returns how many of its tests failed. A test is about one op and
 * goes through all its samples, so that one run tells everything that is wrong. */

#include "ops/op.h"
#include "support/unit.h"

int run_check_tests(void);        /* cpu against reference, contiguous and strided */
int run_recorded_tests(void);     /* the reference against values from elsewhere */
int run_gradient_tests(void);     /* gradients against finite differences */
int run_second_order_tests(void); /* gradients of gradients against finite differences */
int run_support_tests(void);      /* docs/support.gen.md says what is */
int run_edge_tests(void);         /* gradients at ties and kinks */
int run_running_tests(void);      /* what batch_norm keeps from batch to batch */
int run_determinism_tests(void);  /* larger cases; equal bits for any number of threads */
int run_row_tests(void);          /* rows and sums are what records say */
int run_record_tests(void);       /* records, samples and kernels fit together */
int run_error_tests(void);        /* wrong calls are told what is wrong */
int run_user_tests(void);         /* an op registered at run time */
int run_control_tests(void);      /* the harness can fail */

/* Number of an op's samples that fail, with the reasons printed; -1 if it has none. */
int check_op(const wk_op *op);

/* The same for gradients: -1 if no sample has an element whose gradient could be compared. `error`
 * is a relative one added to each gradient: 0, except in controls. */
int check_gradient(const wk_op *op, double error);

/* Writes which dtypes every op takes on which device, and what runs it there, to `path`; 0 or 1. */
int write_support_page(const char *path);

/* Runs `test` once for each op that `chosen` takes (NULL: all), which it finds in *state. */
int run_op_tests(const char *mode, bool (*chosen)(const wk_op *op), void (*test)(void **state));

#endif
