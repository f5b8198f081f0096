/* SPDX-License-Identifier: Apache-2.0 */

/* Normalisation for one instruction set. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/parts.h"

/* Groups of 16 columns that are worked on side by side. */
#define GROUPS 4

#define KIND f32
#define TYPE float
#define ROOT sqrtf
#include "backend/cpu/isa/normalise_kind.h"
#undef KIND
#undef TYPE
#undef ROOT

#ifdef WK_OWN_F64_ROWS
#define KIND f64
#define TYPE double
#define ROOT sqrt
#include "backend/cpu/isa/normalise_kind.h"
#endif
