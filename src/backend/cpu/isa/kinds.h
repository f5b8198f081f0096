/* SPDX-License-Identifier: Apache-2.0 */

/* Names for code that is compiled for several element types. A file sets KIND (f32, f64, i64 or
 * i32) and TYPE, includes this, then its template, once per type. In the template `lanes` is the
 * vector of 16, lanes_load is wk_f32x16_load and so on, and `#define name OF_KIND(name)` makes a
 * name of the template's own stand for the type's. */

#undef WK_KIND_PASTE2_
#undef WK_KIND_PASTE_
#undef OF_LANES
#undef OF_KIND
#define WK_KIND_PASTE2_(a, b, c) a##b##c
#define WK_KIND_PASTE_(a, b, c) WK_KIND_PASTE2_(a, b, c)
#define OF_LANES(name) WK_KIND_PASTE_(wk_, KIND, name)
#define OF_KIND(name) WK_KIND_PASTE_(name, _, KIND)

#define lanes OF_LANES(x16)
#define lanes_load OF_LANES(x16_load)
#define lanes_store OF_LANES(x16_store)
#define lanes_load_some OF_LANES(x16_load_some)
#define lanes_store_some OF_LANES(x16_store_some)
#define lanes_all OF_LANES(x16_all)
#define lanes_select OF_LANES(x16_select)
#define lanes_exp OF_LANES(x16_exp)
#define lanes_log OF_LANES(x16_log)
#define lanes_tanh OF_LANES(x16_tanh)
#define lanes_sigmoid OF_LANES(x16_sigmoid)
