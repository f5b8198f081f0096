/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_VERBOSE_H
#define WICK_OPS_VERBOSE_H

/* What WICK_VERBOSE=dispatch shows: a line on standard error for the first call of each kind. It
 * and what WICK_DEBUG=graph-dump shows are all that the library ever prints, and only for who asks.
 */

#include <stdbool.h>

#include "ops/kernel.h"

bool wk_verbose_dispatch(void);

/* That `chosen` runs the call, and why each of the `count` kernels before it does not. */
void wk_verbose_tell(const wk_kernel_call *call, const wk_kernel *const *before, int count,
                     const wk_kernel *chosen);

#endif
