// States in, features, costs and next states out: what studio/learning/features.py, transition.py and
// studio/planning/goal_score.py say, LANES rows at a time.
#ifndef STATES_H
#define STATES_H

#include "networks.h"

// ------------------------------------------------------------------------------------------- features of the state

static inline lanes column(const float *rows, int width, int index) {
    lanes value;
    for (int lane = 0; lane < LANES; lane++) value[lane] = rows[lane * width + index];
    return value;
}

static inline void put(const Model *model, Scratch *scratch, int row, int *index, lanes value) {
    value = within((value - model->mean[*index]) * model->inverse_deviation[*index], -8.0f, 8.0f);
    float *to = scratch->features + (size_t)row * scratch->feature_width + *index;
    for (int lane = 0; lane < LANES; lane++) to[lane * scratch->feature_width] = value[lane];
    (*index)++;
}

// Which symmetry brings the rotation nearest to the identity: the largest trace of R G.
static void canonical_group(const Model *model, const lanes rotation[9], int32_t found[LANES]) {
    lanes best = fill(-1e30f);
    whole chosen = {0};
    for (int index = 0; index < model->symmetries; index++) {
        const float *g = model->group + 9 * index;
        lanes trace = {0};
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                if (g[3 * j + i] != 0.0f) trace += rotation[3 * i + j] * g[3 * j + i];
        const whole better = trace > best;
        best = choose(better, trace, best);
        chosen = (better & index) | (~better & chosen);
    }
    memcpy(found, &chosen, sizeof chosen);
}

static void turn_frame(const Model *model, const lanes rotation[9], const int32_t group[LANES], lanes turned[9]) {
    lanes g[9];
    for (int entry = 0; entry < 9; entry++)
        for (int lane = 0; lane < LANES; lane++) g[entry][lane] = model->group[9 * group[lane] + entry];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            turned[3 * i + k] =
                rotation[3 * i] * g[k] + rotation[3 * i + 1] * g[3 + k] + rotation[3 * i + 2] * g[6 + k];
}

static void tip_position(const Model *model, const float *state, int arm, lanes tip[3]) {
    const int first = model->joints + 4 * arm;
    lanes reach = {0}, drop = {0}, pitch = {0}, sine, cosine;
    for (int link = 0; link < 3; link++) {
        pitch += column(state, model->state_size, first + 1 + link);
        sine_cosine(pitch, &sine, &cosine);
        reach += cosine * model->links_m[link];
        drop += sine * model->links_m[link];
    }
    sine_cosine(column(state, model->state_size, first), &sine, &cosine);
    tip[0] = reach * cosine + model->bases_m[arm][0];
    tip[1] = reach * sine + model->bases_m[arm][1];
    tip[2] = model->bases_m[arm][2] - drop;
}

static void near_contact(const Model *model, Scratch *scratch, int row, int *index, const lanes inside[3]) {
    const float half = model->half_size_m, face = half + model->radius_m;
    lanes outside = fill(1e-12f), deepest = fill(-1e30f);
    for (int axis = 0; axis < 3; axis++)
        put(model, scratch, row, index, hyperbolic_tangent((inside[axis] - face) / 0.02f));
    for (int axis = 0; axis < 3; axis++)
        put(model, scratch, row, index, hyperbolic_tangent((-inside[axis] - face) / 0.02f));
    for (int axis = 0; axis < 3; axis++) {
        const lanes beyond = magnitude(inside[axis]) - half, out = not_negative(beyond);
        outside += out * out;
        deepest = larger(deepest, beyond);
    }
    const lanes distance = root(outside) + smaller(deepest, fill(0.0f)) - model->radius_m;
    put(model, scratch, row, index, hyperbolic_tangent(distance / 0.01f));
    put(model, scratch, row, index, hyperbolic_tangent(distance / 0.04f));
}

