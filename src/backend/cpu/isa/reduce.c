/* SPDX-License-Identifier: Apache-2.0 */

/* Reductions for one instruction set. */

#include <math.h>
#include <string.h>

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/parts.h"

#define KIND f32
#define TYPE float
#define ADD_TYPE float
#define INDEX_TYPE int32_t
#define MULTIPLY_GROUPS 2
#define LOWEST (-INFINITY)
#define HIGHEST INFINITY
#define IS_NAN(x) ((x) != (x))
#define OWN_LARGER wk_f32_larger
#include "backend/cpu/isa/reduce_kind.h"
#undef OWN_LARGER
#undef KIND
#undef TYPE
#undef ADD_TYPE
#undef INDEX_TYPE
#undef LOWEST
#undef HIGHEST
#undef IS_NAN
#undef MULTIPLY_GROUPS

#define KIND f64
#define TYPE double
#define ADD_TYPE double
#define INDEX_TYPE int64_t
#define MULTIPLY_GROUPS 1
#define LOWEST ((double)-INFINITY)
#define HIGHEST ((double)INFINITY)
#define IS_NAN(x) ((x) != (x))
#define OWN_LARGER wk_f64_larger
#include "backend/cpu/isa/reduce_kind.h"
#undef OWN_LARGER
#undef KIND
#undef TYPE
#undef ADD_TYPE
#undef INDEX_TYPE
#undef LOWEST
#undef HIGHEST
#undef IS_NAN
#undef MULTIPLY_GROUPS

#define KIND i64
#define TYPE int64_t
#define ADD_TYPE uint64_t
#define INDEX_TYPE int64_t
#define MULTIPLY_GROUPS 1
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define IS_NAN(x) ((x) != (x))
#include "backend/cpu/isa/reduce_kind.h"
#undef KIND
#undef TYPE
#undef ADD_TYPE
#undef INDEX_TYPE
#undef LOWEST
#undef HIGHEST
#undef IS_NAN
#undef MULTIPLY_GROUPS

#define KIND i32
#define TYPE int32_t
#define ADD_TYPE uint32_t
#define INDEX_TYPE int32_t
#define MULTIPLY_GROUPS 1
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#define IS_NAN(x) ((x) != (x))
#include "backend/cpu/isa/reduce_kind.h"
