/* The register tile: sums of TILE_ROWS rows by TILE_COLS vectors stay in registers during the loop over k.
 *
 * `preactivation` is the forward product, bias + x Wx + h Wh, whose sums stay in registers from first to last.
 * `product` does all other products:
 *
 *      out[r, c] += sum over s, k of  A[s, r, k] * P[s, k, c]        r: rows, c: vectors, s: segments, k: steps
 *
 *      backward in time  rows = batch,    k = the deltas of a group, s = groups,     P = packed transposed weights
 *      weight gradient   rows = features, k = batch, s = time steps,                 P = deltas
 *
 * Design
 *  1. Every operand is a pointer and its strides. Nothing is transposed or copied.
 *  2. The sum over (s, k) of a row has one order, whatever the tiling: the same bits for any split of rows or columns.
 *     The sum is cut into blocks of (s, k). A block is so small that its part of P stays in the second-level cache
 *     while all rows use it; that cache is as fast as the tile. A block is not smaller, because each one loads and
 *     stores all sums.
 *  3. There are two ways to add the blocks of a long sum. ONWARD: a block continues the sum of the last block. This is
 *     one sum in one order, for results that must not depend on blocks. APART: each block has its own sum, which is
 *     then added, so a sum over thousands of steps is as accurate as the sum of one block. Weight gradients use this.
 *  4. Rows are divided evenly: 16 rows are tiles of 6 + 5 + 5, not 6 + 6 + 4.
 */
#pragma once
#include <stdlib.h>
#include "simd.h"

#if defined(__AVX512F__) || defined(__aarch64__)   /* 32 registers: 24 sums, 4 weights, 1 broadcast */
  #define WIDE_TILE 1
  enum { TILE_ROWS = 6, TILE_COLS = 4 };
#else                                              /* 16 registers: 12 sums, 2 weights, 1 broadcast */
  #define WIDE_TILE 0
  enum { TILE_ROWS = 6, TILE_COLS = 2 };
#endif
enum { BLOCK_BYTES = 65536 };
enum { PANEL = 4 };           /* vectors side by side in packed weights, tape and deltas */
#ifdef __clang__              /* without its own pragma clang keeps the sums on the stack */
  #define UNROLL _Pragma("clang loop unroll(full)")
#else
  #define UNROLL _Pragma("GCC unroll 16")
#endif
#define LOOP(i, n) UNROLL for (int i = 0; i < n; i++)

typedef struct { const real *p; ptrdiff_t segment, row, step; } Left;   /* strides in numbers */
typedef struct { const vec *p; ptrdiff_t segment, step; } Right;        /* strides in vectors */
typedef struct { const int32_t *p; ptrdiff_t row; } Symbols;            /* numbers of one-hot rows; p NULL: none */

INLINE int least(int a, int b) { return a < b ? a : b; }
INLINE int shared_evenly(int steps, int most) {    /* steps per block: 200 are 67 + 67 + 66, not 96 + 96 + 8 */
  int blocks = (steps + most - 1) / most;
  return (steps + blocks - 1) / blocks;
}
INLINE int tiles_of(int rows) { return (rows + TILE_ROWS - 1) / TILE_ROWS; }
INLINE int rows_of_tile(int rows_left, int tiles_left) { return (rows_left + tiles_left - 1) / tiles_left; }

/* ---- forward ---------------------------------------------------------------------------------------------------- */

/* The first `xn` columns of the tile get the input product, the columns from `h0` on the recurrent product. Both are
 * all columns, except in the GRU, whose ax_n and ah_n are separate. A symbol adds its row of weights, as the product
 * with its one-hot row would. A single row computes G = 2 groups at once: with 4 sums only, where each addition waits
 * for the one before, the arithmetic units would be idle. */
INLINE void forward_tile(const int R, const int G, const int C, const int xn, const int h0, vec *out, ptrdiff_t out_group,
                         const vec *bias, Symbols symbols, Left x, Right wx, int I, Left h, Right wh, int K) {
  vec sum[TILE_ROWS][2][TILE_COLS];
  LOOP(r, R) LOOP(g, G) LOOP(c, C) sum[r][g][c] = bias[g * PANEL + c];
  if (symbols.p)
    LOOP(r, R) {
      const vec *w = wx.p + symbols.p[r * symbols.row] * wx.step;
      LOOP(g, G) LOOP(c, xn) sum[r][g][c] += w[g * wx.segment + c];
    }
  for (int k = 0; k < I; k++, x.p += x.step, wx.p += wx.step) {
    vec w[2][TILE_COLS];
    LOOP(g, G) LOOP(c, xn) w[g][c] = wx.p[g * wx.segment + c];
    LOOP(r, R) { vec v = vset(x.p[r * x.row]); LOOP(g, G) LOOP(c, xn) sum[r][g][c] += v * w[g][c]; }
  }
  for (int k = 0; k < K; k++, h.p += h.step, wh.p += wh.step) {
    vec w[2][TILE_COLS];
    LOOP(g, G) UNROLL for (int c = h0; c < C; c++) w[g][c] = wh.p[g * wh.segment + c];
    LOOP(r, R) {
      vec v = vset(h.p[r * h.row]);
      LOOP(g, G) UNROLL for (int c = h0; c < C; c++) sum[r][g][c] += v * w[g][c];
    }
  }
  LOOP(r, R) LOOP(g, G) LOOP(c, C) out[g * out_group + r * PANEL + c] = sum[r][g][c];
}

