/* SPDX-License-Identifier: Apache-2.0 */

/* Pooling for one instruction set. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/parts.h"

#define KIND f32
#define TYPE float
#define INDEX_LANES wk_i32x16
#include "backend/cpu/isa/kinds.h"
#include "backend/cpu/isa/pool_kind.h"
#undef KIND
#undef TYPE
#undef INDEX_LANES

#define KIND f64
#define TYPE double
#define INDEX_LANES wk_i64x16
#include "backend/cpu/isa/kinds.h"
#include "backend/cpu/isa/pool_kind.h"
