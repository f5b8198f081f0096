/* SPDX-License-Identifier: Apache-2.0 */

/* Softmax and its family for one instruction set. */

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/maths.h"
#include "backend/cpu/isa/parts.h"

#define KIND f32
#define TYPE float
#include "backend/cpu/isa/softmax_kind.h"
#undef KIND
#undef TYPE

#ifdef WK_OWN_F64_ROWS
#define KIND f64
#define TYPE double
#include "backend/cpu/isa/softmax_kind.h"
#endif
