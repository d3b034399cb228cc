// Rollouts of skills: for a tile of samples, all stages in one go, activations staying in the nearest cache.
//
// One stage: features of the predicted state, score, prior or flow, dynamics, next state. The arithmetic is that of
// studio/learning (features.py, flow.py, transition.py, value.py) and studio/planning/goal_score.py, which stay the
// reference; tests compare the two. studio/learning/native_build.py builds this file,
// native_layout.py mirrors its structures.
#include "states.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct {
    const Model *model;
    const Score *score;
    const float *start;    // [S]
    const float *base;     // [H][N][d] base controls after atanh or the inverse error function
    float *path;           // [H + 1][N][S] or null
    float *skills;         // [H][N][d] or null
    float *returns;        // [N] or null: no scores are computed then
    int32_t stages, samples;
    atomic_int next_tile;  // threads take tiles from here
} Job;

int32_t panel_width(void) { return PANEL; }
int32_t tile_rows(void) { return TILE; }
int32_t has_bfloat16(void) {
#if defined(__AVX512BF16__)
    return 1;
#else
    return 0;
#endif
}

// ------------------------------------------------------------------------------------- base controls to skills

// Mean and exp(log deviation) of the head, and what the blocks add to their hidden layers; nothing here sees controls.
static void prepare_prior(const Model *model, Scratch *scratch, int rows) {
    const int d = model->skill_size, width = last_width(&model->head);
    run_network(model, &model->head, scratch, scratch->features, scratch->feature_width, scratch->output, rows);
    for (int row = 0; row < rows; row++)
        for (int k = 0; k < d; k++) {
            scratch->mean[row * d + k] = scratch->output[(size_t)row * width + k];
            scratch->spread[row * d + k] = scratch->output[(size_t)row * width + d + k];
        }
    for (int place = 0; place < rows * d; place += LANES) {
        const lanes free = load(scratch->spread + place);
        store(scratch->spread + place, power_of_e(sigmoid(free + 1.0f) * 8.0f - 6.0f));
    }
    if (!model->blocks) return;
    run_network(model, &model->context, scratch, scratch->features, scratch->feature_width, scratch->output, rows);
    const int context = last_width(&model->context);
    run_network(model, &model->context_parts, scratch, scratch->output, context, scratch->parts, rows);
}

// One autoregressive block on `scratch->x` [rows][d], then the order of the columns reversed.
static void run_block(const Model *model, const Block *block, Scratch *scratch, int number, int rows) {
    const int d = model->skill_size, hidden = block->first.panels * PANEL, width = last_width(&block->out);
    const float *parts = scratch->parts + (size_t)number * 2 * hidden;
    for (int row = 0; row < rows; row++) {
        float *to = scratch->inputs + (size_t)row * scratch->input_width;
        memcpy(to, scratch->x + row * d, 4 * (size_t)d);
        to[d] = 0.0f;  // the odd one of a pair
    }
    const void *input = as_layer_input(model, scratch, scratch->inputs, scratch->input_width, rows);
    dense(model, &block->first, input, scratch->input_width, parts, scratch->parts_width, scratch->b, 0, rows);
    dense(model, &block->second, scratch->b, hidden, parts + hidden, scratch->parts_width, scratch->a, 0, rows);
    dense(model, block->out.layers, scratch->a, hidden, block->out.layers->bias, 0, scratch->output, 1, rows);
    float *scale = scratch->change;
    for (int row = 0; row < rows; row++)
        for (int k = 0; k < d; k++) scale[row * d + k] = scratch->output[(size_t)row * width + d + k];
    for (int place = 0; place < rows * d; place += LANES)
        store(scale + place, power_of_e(hyperbolic_tangent(load(scale + place) / 3.0f) * 3.0f));
    for (int row = 0; row < rows; row++) {
        float turned[64];
        for (int k = 0; k < d; k++)
            turned[d - 1 - k] = scratch->output[(size_t)row * width + k] + scale[row * d + k] * scratch->x[row * d + k];
        memcpy(scratch->x + row * d, turned, 4 * (size_t)d);
    }
}

// ---------------------------------------------------------------------------------------------------------- rollout

static void repeat_first_row(float *rows_out, int width, int rows) {
    for (int row = 1; row < rows; row++) memcpy(rows_out + (size_t)row * width, rows_out, 4 * (size_t)width);
}

// Before the first skill all samples are in the same state: compute for few rows, and repeat.
static void prepare_stage(const Job *job, Scratch *scratch, int stage, int rows) {
    const Model *model = job->model;
    const int count = stage == 0 ? ROWS : rows;
    for (int row = 0; row < count; row += LANES) features_of(model, scratch, row);
    if (job->returns) score_tile(model, job->score, scratch, count);
    if (stage < job->stages) prepare_prior(model, scratch, count);
    if (count == rows) return;
    repeat_first_row(scratch->features, scratch->feature_width, rows);
    repeat_first_row(scratch->cost, 1, rows);
    repeat_first_row(scratch->mean, model->skill_size, rows);
    repeat_first_row(scratch->spread, model->skill_size, rows);
    if (model->blocks) repeat_first_row(scratch->parts, scratch->parts_width, rows);
}

