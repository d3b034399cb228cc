// What every kernel of the control tick shares.
//
// A kernel is a function over arrays that Python made once and keeps alive. Its structure is declared with KERNEL, which
// also leaves the declaration as text in the library: studio/core/kernel.py reads it there, checks type and length of
// every array against it, and fills the structure. So the two sides cannot disagree about order or size.
//
// All members are 8 bytes long. Kernels keep no state of their own, touch nothing but the arrays given, and call nothing
// but sin, cos, sqrt and memcpy (socket.h: the system calls of a bus). The NumPy code beside each caller is the reference: same operations in the same order, no
// contraction to fused multiply-add (flags in studio/core/kernel.py), so the results are equal bit by bit, but for the
// sign of a zero. Comparisons are written so that a NaN stays a NaN, as with numpy.maximum and numpy.minimum.
#ifndef TICK_KERNEL_H
#define TICK_KERNEL_H

#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#ifdef __linux__
#include <sys/socket.h>
#endif

#define whole(name) int64_t name;
#define number(name) double name;
#define doubles(name, count) double *name;
#define times(name, count) int64_t *name;
#define words(name, count) uint64_t *name;
#define bytes(name, count) uint8_t *name;

#define KERNEL(name, ...)           \
    typedef struct {                \
        __VA_ARGS__                 \
    } name;                         \
    const char name##_members[] = #__VA_ARGS__;

static inline double at_least(double x, double low) { return x < low ? low : x; }
static inline double at_most(double x, double high) { return x > high ? high : x; }

#endif