static void object_features(const Model *model, Scratch *scratch, int row, int *index, lanes tips[MOST_ARMS][3],
                            const lanes position[3], const lanes turned[9]) {
    lanes inside[MOST_ARMS][3];
    for (int arm = 0; arm < model->arms; arm++)
        for (int axis = 0; axis < 3; axis++) {
            inside[arm][axis] = turned[axis] * (tips[arm][0] - position[0]) +
                                turned[3 + axis] * (tips[arm][1] - position[1]) +
                                turned[6 + axis] * (tips[arm][2] - position[2]);
            if (model->tips_object) put(model, scratch, row, index, inside[arm][axis]);
        }
    if (!model->near_contact) return;
    for (int arm = 0; arm < model->arms; arm++) near_contact(model, scratch, row, index, inside[arm]);
    const lanes across = magnitude(turned[6]) + magnitude(turned[7]) + magnitude(turned[8]);
    const lanes lowest = position[2] - model->half_size_m * across;
    put(model, scratch, row, index, hyperbolic_tangent(lowest / 0.01f));
    put(model, scratch, row, index, hyperbolic_tangent(lowest / 0.04f));
}

// Features of LANES rows from `row` on, normalised; the fingertips go to `scratch->tips` as well.
static void features_of(const Model *model, Scratch *scratch, int row) {
    const float *state = scratch->state + (size_t)row * model->state_size;
    lanes rotation[9], turned[9], tips[MOST_ARMS][3], position[3];
    int32_t group[LANES];
    int index = 0;
    for (int span = 0; span < model->span_count; span++)
        if (!model->spans[span].rotation)
            for (int entry = 0; entry < model->spans[span].size; entry++)
                put(model, scratch, row, &index, column(state, model->state_size, model->spans[span].start + entry));
    for (int entry = 0; entry < 9; entry++) rotation[entry] = column(state, model->state_size, model->rotation + entry);
    canonical_group(model, rotation, group);
    turn_frame(model, rotation, group, turned);
    for (int entry = 0; entry < 9; entry++)  // the first two columns
        if (entry % 3 < 2) put(model, scratch, row, &index, turned[entry]);
    if (model->joints < 0) return;
    for (int arm = 0; arm < model->arms; arm++) {
        tip_position(model, state, arm, tips[arm]);
        for (int axis = 0; axis < 3; axis++) {
            store(scratch->tips + (3 * arm + axis) * TILE + row, tips[arm][axis]);
            if (model->tips_world) put(model, scratch, row, &index, tips[arm][axis]);
        }
    }
    if (!model->tips_object && !model->near_contact) return;
    for (int axis = 0; axis < 3; axis++) position[axis] = column(state, model->state_size, model->position + axis);
    object_features(model, scratch, row, &index, tips, position, turned);
}

// -------------------------------------------------------------------------------------------------- score of states

static lanes distance_cost(const Score *score, lanes far_m, lanes turn_rad) {
    const lanes far = not_negative(far_m - score->position_deadband_m) / score->position_tolerance_m;
    const lanes turned = not_negative(turn_rad - score->orientation_deadband_rad);
    return far + turned / score->orientation_tolerance_rad * score->rotation_weight;
}

// What the learned value sees after the features: offset, near offset, goal place, turn to go, distance, angle.
static void goal_inputs(Scratch *scratch, int row, int start, const Score *score, const lanes offset[3],
                        const lanes rotation[9], lanes far_m, lanes turn_rad) {
    lanes out[20];
    for (int axis = 0; axis < 3; axis++) {
        out[axis] = offset[axis] / 0.1f;
        out[3 + axis] = hyperbolic_tangent(offset[axis] / 0.02f);
        out[6 + axis] = fill(score->goal[axis] / 0.1f);
    }
    const float *g = score->goal + 3;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            out[9 + 3 * i + k] =
                g[3 * i] * rotation[3 * k] + g[3 * i + 1] * rotation[3 * k + 1] + g[3 * i + 2] * rotation[3 * k + 2];
    out[18] = far_m / 0.1f, out[19] = turn_rad;
    float *to = scratch->inputs + (size_t)row * scratch->input_width + start;
    for (int entry = 0; entry < 20; entry++)
        for (int lane = 0; lane < LANES; lane++) to[lane * scratch->input_width + entry] = out[entry][lane];
}

