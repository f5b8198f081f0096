/* SPDX-License-Identifier: Apache-2.0 */

/* Names for code that is compiled for several element types. A file sets KIND (f32, f64, i64 or
 * i32) and TYPE, includes this, then its template, once per type. In the template `lanes` is the
 * vector of 16, lanes_load is wk_f32x16_load and so on, and `#define name OF_KIND(name)` makes a
 * name of the template's own stand for the type's. A file that works on each element by itself
 * sets LANES_WIDTH to xn: then `lanes` is one register, and its code as much shorter. */

#ifndef LANES_WIDTH
#define LANES_WIDTH x16
#endif

#undef WK_KIND_PASTE2_
#undef WK_KIND_PASTE_
#undef OF_LANES
#undef OF_WIDTH
#undef OF_KIND
#define WK_KIND_PASTE2_(a, b, c, d) a##b##c##d
#define WK_KIND_PASTE_(a, b, c, d) WK_KIND_PASTE2_(a, b, c, d)
#define OF_LANES(name) WK_KIND_PASTE_(wk_, KIND, name, )
#define OF_WIDTH(name) WK_KIND_PASTE_(wk_, KIND, LANES_WIDTH, name)
#define OF_KIND(name) WK_KIND_PASTE_(name, _, KIND, )

#define lanes OF_WIDTH()
#define lanes_load OF_WIDTH(_load)
#define lanes_store OF_WIDTH(_store)
#define lanes_load_some OF_WIDTH(_load_some)
#define lanes_store_some OF_WIDTH(_store_some)
#define lanes_all OF_WIDTH(_all)
#define lanes_select OF_WIDTH(_select)
#define lanes_larger OF_WIDTH(_larger)
#define lanes_exp OF_WIDTH(_exp)
#define lanes_log OF_WIDTH(_log)
#define lanes_tanh OF_WIDTH(_tanh)
#define lanes_sigmoid OF_WIDTH(_sigmoid)
