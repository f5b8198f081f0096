/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs broken on purpose, each from a good one by changing one place of its text, or of its
 * structs where a text cannot say it: each has to be refused with a message that names the node.
 * The last line is how many are. */
#include <stdio.h>
#include <string.h>

#include <wick/wick.h>

#include "base/error.h"
#include "graph/graph.h"
#include "ops/records.gen.h"
#include "support/good_graph.h"

/* What stands in the good text (its first place), what instead, and how the message begins. */
static const struct {
  const char *name, *part, *instead, *node;
} changes[] = {
    {"too old a version", "greater(%7 f32 [6, 4], $1.1+64", "greater(%7 f32 [6, 4], $1+64",
     "node 5"},
    {"a version to come", "matmul($1 f32", "matmul($1.1 f32", "node 1"},
    {"a version of an input", "relu(@0 f32", "relu(@0.1 f32", "node 0"},
    {"a stale result", "return $1.1", "return $1", "node 14"},
    {"a write to an old version", "copy_update($1+64", "copy_update($1.1+64", "node 4"},
    {"a write left out", "copy_update($1+64 f32 [4, 4], %7 f32 [4, 4])\n", "", "node 4"},
    {"a write twice", "copy_update($1+64 f32 [4, 4], %7 f32 [4, 4])\n",
     "copy_update($1+64 f32 [4, 4], %7 f32 [4, 4])\n"
     "copy_update($1+64 f32 [4, 4], %7 f32 [4, 4])\n",
     "node 5"},
    {"a missing operand", "matmul($1 f32 [4, 4], ", "matmul(none, ", "node 1"},
    {"too few operands", "matmul($1 f32 [4, 4], ", "matmul(", "node 1"},
    {"too many operands", "relu(@0 f32 [6, 4])", "relu(@0 f32 [6, 4], @0 f32 [6, 4])", "node 0"},
    {"no list to join", "concatenate(%3 f32 [6, 4], @0 f32 [6, 4])", "concatenate()", "node 2"},
    {"an absent tensor in a list", "concatenate(%3 f32 [6, 4], ", "concatenate(none, ", "node 2"},
    {"a start outside", "relu(@0 f32", "relu(@0+4 f32", "node 0"},
    {"a start far outside", "relu(@0 f32", "relu(@0+9223372036854775800 f32", "node 0"},
    {"a stride outside", "by [1, 4])\n%6", "by [1, 5])\n%6", "node 1"},
    {"a stride before the start", "by [1, 4])\n%6", "by [-1, 4])\n%6", "node 1"},
    {"a stride past all bounds", "by [1, 4])\n%6", "by [1, 9223372036854775807])\n%6", "node 1"},
    {"a size outside", "relu(@0 f32 [6, 4])", "relu(@0 f32 [7, 4])", "node 0"},
    {"too small a buffer", "%3: local, 96", "%3: local, 92", "node 0"},
    {"too small a buffer of a list", "%6: local, 192", "%6: local, 96", "node 2"},
    {"a result outside", "%10: local, 64", "%10: local, 60", "node 6"},
    {"a dtype that the op refuses", "relu(@0 f32 [6, 4])", "relu(@0 bool [6, 4])", "node 0"},
    {"dtypes that differ", "greater(%7 f32", "greater(%7 i32", "node 5"},
    {"a dtype of a list", "(%3 f32 [6, 4], @0 f32", "(%3 f32 [6, 4], @0 i32", "node 2"},
    {"a condition that is none", "where(%9 bool", "where(%9 u8", "node 7"},
    {"another dtype of a result", "%9 bool [6, 4] =", "%9 u8 [6, 4] =", "node 5"},
    {"a result not as the setting says", "{dtype: \"f64\"}", "{dtype: \"i64\"}", "node 10"},
    {"another shape of a result", "%3 f32 [6, 4] =", "%3 f32 [4, 6] =", "node 0"},
    {"another rank of a result", "%3 f32 [6, 4] =", "%3 f32 [24] =", "node 0"},
    {"a smaller result", "%6 f32 [12, 4] =", "%6 f32 [11, 4] =", "node 2"},
    {"a result that is not row-major", "%3 f32 [6, 4] =", "%3 f32 [6, 4] by [1, 6] =", "node 0"},
    {"sizes that do not multiply", "%3 f32 [4, 6] by [1, 4]", "%3 f32 [6, 4]", "node 1"},
    {"sizes that do not broadcast", "$1.1+64 f32 [4])", "$1.1+64 f32 [5])", "node 5"},
    {"sizes that do not join", "@0 f32 [6, 4]) {axis: 0}", "@0 f32 [4, 6]) {axis: 0}", "node 2"},
    {"a write of other sizes", "%7 f32 [4, 4])\n%9", "%7 f32 [3, 4])\n%9", "node 4"},
    {"an axis that is not there", "{axis: 0}", "{axis: 2}", "node 2"},
    {"an axis counted from the end", "{axis: 0}", "{axis: -2}", "node 2"},
    {"another axis that is not there", "{axes: [],", "{axes: [-3],", "node 9"},
    {"an axis twice", "{axes: [],", "{axes: [0, 0],", "node 9"},
    {"a rate out of range", "{rate: 0.5", "{rate: 1.5", "node 3"},
    {"a negative rate", "{rate: 0.5", "{rate: -0.5", "node 3"},
    {"axes that do not fit the result", "{axes: [],", "{axes: [0],", "node 9"},
    {"a draw that is not there", "draw: 0}", "draw: 1}", "node 3"},
    {"a draw of too few numbers", "draw 0: 24", "draw 0: 23", "node 3"},
    {"a use before the making", "relu(@0 f32 [6, 4])", "relu(%7 f32 [6, 4])", "node 0"},
    {"a use of itself", "relu(@0 f32 [6, 4])", "relu(%3 f32 [6, 4])", "node 0"},
    {"a circle", "matmul($1 f32 [4, 4]", "matmul(%10 f32 [4, 4]", "node 1"},
    {"a buffer made twice", "%11 f32 [6, 4] = where", "%7 f32 [6, 4] = where", "node 7"},
    {"an input made", "%11 f32 [6, 4] = where", "@0 f32 [6, 4] = where", "node 7"},
    {"a cell made", "%10 f32 [4, 4] =", "$1 f32 [4, 4] =", "node 6"},
    {"a result that nothing makes",
     "%5 f32 [] = sum(%6 f32 [12, 4]) {axes: [], keep_dims: false}\n", "", "node 9"},
    {"no result", "return %5 f32 []", "return none", "node 14"},
    {"a result made at version 1", "%3 f32 [6, 4] =", "%3.1 f32 [6, 4] =", "node 0"},
    {"host steps in another order", "{order: 2}", "{order: 1}", "node 12"},
    {"a host step without order", "{order: 1}", "", "node 11"},
    {"an order where nothing is ordered", "{axis: 0}", "{axis: 0, order: 1}", "node 2"},
    {"a host step that reads f32", "host(%8 f64 [])", "host(%5 f32 [])", "node 11"},
    {"a host step that reads many", "host(%8 f64 [])", "host(@0 f64 [2])", "node 11"},
    {"a joined node without a product", "relu(@0 f32 [6, 4])", "relu(@0 f32 [6, 4]) {joined}",
     "node 0"},
    {"a joined node that is not element by element", "{axis: 0}", "{axis: 0, joined}", "node 2"},
    {"a joined node of another size", "%6 f32 [12, 4] = concatenate(%3 f32 [6, 4], @0 f32 [6, 4])",
     "%11 f32 [6, 4] = tanh(%3 f32 [6, 4]) {joined}\n"
     "%6 f32 [12, 4] = concatenate(%3 f32 [6, 4], @0 f32 [6, 4])",
     "node 2"},
    {"a joined node that reads nothing of the product",
     "%6 f32 [12, 4] = concatenate(%3 f32 [6, 4], @0 f32 [6, 4])",
     "%10 f32 [4, 4] = tanh($1 f32 [4, 4]) {joined}\n"
     "%6 f32 [12, 4] = concatenate(%3 f32 [6, 4], @0 f32 [6, 4])",
     "node 2"},
    {"a loop without a region",
     "region 0 reaches 0 {\n"
     "  @0: input 0, 8 bytes on cpu\n"
     "  %1: local, 1 bytes on cpu\n"
     "  %1 bool [] = logical_not(@0 f64 [])\n"
     "  return %1 bool []\n"
     "}\n",
     "", "node 13"},
    {"a loop whose state is not written", "while(*%8", "while(%8", "node 13"},
    {"a loop that carries what it does not have", "{states: 1,", "{states: 2,", "node 13"},
    {"a loop that reaches less", "$1.1 u8 [128]) {", "$1.1 u8 [120]) {", "node 13"},
    {"a loop that reaches nothing", "region 1 reaches 1", "region 1 reaches 0", "node 13"},
    {"a loop that keeps, but nowhere", "{states: 1,", "{states: 1, keeps,", "node 13"},
    {"another shape of a state", "while(*%8 f64 []", "while(*%5 f32 []", "node 13"},
    {"a choice of many", "  return %1 bool []\n", "  return @0 u8 [8]\n", "node 13"},
    {"a broken node in a loop", "maximum(@0 f64 [], @1+8", "maximum(@0 f64 [], @1+128", "node 0"},
    {"a wrong version in a loop", "maximum(@0 f64 []", "maximum(@0.1 f64 []", "node 0"},
    {"a view as a node", "contiguous($1.1 f32 [4, 4] by [1, 4])",
     "permute($1.1 f32 [4, 4]) {axes: [1, 0]}", "node 6"},
};

