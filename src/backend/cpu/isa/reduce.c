/* SPDX-License-Identifier: Apache-2.0 */

/* Reductions for one instruction set. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/parts.h"

#define KIND f32
#define TYPE float
#define ADD_TYPE float
#define ADD_LANES wk_f32x16
#define LOWEST (-INFINITY)
#define HIGHEST INFINITY
#define IS_NAN(x) ((x) != (x))
#include "backend/cpu/isa/reduce_kind.h"
#undef KIND
#undef TYPE
#undef ADD_TYPE
#undef ADD_LANES
#undef LOWEST
#undef HIGHEST
#undef IS_NAN

#ifndef WICK_ISA_F32_ONLY
#define KIND f64
#define TYPE double
#define ADD_TYPE double
#define ADD_LANES wk_f64x16
#define LOWEST ((double)-INFINITY)
#define HIGHEST ((double)INFINITY)
#define IS_NAN(x) ((x) != (x))
#include "backend/cpu/isa/reduce_kind.h"
#undef KIND
#undef TYPE
#undef ADD_TYPE
#undef ADD_LANES
#undef LOWEST
#undef HIGHEST
#undef IS_NAN

typedef uint64_t u64x16 __attribute__((vector_size(WK_LANES * sizeof(uint64_t))));
#define KIND i64
#define TYPE int64_t
#define ADD_TYPE uint64_t
#define ADD_LANES u64x16
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define IS_NAN(x) 0
#include "backend/cpu/isa/reduce_kind.h"
#undef KIND
#undef TYPE
#undef ADD_TYPE
#undef ADD_LANES
#undef LOWEST
#undef HIGHEST
#undef IS_NAN

typedef uint32_t u32x16 __attribute__((vector_size(WK_LANES * sizeof(uint32_t))));
#define KIND i32
#define TYPE int32_t
#define ADD_TYPE uint32_t
#define ADD_LANES u32x16
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#define IS_NAN(x) 0
#include "backend/cpu/isa/reduce_kind.h"
#endif
