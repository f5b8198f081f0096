/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_CREATION_H
#define WICK_OPS_CREATION_H

/* Elements of tensors that are made from settings alone, as every backend works them out: in
 * double, then converted as by cast. */

#include "ops/op.h"

/* Element `index` of the result of full, arange or linspace. */
double wk_creation_value(const wk_op *op, const void *arguments, int64_t index);

#endif
