/* SPDX-License-Identifier: Apache-2.0 */

/* Depthwise convolution for one instruction set. */

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/parts.h"

#define KIND f32
#define TYPE float
#include "backend/cpu/isa/depthwise_kind.h"
#undef KIND
#undef TYPE

#define KIND f64
#define TYPE double
#include "backend/cpu/isa/depthwise_kind.h"