// Everything but the value: distance, leaving the area, coming near. Leaves the value's inputs behind.
static void cost_of(const Model *model, const Score *score, Scratch *scratch, int row) {
    const float *state = scratch->state + (size_t)row * model->state_size;
    lanes rotation[9], offset[3], square = {0}, trace = {0}, cost = {0}, outside = {0}, nearest_m = fill(1e30f);
    for (int entry = 0; entry < 9; entry++) {
        rotation[entry] = column(state, model->state_size, model->rotation + entry);
        trace += rotation[entry] * score->goal[3 + entry];
    }
    for (int axis = 0; axis < 3; axis++) {
        offset[axis] = score->goal[axis] - column(state, model->state_size, model->position + axis);
        square += offset[axis] * offset[axis];
    }
    const lanes far_m = root(square), turn_rad = arc_cosine(within((trace - 1.0f) * 0.5f, -1.0f, 1.0f));
    if (score->use_value) goal_inputs(scratch, row, model->feature_size, score, offset, rotation, far_m, turn_rad);
    else cost = distance_cost(score, far_m, turn_rad);
    for (int axis = 0; axis < 2; axis++) {
        const lanes place = score->goal[axis] - offset[axis];
        outside += not_negative(score->low_m[axis] - place) + not_negative(place - score->high_m[axis]);
    }
    cost += outside * score->area_weight;
    for (int arm = 0; arm < model->arms && score->approach_weight > 0.0f; arm++) {
        lanes gap = {0};
        for (int axis = 0; axis < 3; axis++) {
            const lanes apart = load(scratch->tips + (3 * arm + axis) * TILE + row) - score->goal[axis] + offset[axis];
            gap += apart * apart;
        }
        nearest_m = smaller(nearest_m, root(gap));
    }
    if (model->arms && score->approach_weight > 0.0f)
        cost += not_negative(nearest_m - score->approach_from_m) * score->approach_weight;
    store(scratch->cost + row, cost);
}

static void copy_features(const Model *model, Scratch *scratch, int rows) {
    for (int row = 0; row < rows; row++)
        memcpy(scratch->inputs + (size_t)row * scratch->input_width,
               scratch->features + (size_t)row * scratch->feature_width, 4 * (size_t)model->feature_size);
}

static void clear_behind(Scratch *scratch, int from, int rows) {
    for (int row = 0; row < rows; row++)
        memset(scratch->inputs + (size_t)row * scratch->input_width + from, 0,
               4 * (size_t)(scratch->input_width - from));
}

static void score_tile(const Model *model, const Score *score, Scratch *scratch, int rows) {
    for (int row = 0; row < rows; row += LANES) cost_of(model, score, scratch, row);
    if (!score->use_value) return;
    copy_features(model, scratch, rows);
    clear_behind(scratch, model->feature_size + 20, rows);
    float smallest[TILE];
    for (int member = 0; member < model->values; member++) {
        const Network *network = &model->value[member];
        run_network(model, network, scratch, scratch->inputs, scratch->input_width, scratch->output, rows);
        for (int row = 0; row < rows; row++) {
            const float found = scratch->output[(size_t)row * last_width(network)];
            if (member == 0 || found < smallest[row]) smallest[row] = found;
        }
    }
    for (int row = 0; row < rows; row++) scratch->cost[row] -= model->value_scale * (smallest[row] > 0.0f ? 0.0f : smallest[row]);
}

// ---------------------------------------------------------------------------------------------------- next state