#define FORWARD(R, G, C, xn, h0) \
    forward_tile(R, G, C, xn, h0, out, out_group, bias, symbols, x, wx, I, h, wh, K); break;
#define FORWARD_ROWS(C, xn, h0) switch (groups == 2 ? 0 : R) { \
    case 0: FORWARD(1, 2, C, xn, h0) case 1: FORWARD(1, 1, C, xn, h0) case 2: FORWARD(2, 1, C, xn, h0) \
    case 3: FORWARD(3, 1, C, xn, h0) case 4: FORWARD(4, 1, C, xn, h0) case 5: FORWARD(5, 1, C, xn, h0) \
    default: FORWARD(6, 1, C, xn, h0) }

/* Compute `rows` rows of one group, or one row of two groups, which lie `out_group` apart in `a`, and a segment apart
 * in the weights. The input product has `cols` columns from column 0 on, the recurrent product as many from `h_column`
 * on. With symbols the caller passes I = 0. */
static void preactivation(int rows, int groups, int cols, int h_column, vec *a, ptrdiff_t out_group, const vec *bias0,
                          Symbols symbols0, Left x0, Right wx0, int I, Left h_, Right wh0, int K) {
  int tiles = tiles_of(rows), total = cols + h_column;
  for (int c = 0; c < total; c += TILE_COLS) {
    int C = least(total - c, TILE_COLS), xn = least(cols - c, C), h0 = h_column > c ? h_column - c : 0;
    for (int q = 0, first = 0; q < tiles; q++) {
      int R = rows_of_tile(rows - first, tiles - q);
      vec *out = a + first * PANEL + c;
      const vec *bias = bias0 + c;
      Symbols symbols = symbols0;
      Left x = x0, h = h_;
      Right wx = wx0, wh = wh0;
      if (symbols.p) symbols.p += first * symbols.row;
      else x.p += first * x.row;
      h.p += first * h.row; wx.p += c; wh.p += c - h_column;
      switch (C * 100 + xn * 10 + h0) {
        case 110: FORWARD_ROWS(1, 1, 0) break;
#if WIDE_TILE
        case 220: FORWARD_ROWS(2, 2, 0) break;
        case 330: FORWARD_ROWS(3, 3, 0) break;
        case 431: FORWARD_ROWS(4, 3, 1) break;
        default: FORWARD_ROWS(4, 4, 0)
#else
        case 221: FORWARD_ROWS(2, 2, 1) break;
        case 210: FORWARD_ROWS(2, 1, 0) break;
        default: FORWARD_ROWS(2, 2, 0)
#endif
      }
      first += R;
    }
  }
}

/* ---- all other products ----------------------------------------------------------------------------------------- */

/* A sum starts from the number in `out`, or it starts from 0 and is added to that number, or it replaces that number. */
enum { ONWARD = 0, APART = 1, ANEW = 2 };

INLINE void tile(const int R, const int C, vec *out, ptrdiff_t ld, Left A, Right P, int segments, int steps, int how) {
  vec sum[TILE_ROWS][TILE_COLS];
  if (how != ONWARD) { LOOP(r, R) LOOP(c, C) sum[r][c] = vset(0); }
  else { LOOP(r, R) LOOP(c, C) sum[r][c] = out[r * ld + c]; }
  for (int s = 0; s < segments; s++) {
    const real *a = A.p + s * A.segment;
    const vec *p = P.p + s * P.segment;
    for (int k = 0; k < steps; k++, a += A.step, p += P.step) {
      vec w[TILE_COLS];
      LOOP(c, C) w[c] = p[c];
      LOOP(r, R) { vec x = vset(a[r * A.row]); LOOP(c, C) sum[r][c] += x * w[c]; }
    }
  }
  if (how == APART) { LOOP(r, R) LOOP(c, C) out[r * ld + c] += sum[r][c]; }
  else { LOOP(r, R) LOOP(c, C) out[r * ld + c] = sum[r][c]; }
}

