// Vectors of the width this machine has, and the few functions of them that rollouts need.
// Written with the vector extensions of GCC and clang, so that it builds for any processor.
#ifndef LANES_H
#define LANES_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#define ROWS 12  // rows of the innermost product: 12 x 2 sums fill the registers
#elif defined(__AVX2__) && defined(__FMA__)
#define LANES 8
#define ROWS 6
#elif defined(__aarch64__)
#define LANES 4
#define ROWS 8
#else
#define LANES 4
#define ROWS 4
#endif
#define PANEL (2 * LANES)  // output columns that are computed together

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef float lanes_loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t whole __attribute__((vector_size(4 * LANES)));

static inline lanes load(const float *from) { return *(const lanes_loose *)from; }
static inline void store(float *to, lanes value) { *(lanes_loose *)to = value; }
static inline lanes fill(float value) { return value - (lanes){0}; }

static inline lanes choose(whole mask, lanes yes, lanes no) {
    return (lanes)((mask & (whole)yes) | (~mask & (whole)no));
}
#if LANES == 16
static inline lanes smaller(lanes a, lanes b) { return (lanes)_mm512_min_ps((__m512)a, (__m512)b); }
static inline lanes larger(lanes a, lanes b) { return (lanes)_mm512_max_ps((__m512)a, (__m512)b); }
static inline lanes nearest(lanes x) { return (lanes)_mm512_roundscale_ps((__m512)x, 0); }
static inline lanes times_power_of_two(lanes x, lanes power) {
    return (lanes)_mm512_scalef_ps((__m512)x, (__m512)power);
}
#else
static inline lanes smaller(lanes a, lanes b) { return choose(a < b, a, b); }
static inline lanes larger(lanes a, lanes b) { return choose(a > b, a, b); }
static inline lanes nearest(lanes x) { return (x + 12582912.0f) - 12582912.0f; }  // 1.5 * 2^23 rounds |x| < 2^22
static inline lanes times_power_of_two(lanes x, lanes power) {
    return x * (lanes)((__builtin_convertvector(power, whole) + 127) << 23);
}
#endif
// Of two numbers the second is taken when one is none, so that limits do not hide it.
static inline lanes within(lanes x, float low, float high) { return smaller(fill(high), larger(fill(low), x)); }
static inline lanes not_negative(lanes x) { return larger(fill(0.0f), x); }
static inline lanes magnitude(lanes x) { return (lanes)((whole)x & 0x7fffffff); }

static inline lanes root(lanes x) {
#if LANES == 16
    return (lanes)_mm512_sqrt_ps((__m512)x);
#else
    lanes result = x;
    for (int lane = 0; lane < LANES; lane++) result[lane] = __builtin_sqrtf(x[lane]);
    return result;
#endif
}

// e^x to about 1e-7, |x| limited to 87 (Cephes' polynomial)
static inline lanes power_of_e(lanes x) {
    x = within(x, -87.0f, 87.0f);
    lanes power = nearest(x * 1.44269504088896341f);
    lanes rest = x - power * 0.693359375f + power * 2.12194440e-4f;
    lanes sum = rest * 1.9875691500e-4f + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * rest * rest + rest + 1.0f;
    return times_power_of_two(sum, power);
}

static inline lanes sigmoid(lanes x) { return 1.0f / (1.0f + power_of_e(-x)); }
static inline lanes silu(lanes x) { return x / (1.0f + power_of_e(-x)); }
static inline lanes hyperbolic_tangent(lanes x) {
    lanes shrunk = power_of_e(magnitude(x) * -2.0f);
    lanes result = (1.0f - shrunk) / (1.0f + shrunk);
    return choose(x < 0.0f, -result, result);
}

// sine and cosine to about 1e-7 for |x| up to some thousands (Cephes' polynomials, quarter turns taken off)
static inline void sine_cosine(lanes x, lanes *sine, lanes *cosine) {
    lanes quarters = nearest(x * 0.63661977236758134f);
    lanes rest = x - quarters * 1.5703125f - quarters * 4.837512969970703125e-4f - quarters * 7.549789948768648e-8f;
    lanes square = rest * rest;
    lanes odd = ((square * -1.9515295891e-4f + 8.3321608736e-3f) * square - 1.6666654611e-1f) * square * rest + rest;
    lanes even = ((square * 2.443315711809948e-5f - 1.388731625493765e-3f) * square + 4.166664568298827e-2f) * square *
                     square - 0.5f * square + 1.0f;
    whole turn = __builtin_convertvector(quarters, whole);
    whole swap = (turn & 1) == 1;
    lanes first = choose(swap, even, odd), second = choose(swap, odd, even);
    *sine = choose((turn & 2) == 2, -first, first);
    *cosine = choose(((turn + 1) & 2) == 2, -second, second);
}

// arc cosine to about 1e-7 (Abramowitz and Stegun 4.4.46)
static inline lanes arc_cosine(lanes x) {
    lanes positive = magnitude(x);
    lanes sum = positive * -0.0012624911f + 0.0066700901f;
    sum = sum * positive - 0.0170881256f;
    sum = sum * positive + 0.0308918810f;
    sum = sum * positive - 0.0501743046f;
    sum = sum * positive + 0.0889789874f;
    sum = sum * positive - 0.2145988016f;
    sum = sum * positive + 1.5707963050f;
    sum = sum * root(not_negative(1.0f - positive));
    return choose(x < 0.0f, 3.14159265358979f - sum, sum);
}

#endif
