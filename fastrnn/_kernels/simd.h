/* One vector type for every instruction set and both precisions.
 *
 *  - The compiler's -m flags decide the instruction set, -DREAL_DOUBLE the precision. Variants differ in nothing else.
 *  - `vec` is a GCC/Clang vector: + - * / work on it, also with a constant (`1 - z`). Cython is told that it is a
 *    number, and so writes correct C for an equation.
 *  - `vec` is aligned. Buffers of vectors are padded and aligned, so a row is a `vec*` and `h[r]` is one load.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
  #define VECTOR_BYTES 64
  #define MM_(op) _mm512_##op
#elif defined(__AVX2__)
  #define VECTOR_BYTES 32
  #define MM_(op) _mm256_##op
#else
  #define VECTOR_BYTES 16
  #define MM_(op) _mm_##op
#endif

#ifdef REAL_DOUBLE
  typedef double real;
  typedef int64_t integer;
  #define MM(op) MM_(op##_pd)
  #define REAL_BYTES 8
  enum { MANTISSA = 52, BIAS = 1023 };
#else
  typedef float real;
  typedef int32_t integer;
  #define MM(op) MM_(op##_ps)
  #define REAL_BYTES 4
  enum { MANTISSA = 23, BIAS = 127 };
#endif

typedef real vec __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef integer ivec __attribute__((vector_size(VECTOR_BYTES), may_alias));
enum { LANES = VECTOR_BYTES / sizeof(real) };

INLINE vec vset(real x) { return x - (vec){0}; }              /* x in every lane; the compiler makes it a broadcast */

/* x < y ? x : y and x > y ? x : y, so a NaN in y is returned. */
#if defined(__SSE2__)
  #include <immintrin.h>
  INLINE vec vmin(vec x, vec y) { return (vec)MM(min)(x, y); }
  INLINE vec vmax(vec x, vec y) { return (vec)MM(max)(x, y); }
  INLINE vec vsqrt(vec x) { return (vec)MM(sqrt)(x); }
#else
  INLINE vec vsqrt(vec x) {
    for (int i = 0; i < LANES; i++) x[i] = __builtin_sqrt(x[i]);   /* correct for float, too: double has twice its bits */
    return x;
  }
  INLINE vec vselect(ivec mask, vec x, vec y) { return (vec)((mask & (ivec)x) | (~mask & (ivec)y)); }
  INLINE vec vmin(vec x, vec y) { return vselect((ivec)(x < y), x, y); }
  INLINE vec vmax(vec x, vec y) { return vselect((ivec)(x > y), x, y); }
#endif

/* Numbers below the normal range cost a hundred cycles each, and vanishing gradients have many of them. A kernel reads
 * and writes 0 in their place, and restores the mode of the thread when it ends. The mode is uint64_t because the
 * register of ARM64 has 64 bits, and unsigned long has only 32 on Windows. */
#if defined(__SSE2__)
  INLINE uint64_t flush_denormals(void) {
    unsigned int mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040);                                   /* flush to zero, denormals are zero */
    return mode;
  }
  INLINE void restore_denormals(uint64_t mode) { _mm_setcsr((unsigned int)mode); }
