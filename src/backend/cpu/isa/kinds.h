/* SPDX-License-Identifier: Apache-2.0 */

/* Names for code that is compiled for several element types: a file sets KIND (f32, f64, i64 or i32)
 * and TYPE, includes this, then its template, once per type. In a template, LANES_(load) is
 * wk_f32x16_load and so on, `lanes` is the vector, and OF_KIND(name) makes a name the type's own. */

#undef WK_KIND_PASTE2_
#undef WK_KIND_PASTE_
#undef LANES_
#undef lanes
#undef OF_KIND
#define WK_KIND_PASTE2_(a, b, c) a##b##c
#define WK_KIND_PASTE_(a, b, c) WK_KIND_PASTE2_(a, b, c)
#define LANES_(name) WK_KIND_PASTE_(wk_, KIND, WK_KIND_PASTE_(x16_, name, ))
#define lanes WK_KIND_PASTE_(wk_, KIND, x16)
#define OF_KIND(name) WK_KIND_PASTE_(name, _, KIND)