static void decode(const Job *job, Scratch *scratch, int stage, int first, int real, int rows) {
    const Model *model = job->model;
    const int d = model->skill_size;
    const size_t place = ((size_t)stage * job->samples + first) * d;
    memset(scratch->x, 0, 4 * (size_t)rows * d);
    memcpy(scratch->x, job->base + place, 4 * (size_t)real * d);
    for (int number = 0; number < model->blocks; number++)
        run_block(model, &model->block[number], scratch, number, rows);
    float *x = scratch->x;
    for (int entry = 0; entry < rows * d; entry += LANES)
        store(x + entry, load(scratch->mean + entry) + load(scratch->spread + entry) * load(x + entry));
    if (job->skills) memcpy(job->skills + place, x, 4 * (size_t)real * d);
}

static void keep(const Job *job, const Scratch *scratch, int stage, int first, int real) {
    const size_t size = job->model->state_size;
    if (job->path)
        memcpy(job->path + ((size_t)stage * job->samples + first) * size, scratch->state, 4 * size * (size_t)real);
}

static void roll_tile(const Job *job, Scratch *scratch, int first) {
    const Model *model = job->model;
    const int real = job->samples - first < TILE ? job->samples - first : TILE;
    const float weight = job->returns ? job->score->disagreement_weight : 0.0f;
    const int spread = weight > 0.0f && model->members > 1;
    const int rows = (real + ROWS - 1) / ROWS * ROWS;  // loops over LANES run past it, into the rest of the tile
    float total[TILE] = {0};
    for (int row = 0; row < rows; row++)
        memcpy(scratch->state + (size_t)row * model->state_size, job->start, 4 * (size_t)model->state_size);
    keep(job, scratch, 0, first, real);
    for (int stage = 0; stage < job->stages; stage++) {
        prepare_stage(job, scratch, stage, rows);
        for (int row = 0; row < real && job->returns; row++) total[row] -= scratch->cost[row];
        decode(job, scratch, stage, first, real, rows);
        step_state(model, scratch, rows, spread);
        for (int row = 0; row < real && spread; row++) total[row] -= weight * scratch->disagreement[row];
        keep(job, scratch, stage + 1, first, real);
    }
    if (!job->returns) return;
    prepare_stage(job, scratch, job->stages, rows);
    for (int row = 0; row < real; row++)
        job->returns[first + row] = total[row] - job->score->terminal_weight * scratch->cost[row];
}

static float *take(char **pool, size_t count) {
    float *place = (float *)*pool;
    *pool += (4 * count + 127) / 128 * 128;
    return place;
}

// Scratch memory of one thread, in one piece; null when there is none.
static void *make_scratch(const Model *model, Scratch *scratch) {
    const int widest = model->widest;
    scratch->feature_width = (model->feature_size + LANES - 1) / LANES * LANES;
    scratch->input_width = (model->feature_size + 20 + model->skill_size + 2 * LANES) / LANES * LANES;
    scratch->output_width = widest;
    scratch->parts_width = model->context_columns;
    const size_t inputs = (size_t)model->state_size + scratch->feature_width + scratch->input_width;
    const size_t columns = inputs + 5 * (size_t)widest + scratch->parts_width + 3 * (size_t)model->skill_size + 2 +
                           3 * MOST_ARMS;
    const size_t bytes = 4 * TILE * columns + 64 * 128;
    char *memory = aligned_alloc(128, (bytes + 127) / 128 * 128), *pool = memory;
    if (!memory) return memory;
    memset(memory, 0, (bytes + 127) / 128 * 128);
    scratch->state = take(&pool, (size_t)TILE * model->state_size);
    scratch->features = take(&pool, (size_t)TILE * scratch->feature_width);
    scratch->inputs = take(&pool, (size_t)TILE * scratch->input_width);
    scratch->output = take(&pool, (size_t)TILE * widest);
    scratch->change = take(&pool, (size_t)TILE * widest);
    scratch->squares = take(&pool, (size_t)TILE * widest);
    scratch->a = take(&pool, (size_t)TILE * widest);
    scratch->b = take(&pool, (size_t)TILE * widest);
    scratch->parts = take(&pool, (size_t)TILE * scratch->parts_width);
    scratch->mean = take(&pool, (size_t)TILE * model->skill_size);
    scratch->spread = take(&pool, (size_t)TILE * model->skill_size);
    scratch->x = take(&pool, (size_t)TILE * model->skill_size);
    scratch->cost = take(&pool, TILE);
    scratch->disagreement = take(&pool, TILE);
    scratch->tips = take(&pool, (size_t)TILE * 3 * MOST_ARMS);
    return memory;
}

// Works on the job until no tile is left; several threads may do so at once. 0: done, 1: no memory.
int32_t roll_out(Job *job) {
    Scratch scratch;
    void *memory = make_scratch(job->model, &scratch);
    if (!memory) return 1;
    for (;;) {
        const int first = atomic_fetch_add(&job->next_tile, 1) * TILE;
        if (first >= job->samples) break;
        roll_tile(job, &scratch, first);
    }
    free(memory);
    return 0;
}