/* `count` tiles of R rows, one below the other */
INLINE void tiles(int count, const int R, const int C, vec *out, ptrdiff_t ld, Left A, Right P, int segments, int steps,
                  int how) {
  for (; count > 0; count--, A.p += R * A.row, out += R * ld) tile(R, C, out, ld, A, P, segments, steps, how);
}

#define TILES(R, C) tiles(count, R, C, out, ld, A, P, segments, steps, how); break;
#define ROWS(C) switch (R) { case 1: TILES(1, C) case 2: TILES(2, C) case 3: TILES(3, C) \
                             case 4: TILES(4, C) case 5: TILES(5, C) default: TILES(6, C) }
static void any_tiles(int count, int R, int C, vec *out, ptrdiff_t ld, Left A, Right P, int segments, int steps,
                      int how) {
  switch (C) {
    case 1: ROWS(1) break;
#if WIDE_TILE
    case 2: ROWS(2) break;
    case 3: ROWS(3) break;
    default: ROWS(4)
#else
    default: ROWS(2)
#endif
  }
}

/* all rows and columns over one block of segments and steps */
static void block(int rows, int cols, vec *out, ptrdiff_t ld, Left A, Right P, int segments, int steps, int how) {
  int count = tiles_of(rows), less = rows / count, more = rows % count;   /* the first `more` tiles have one row more */
  Left below = A;
  below.p += more * (less + 1) * A.row;
  for (int c = 0; c < cols; c += TILE_COLS, P.p += TILE_COLS, out += TILE_COLS) {
    int C = least(cols - c, TILE_COLS);
    if (more) any_tiles(more, less + 1, C, out, ld, A, P, segments, steps, how);
    any_tiles(count - more, less, C, out + more * (less + 1) * ld, ld, below, P, segments, steps, how);
  }
}

/* `how` is ONWARD or APART, and | ANEW to overwrite `out`. */
static void product(int rows, int cols, vec *out, ptrdiff_t ld, Left A, Right P, int segments, int steps, int how) {
  int fit = BLOCK_BYTES / (PANEL * VECTOR_BYTES), now = how & ANEW ? ANEW : how;  /* steps */
  if (rows == 0 || steps == 0) return;
  if (!(how & APART) && rows <= TILE_ROWS) fit = segments * steps;                /* a block would not be read twice */
  int s_block = steps >= fit ? 1 : fit / steps, k_block = shared_evenly(steps, fit);
  for (int s = 0; s < segments; s += s_block)
    for (int k = 0; k < steps; k += k_block) {
      Left a = A;
      Right p = P;
      a.p += s * A.segment + k * A.step; p.p += s * P.segment + k * P.step;
      block(rows, cols, out, ld, a, p, least(segments - s, s_block), least(steps - k, k_block), now);
      now = how & ~ANEW;
    }
}

/* One row by two panels of PANEL vectors: the same sums as `product`, but 8 at a time instead of 4. */
static void row_product(vec *out, Left A, Right P, ptrdiff_t panel, int segments, int steps) {
  vec sum[2][PANEL];
  LOOP(g, 2) LOOP(c, PANEL) sum[g][c] = out[g * PANEL + c];
  for (int s = 0; s < segments; s++) {
    const real *a = A.p + s * A.segment;
    const vec *p = P.p + s * P.segment;
    for (int k = 0; k < steps; k++, a += A.step, p += P.step) {
      vec x = vset(*a);
      LOOP(g, 2) LOOP(c, PANEL) sum[g][c] += x * p[g * panel + c];
    }
  }
  LOOP(g, 2) LOOP(c, PANEL) out[g * PANEL + c] = sum[g][c];
}

/* ---- weight gradient of symbols --------------------------------------------------------------------------------- */

/* A key is a symbol and the position of its deltas. In sorted keys the deltas of a symbol are together, in order of
 * time. */
INLINE uint64_t symbol_key(int32_t symbol, uint32_t position) { return (uint64_t)symbol << 32 | position; }

static int compare_keys(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}
static void sort_keys(uint64_t *keys, ptrdiff_t n) { qsort(keys, n, sizeof *keys, compare_keys); }

/* out[symbol] += the sum of the symbol's deltas in this chunk */
static void symbol_gradient(const uint64_t *keys, ptrdiff_t n, int cols, vec *out, const vec *deltas) {
  for (ptrdiff_t i = 0; i < n;) {
    uint64_t symbol = keys[i] >> 32;
    vec sum[PANEL];
    LOOP(c, PANEL) sum[c] = vset(0);
    for (; i < n && keys[i] >> 32 == symbol; i++) {
      const vec *d = deltas + (ptrdiff_t)(uint32_t)keys[i] * PANEL;
      for (int c = 0; c < cols; c++) sum[c] += d[c];
    }
    for (int c = 0; c < cols; c++) out[symbol * cols + c] += sum[c];
  }
}