#elif defined(__aarch64__)
  INLINE void restore_denormals(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
  INLINE uint64_t flush_denormals(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    restore_denormals(mode | (uint64_t)1 << 24);                 /* flush to zero */
    return mode;
  }
#else
  INLINE uint64_t flush_denormals(void) { return 0; }
  INLINE void restore_denormals(uint64_t mode) { (void)mode; }
#endif

/* Load and store part of a row of numbers at any address. The row has `left` numbers from there on. Nothing beyond its
 * end is read or written; a load has 0, or another number, in these lanes. */
INLINE vec vload_or(const real *row, ptrdiff_t left, real beyond) {
  vec x = vset(beyond);
  if (left >= LANES) __builtin_memcpy(&x, row, sizeof x);
#if defined(__AVX512F__)
  else if (left > 0) x = MM(mask_loadu)(x, (1u << left) - 1, row);
#else
  else for (ptrdiff_t i = 0; i < left; i++) x[i] = row[i];
#endif
  return x;
}
INLINE vec vload(const real *row, ptrdiff_t left) { return vload_or(row, left, 0); }
INLINE void vstore(real *row, vec x, ptrdiff_t left) {
  if (left >= LANES) __builtin_memcpy(row, &x, sizeof x);
#if defined(__AVX512F__)
  else if (left > 0) MM(mask_storeu)(row, (1u << left) - 1, x);
#else
  else for (ptrdiff_t i = 0; i < left; i++) row[i] = x[i];
#endif
}

INLINE void add_to_row(real *row, vec x, ptrdiff_t left) { vstore(row, vload(row, left) + x, left); }

/* Set the lanes from number `lanes` on to 0. A product with 0 would not do, because these lanes may be infinite. */
INLINE vec vfirst(vec x, ptrdiff_t lanes) {
  ivec number;
  for (int i = 0; i < LANES; i++) number[i] = i;
  return (vec)((ivec)x & (ivec)(number < (integer)lanes));
}

/* The sum of the lanes, in float64, and their maximum. Both work in pairs, because each operation waits for the one
 * before. The maximum may lose a NaN. */
INLINE double vsum(vec x) {
  double sums[LANES];
  for (int i = 0; i < LANES; i++) sums[i] = x[i];
  for (int n = LANES / 2; n; n /= 2)
    for (int i = 0; i < n; i++) sums[i] += sums[i + n];
  return sums[0];
}
INLINE real vlargest(vec x) {
  real largest[LANES];
  for (int i = 0; i < LANES; i++) largest[i] = x[i];
  for (int n = LANES / 2; n; n /= 2)
    for (int i = 0; i < n; i++) largest[i] = largest[i] > largest[i + n] ? largest[i] : largest[i + n];
  return largest[0];
}

/* The sum of squares, in float64. It uses four vectors, because each addition waits for the one before. */
enum { WIDE_LANES = VECTOR_BYTES / sizeof(double) };
typedef double wide_vec __attribute__((vector_size(VECTOR_BYTES)));
typedef real narrow_vec __attribute__((vector_size(WIDE_LANES * REAL_BYTES), aligned(REAL_BYTES), may_alias));
static double sum_of_squares(const real *x, ptrdiff_t n) {
  wide_vec sums[4] = {{0}};
  double total = 0;
  ptrdiff_t i = 0;
  for (; i + 4 * WIDE_LANES <= n; i += 4 * WIDE_LANES)
    for (int k = 0; k < 4; k++) {
      wide_vec wide = __builtin_convertvector(*(const narrow_vec *)(x + i + k * WIDE_LANES), wide_vec);
      sums[k] += wide * wide;
    }
  for (; i < n; i++) total += (double)x[i] * x[i];
  sums[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  for (int k = 0; k < WIDE_LANES; k++) total += sums[0][k];
  return total;
}

/* Transpose a square of vectors: row i becomes column i. Write the place of a number as the bits of its row, followed
 * by the bits of its column. Interleaving the upper half of the rows with the lower half rotates these bits left by
 * one. When all bits of the row have moved to the other end, rows and columns are exchanged. */
#ifdef __clang__
  #define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
  #define SHUFFLE(x, y, ...) __builtin_shuffle(x, y, (ivec){__VA_ARGS__})
#endif
#if VECTOR_BYTES == 16 * REAL_BYTES
  #define LOW_HALVES(x, y) SHUFFLE(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
  #define HIGH_HALVES(x, y) SHUFFLE(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif VECTOR_BYTES == 8 * REAL_BYTES
  #define LOW_HALVES(x, y) SHUFFLE(x, y, 0, 8, 1, 9, 2, 10, 3, 11)
  #define HIGH_HALVES(x, y) SHUFFLE(x, y, 4, 12, 5, 13, 6, 14, 7, 15)
#elif VECTOR_BYTES == 4 * REAL_BYTES
  #define LOW_HALVES(x, y) SHUFFLE(x, y, 0, 4, 1, 5)
  #define HIGH_HALVES(x, y) SHUFFLE(x, y, 2, 6, 3, 7)
#else
  #define LOW_HALVES(x, y) SHUFFLE(x, y, 0, 2)
  #define HIGH_HALVES(x, y) SHUFFLE(x, y, 1, 3)
#endif
INLINE void transpose_square(vec *rows) {
  vec turned[LANES];
  _Pragma("GCC unroll 4")
  for (int n = 1; n < LANES; n *= 2) {
    _Pragma("GCC unroll 8")
    for (int i = 0; i < LANES / 2; i++) {
      turned[2 * i] = LOW_HALVES(rows[i], rows[i + LANES / 2]);
      turned[2 * i + 1] = HIGH_HALVES(rows[i], rows[i + LANES / 2]);
    }
    __builtin_memcpy(rows, turned, sizeof turned);
  }
}

/* e^x - 1 = 2^n (e^r - 1) + (2^n - 1), |r| <= ln(2)/2. The caller has clamped x. x / ln 2 + 1.5 * 2^MANTISSA has n in
 * its lowest bits; shifting them into the exponent gives 2^n. So there is no conversion to integers, and the same code
 * serves both types. */
#ifdef REAL_DOUBLE
  #define LN2_HIGH 6.93145751953125e-1
  #define LN2_LOW 1.42860682030941723212e-6
  static const real EXP[] = { /* (e^r - 1 - r) / r^2, highest power first: the Taylor series is accurate enough here */
    1. / 87178291200., 1. / 6227020800., 1. / 479001600., 1. / 39916800., 1. / 3628800., 1. / 362880., 1. / 40320.,
    1. / 5040., 1. / 720., 1. / 120., 1. / 24., 1. / 6., .5 };
#else
  #define LN2_HIGH 0.693359375f
  #define LN2_LOW -2.12194440e-4f
  static const real EXP[] = { /* Cephes expf */
    1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f };
#endif
#define LOG2_E ((real)1.44269504088896340736)
#define ROUND ((real)1.5 * ((integer)1 << MANTISSA))

INLINE void expm1_parts(vec x, vec *scale, vec *p) {
  vec shifted = x * LOG2_E + ROUND, n = shifted - ROUND;
  vec r = (x - n * LN2_HIGH) - n * LN2_LOW, q = vset(EXP[0]);
  _Pragma("GCC unroll 16")
  for (unsigned i = 1; i < sizeof EXP / sizeof *EXP; i++) q = q * r + EXP[i];
  *p = q * (r * r) + r;                                          /* e^r - 1 */
  *scale = (vec)(((ivec)shifted << MANTISSA) + ((integer)BIAS << MANTISSA)); /* 2^n */
}
#ifdef REAL_DOUBLE
  #define EXP_MIN -708.
  #define EXP_MAX 709.
  #define TANH_MAX 40.
#else
  #define EXP_MIN -87.f
  #define EXP_MAX 88.f
  #define TANH_MAX 20.f
#endif

INLINE vec vexp(vec x) {          /* saturates outside [EXP_MIN, EXP_MAX]; NaN stays NaN */
  vec s, p;
  expm1_parts(vmin(vset(EXP_MAX), vmax(vset(EXP_MIN), x)), &s, &p);
  return s * p + s;
}
INLINE vec vexp_or_0(vec x) {     /* 0 below EXP_MIN */
  return (vec)((ivec)vexp(x) & ~(ivec)(x < EXP_MIN));
}
INLINE vec vsigmoid(vec x) { return 1 / (1 + vexp(-x)); }
INLINE vec vtanh(vec x) {         /* m / (m + 2), m = e^2x - 1: exact to a few ulp also near 0 */
  vec s, p, m, y = x + x;
  expm1_parts(vmin(vset(TANH_MAX), vmax(vset(-TANH_MAX), y)), &s, &p);
  m = s * p + (s - 1);
  return (vec)((ivec)(m / (m + 2)) | ((ivec)x & (ivec)vset(-(real)0)));   /* tanh(-0) is -0 */
}
INLINE vec vrelu(vec x) { return vmax(vset(0), x); }
INLINE vec vpositive(vec x) { return (vec)((ivec)vset(1) & (ivec)(x > 0)); }  /* 1 where x > 0, else 0 */
