// What is rolled out (models, scores, scratch memory), and the dense layers.
#ifndef NETWORKS_H
#define NETWORKS_H

#include "lanes.h"

#define TILE 96      // samples in flight per thread; a multiple of ROWS and LANES for every machine
#define MOST_SPANS 8
#define MOST_ARMS 4
#define MOST_MEMBERS 8
#define MOST_BLOCKS 16

typedef struct {
    int32_t inputs;        // padded to an even number
    int32_t panels;
    int32_t silu;          // activation: 1 SiLU, 0 none
    const void *weight;    // [panels][inputs][PANEL] float, or [panels][inputs / 2][PANEL][2] bfloat16
    const float *bias;     // [panels * PANEL], or null where the caller adds something per row
    const int32_t *depth;  // inputs that a panel's weights really use
} Layer;

typedef struct {
    int32_t count;
    const Layer *layers;
} Network;

typedef struct {
    Layer first, second;
    Network out;
} Block;

typedef struct {
    int32_t start, size, rotation;
} Span;

typedef struct {
    // sizes
    int32_t state_size, skill_size, feature_size, half, widest;
    // state blocks, in order; features name them once more through position, rotation and joints
    int32_t span_count, position, rotation, joints, arms, tips_world, tips_object, near_contact, symmetries;
    Span spans[MOST_SPANS];
    float bases_m[MOST_ARMS][3], links_m[3], half_size_m, radius_m;
    const float *group, *mean, *inverse_deviation, *change_scale;
    const float *change_weight;  // sum 1
    // networks
    int32_t blocks, members, values, context_columns, change_size;
    Network context, context_parts, head, dynamics[MOST_MEMBERS], value[MOST_MEMBERS];
    Block block[MOST_BLOCKS];
    float value_scale;
} Model;

typedef struct {
    int32_t use_value, unused;
    float goal[12];
    float position_tolerance_m, orientation_tolerance_rad, position_deadband_m, orientation_deadband_rad;
    float rotation_weight, area_weight, approach_weight, approach_from_m, terminal_weight;
    float disagreement_weight;
    float low_m[2], high_m[2];
} Score;

typedef struct {
    float *state, *features, *inputs, *output, *parts, *mean, *spread, *x, *cost, *tips, *change;
    float *squares, *disagreement;
    void *a, *b;
    int32_t input_width, feature_width, output_width, parts_width;
} Scratch;

#if defined(__AVX512BF16__)
static inline void store_half(uint16_t *to, lanes value) {
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh((__m512)value));
}

// SiLU to about 1e-4 of itself, which is a fortieth of what bfloat16 keeps: 2^t by a cubic in t's fraction, no division.
static inline lanes rough_silu(lanes x) {
    const __m512 t = (__m512)(x * -1.44269504088896341f);
    const lanes part = (lanes)_mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    const lanes power = ((part * 0.07802449f + 0.22606758f) * part + 0.69583318f) * part + 0.99992528f;
    return x * (lanes)_mm512_rcp14_ps((__m512)(1.0f + (lanes)_mm512_scalef_ps((__m512)power, t)));
}

// Activation and rounding of one panel; apart, because inlined it takes the registers from the sums above.
__attribute__((noinline)) static void finish_half(const float *panel_out, int active, int last, void *output,
                                                  int columns) {
    for (int r = 0; r < ROWS; r++)
        for (int part = 0; part < PANEL; part += LANES) {
            lanes value = load(panel_out + r * PANEL + part);
            if (active) value = rough_silu(value);
            const size_t place = (size_t)r * columns + part;
            if (last) store((float *)output + place, value);
            else store_half((uint16_t *)output + place, value);
        }
}