/* ---- what a text cannot say ---- */

static void no_such_buffer(wk_graph *g) { g->nodes[1].inputs[0].buffer = 1000; }
static void a_dtype_that_is_none(wk_graph *g) { g->nodes[2].inputs[0].layout.dtype = 99; }
static void a_rank_that_is_none(wk_graph *g) { g->nodes[2].inputs[1].layout.rank = 9; }
static void a_negative_size(wk_graph *g) { g->nodes[7].inputs[1].layout.dims[0] = -6; }
static void no_step(wk_graph *g) { g->nodes[12].late.run = NULL; }
static void a_choice_that_is_none(wk_graph *g) {
  ((wk_cast_arguments *)g->nodes[10].arguments)->dtype = 77;
}
static void too_many_axes(wk_graph *g) {
  ((wk_sum_arguments *)g->nodes[9].arguments)->axes.count = 100;
}

static const struct {
  const char *name;
  void (*spoil)(wk_graph *g);
  const char *node;
} spoils[] = {
    {"a buffer that is not there", no_such_buffer, "node 1"},
    {"a dtype that is none", a_dtype_that_is_none, "node 2"},
    {"a rank that is none", a_rank_that_is_none, "node 2"},
    {"a negative size", a_negative_size, "node 7"},
    {"a host step that does nothing", no_step, "node 12"},
    {"a dtype of a setting that is none", a_choice_that_is_none, "node 10"},
    {"too many axes", too_many_axes, "node 9"},
};