static void turn_rows(const Model *model, Scratch *scratch, int row, int start, int change) {
    const int width = last_width(&model->dynamics[0]);
    float *state = scratch->state + (size_t)row * model->state_size;
    const float *changes = scratch->change + (size_t)row * width, *scale = model->change_scale + change;
    lanes v[3], rotation[9], turn[9], square = fill(1e-14f), sine, cosine;
    for (int axis = 0; axis < 3; axis++) {
        v[axis] = column(changes, width, change + axis) * scale[axis];
        square += v[axis] * v[axis];
    }
    const lanes angle = root(square);
    sine_cosine(angle, &sine, &cosine);
    const lanes ratio = sine / angle, versine = (1.0f - cosine) / square;
    const lanes skew[9] = {{0}, -v[2], v[1], v[2], {0}, -v[0], -v[1], v[0], {0}};
    for (int entry = 0; entry < 9; entry++) {
        rotation[entry] = column(state, model->state_size, start + entry);
        turn[entry] = ratio * skew[entry] + versine * v[entry / 3] * v[entry % 3];
        if (entry % 4 == 0) turn[entry] += cosine;
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            const lanes sum =
                turn[3 * i] * rotation[k] + turn[3 * i + 1] * rotation[3 + k] + turn[3 * i + 2] * rotation[6 + k];
            for (int lane = 0; lane < LANES; lane++) state[lane * model->state_size + start + 3 * i + k] = sum[lane];
        }
}

static void add_member(const float *output, float *change, size_t count, int member, float share) {
    for (size_t place = 0; place < count; place += LANES) {
        const lanes part = load(output + place) * share;
        store(change + place, member ? load(change + place) + part : part);
    }
}

// As add_member with a share of one each, and the sum of squared distances from the mean (Welford's recurrence).
static void add_member_and_spread(const float *output, float *change, float *squares, size_t count, int member) {
    const float share = 1.0f / (float)(member + 1);
    for (size_t place = 0; place < count; place += LANES) {
        const lanes value = load(output + place), before = member ? load(change + place) : value;
        const lanes after = before + (value - before) * share;
        store(change + place, after);
        store(squares + place, (value - before) * (value - after) + (member ? load(squares + place) : fill(0.0f)));
    }
}

static void disagreement_of(const Model *model, Scratch *scratch, int width, int rows) {
    for (int row = 0; row < rows; row++) {
        float sum = 0.0f;
        for (int entry = 0; entry < model->change_size; entry++)
            sum += scratch->squares[(size_t)row * width + entry] * model->change_weight[entry];
        scratch->disagreement[row] = __builtin_sqrtf(sum / (float)model->members);
    }
}

// Mean change of the dynamics' members for features and z in `scratch->x`, applied to `scratch->state`.
// `spread`: fill `scratch->disagreement` too.
static void step_state(const Model *model, Scratch *scratch, int rows, int spread) {
    const int width = last_width(&model->dynamics[0]);
    copy_features(model, scratch, rows);
    clear_behind(scratch, model->feature_size, rows);
    for (int row = 0; row < rows; row++)
        memcpy(scratch->inputs + (size_t)row * scratch->input_width + model->feature_size,
               scratch->x + row * model->skill_size, 4 * (size_t)model->skill_size);
    for (int member = 0; member < model->members; member++) {
        const Network *network = &model->dynamics[member];
        run_network(model, network, scratch, scratch->inputs, scratch->input_width, scratch->output, rows);
        const size_t count = (size_t)rows * width;
        if (spread) add_member_and_spread(scratch->output, scratch->change, scratch->squares, count, member);
        else add_member(scratch->output, scratch->change, count, member, 1.0f / (float)model->members);
    }
    if (spread) disagreement_of(model, scratch, width, rows);
    int change = 0;
    for (int span = 0; span < model->span_count; span++) {
        const Span block = model->spans[span];
        if (block.rotation)
            for (int row = 0; row < rows; row += LANES) turn_rows(model, scratch, row, block.start, change);
        else
            for (int row = 0; row < rows; row++)
                for (int entry = 0; entry < block.size; entry++)
                    scratch->state[(size_t)row * model->state_size + block.start + entry] +=
                        scratch->change[(size_t)row * width + change + entry] * model->change_scale[change + entry];
        change += block.rotation ? 3 : block.size;
    }
}

#endif