static void dense_half(const Layer *layer, const uint16_t *input, int width, const float *added, int added_width,
                       void *output, int last, int rows) {
    const int columns = layer->panels * PANEL;
    for (int panel = 0; panel < layer->panels; panel++) {
        const uint16_t *weight = (const uint16_t *)layer->weight + (size_t)panel * layer->inputs * PANEL;
        const int pairs = (layer->depth[panel] + 1) / 2;
        for (int row = 0; row < rows; row += ROWS) {
            __m512 sum[ROWS][2];
            const uint16_t *from = input + (size_t)row * width;
#pragma GCC unroll 12
            for (int r = 0; r < ROWS; r++) {
                const float *start = added + (size_t)(row + r) * added_width + panel * PANEL;
                sum[r][0] = (__m512)load(start), sum[r][1] = (__m512)load(start + LANES);
            }
            for (int pair = 0; pair < pairs; pair++) {
                const __m512bh first = (__m512bh)_mm512_loadu_si512(weight + pair * 2 * PANEL);
                const __m512bh second = (__m512bh)_mm512_loadu_si512(weight + pair * 2 * PANEL + 2 * LANES);
#pragma GCC unroll 12
                for (int r = 0; r < ROWS; r++) {
                    int32_t both;
                    memcpy(&both, from + (size_t)r * width + 2 * pair, 4);
                    const __m512bh spread = (__m512bh)_mm512_set1_epi32(both);
                    sum[r][0] = _mm512_dpbf16_ps(sum[r][0], spread, first);
                    sum[r][1] = _mm512_dpbf16_ps(sum[r][1], spread, second);
                }
            }
            float panel_out[ROWS * PANEL] __attribute__((aligned(64)));
#pragma GCC unroll 12
            for (int r = 0; r < ROWS; r++) {
                store(panel_out + r * PANEL, (lanes)sum[r][0]);
                store(panel_out + r * PANEL + LANES, (lanes)sum[r][1]);
            }
            const size_t place = ((size_t)row * columns + panel * PANEL) * (last ? 4 : 2);
            finish_half(panel_out, layer->silu, last, (char *)output + place, columns);
        }
    }
}
#endif

// SiLU of one panel of ROWS rows; apart, because inlined it takes the registers from the sums.
__attribute__((noinline)) static void activate(float *rows_out, int columns) {
    for (int r = 0; r < ROWS; r++) {
        float *to = rows_out + (size_t)r * columns;
        store(to, silu(load(to)));
        store(to + LANES, silu(load(to + LANES)));
    }
}

static void dense_float(const Layer *layer, const float *input, int width, const float *added, int added_width,
                        float *output, int rows) {
    const int columns = layer->panels * PANEL;
    for (int panel = 0; panel < layer->panels; panel++) {
        const float *weight = (const float *)layer->weight + (size_t)panel * layer->inputs * PANEL;
        const int depth = layer->depth[panel];
        for (int row = 0; row < rows; row += ROWS) {
            lanes sum[ROWS][2];
            const float *from = input + (size_t)row * width;
#pragma GCC unroll 12
            for (int r = 0; r < ROWS; r++) {
                const float *start = added + (size_t)(row + r) * added_width + panel * PANEL;
                sum[r][0] = load(start), sum[r][1] = load(start + LANES);
            }
            for (int k = 0; k < depth; k++) {
                const lanes first = load(weight + k * PANEL), second = load(weight + k * PANEL + LANES);
#pragma GCC unroll 12
                for (int r = 0; r < ROWS; r++) {
                    const float value = from[(size_t)r * width + k];
                    sum[r][0] += value * first;
                    sum[r][1] += value * second;
                }
            }
#pragma GCC unroll 12
            for (int r = 0; r < ROWS; r++) {
                float *to = output + (size_t)(row + r) * columns + panel * PANEL;
                store(to, sum[r][0]), store(to + LANES, sum[r][1]);
            }
            if (layer->silu) activate(output + (size_t)row * columns + panel * PANEL, columns);
        }
    }
}

static void dense(const Model *model, const Layer *layer, const void *input, int width, const float *added,
                  int added_width, void *output, int last, int rows) {
#if defined(__AVX512BF16__)
    if (model->half) {
        dense_half(layer, input, width, added, added_width, output, last, rows);
        return;
    }
#endif
    (void)model, (void)last;
    dense_float(layer, input, width, added, added_width, output, rows);
}

// Rows as the layers want them: themselves, or as bfloat16 in `scratch->a`.
static const void *as_layer_input(const Model *model, Scratch *scratch, const float *rows_in, int width, int rows) {
#if defined(__AVX512BF16__)
    if (model->half) {
        uint16_t *to = scratch->a;
        for (size_t place = 0; place < (size_t)rows * width; place += LANES)
            store_half(to + place, load(rows_in + place));
        return to;
    }
#endif
    (void)model, (void)scratch, (void)width, (void)rows;
    return rows_in;
}

// The whole network from float rows [rows][width] to float rows `output` [rows][panels * PANEL of the last layer].
static void run_network(const Model *model, const Network *network, Scratch *scratch, const float *input, int width,
                        float *output, int rows) {
    const void *from = as_layer_input(model, scratch, input, width, rows);
    void *to = from == scratch->a ? scratch->b : scratch->a;
    for (int index = 0; index < network->count; index++) {
        const Layer *layer = &network->layers[index];
        const int last = index == network->count - 1;
        dense(model, layer, from, width, layer->bias, 0, last ? (void *)output : to, last, rows);
        width = layer->panels * PANEL;
        from = to;
        to = to == scratch->a ? scratch->b : scratch->a;
    }
}

static int last_width(const Network *network) { return network->layers[network->count - 1].panels * PANEL; }

#endif