/* ---- judging ---- */

static bool apply(const char *part, const char *instead, char *text, size_t size) {
  const char *place = strstr(good_graph, part);
  if (!place) return false;
  snprintf(text, size, "%.*s%s%s", (int)(place - good_graph), good_graph, instead,
           place + strlen(part));
  return true;
}

/* Whether the pending error is the verifier's about that node, which it shows; ends it. */
static bool is_refused(const char *name, const char *node) {
  char text[8192], begin[64];
  const wk_status status = wk_error_status();
  wk_error_text(text, sizeof text);
  wk_error_clear();
  snprintf(begin, sizeof begin, "%s of the graph (", node);
  const bool shown = strstr(text, "> ") || !strcmp(node, "node 14");
  const bool fine = status == WK_ERROR_STATE && strstr(text, begin) && shown;
  const char *said = strstr(text, "node ");
  printf("%s %s: %.*s\n", fine ? "ok" : "FAIL", name, said ? (int)strcspn(said, "\n") : 0,
         said ? said : "");
  return fine;
}

static bool refuse(const char *name, const char *text, void (*spoil)(wk_graph *),
                   const char *node) {
  wk_graph g;
  if (wk_graph_from_text(&g, text, NULL) == WK_OK) {
    if (spoil) spoil(&g);
    wk_graph_verify(&g);
  }
  const bool refused = is_refused(name, node);
  wk_graph_free(&g);
  return refused;
}

int main(void) {
  const int count = (int)(sizeof changes / sizeof *changes + sizeof spoils / sizeof *spoils);
  int refused = 0;
  wk_graph g;
  wk_graph_from_text(&g, good_graph, NULL);
  wk_graph_verify(&g);
  if (wk_error_report(stderr)) return 1; /* the good one has to pass */
  wk_graph_free(&g);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    char text[4096];
    const bool there = apply(changes[i].part, changes[i].instead, text, sizeof text);
    refused += there && refuse(changes[i].name, text, NULL, changes[i].node);
    if (!there) printf("FAIL %s: the good graph has no %s\n", changes[i].name, changes[i].part);
  }
  for (size_t i = 0; i < sizeof spoils / sizeof *spoils; i++)
    refused += refuse(spoils[i].name, good_graph, spoils[i].spoil, spoils[i].node);
  printf("%d of %d broken graphs are refused by name\n", refused, count);
  return refused == count ? 0 : 1;
}
