/* SPDX-License-Identifier: Apache-2.0 */

/* Steps of recurrent layers for one instruction set. */

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/maths.h"
#include "backend/cpu/isa/parts.h"

#define LANES_WIDTH xn
#define KIND f32
#define TYPE float
#include "backend/cpu/isa/recurrent_kind.h"
#undef KIND
#undef TYPE

#ifndef WICK_ISA_F32_ONLY
#define KIND f64
#define TYPE double
#include "backend/cpu/isa/recurrent_kind.h"
#endif
