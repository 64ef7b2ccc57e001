/* The parts of an exported network, in C99: see parts.rs for how a file takes those that it needs. The arithmetic is
 * that of math/, dynamics.rs and plasticity.rs, in the same order, and tests/exports.rs compares the bits. */

/* No activation, state or product goes beyond this. */
#define CAMBRIAN_LIMIT 0x1.d1a94ap+39f

/* No weight goes beyond this. */
#define CAMBRIAN_MAX_WEIGHT 0x1.e848p+19f

/* 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits of the sum. */
#define CAMBRIAN_ROUND 0x1.8p+23f

/* Beyond this sine and cosine stand still. */
#define CAMBRIAN_FARTHEST 0x1.86ap+16f

static uint32_t cambrian_bits(float x)
{
    union { float x; uint32_t bits; } same;
    same.x = x;
    return same.bits;
}

static float cambrian_from_bits(uint32_t bits)
{
    union { uint32_t bits; float x; } same;
    same.bits = bits;
    return same.x;
}

static float cambrian_size(float x)
{
    return cambrian_from_bits(cambrian_bits(x) & 0x7FFFFFFFu);
}

static float cambrian_copysign(float size, float sign)
{
    return cambrian_from_bits((cambrian_bits(size) & 0x7FFFFFFFu) | (cambrian_bits(sign) & 0x80000000u));
}

static float cambrian_clip(float x, float low, float high)
{
    if (x < low) x = low;
    if (x > high) x = high;
    return x;
}

/* e^x within 3e-7 of itself: e^x = 2^n e^r with |r| <= ln 2 / 2. */
static float cambrian_exp(float x)
{
    float shifted, n, r, p, scale;
    x = cambrian_clip(x, -88.0f, 88.0f);
    shifted = x * 0x1.715476p+0f + CAMBRIAN_ROUND;
    n = shifted - CAMBRIAN_ROUND;
    r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
    p = 0x1.10627ap-7f;
    p = p * r + 0x1.572a06p-5f;
    p = p * r + 0x1.5557aep-3f;
    p = p * r + 0x1.fffdfcp-2f;
    scale = cambrian_from_bits((cambrian_bits(shifted) + 127u) << 23);
    return ((p * (r * r) + r) + 1.0f) * scale;
}

/* ln x for a normal x > 0: x = 2^n (1 + f) with 1 + f from sqrt(1/2) to sqrt(2). */
static float cambrian_ln(float x)
{
    uint32_t bits = cambrian_bits(x) - 0x3F3504F3u;
    float n = (float)((int32_t)((bits >> 23) ^ 0x100u) - 0x100);
    float f = cambrian_from_bits((bits & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
    float p = 0x1.645e96p-4f;
    p = p * f - 0x1.2432b2p-3f;
    p = p * f + 0x1.317458p-3f;
    p = p * f - 0x1.53824ap-3f;
    p = p * f + 0x1.98d7f2p-3f;
    p = p * f - 0x1.000382p-2f;
    p = p * f + 0x1.5556d8p-2f;
    p = p * f - 0.5f;
    return (p * (f * f) + f) + n * 0x1.62e43p-1f;
}

/* sin(x + ahead * pi): x = (n - ahead) * pi + r, of which (-1)^n sin r is left. */
static float cambrian_sin_ahead(float x, float ahead)
{
    float shifted, turns, r, u, p, sine;
    x = cambrian_clip(x, -CAMBRIAN_FARTHEST, CAMBRIAN_FARTHEST);
    shifted = (x * 0x1.45f306p-2f + ahead) + CAMBRIAN_ROUND;
    turns = (shifted - CAMBRIAN_ROUND) - ahead;
    r = ((x - turns * 0x1.92p+1f) - turns * 0x1.fap-11f) - turns * 0x1.54442ep-19f;
    u = r * r;
    p = 0x1.5c9ab4p-19f;
    p = p * u - 0x1.9f5946p-13f;
    p = p * u + 0x1.110e46p-7f;
    p = p * u - 0x1.555548p-3f;
    sine = p * (u * r) + r;
    return cambrian_from_bits(cambrian_bits(sine) ^ (cambrian_bits(shifted) << 31));
}

/* tanh x = 2t / (1 + t^2) with t = tanh(x/2), here p/q. */
static float cambrian_tanh(float x)
{
    float size = cambrian_size(x), u, p, q, twice, gap;
    if (size > 0x1.09999ap+3f) size = 0x1.09999ap+3f;
    u = size * size;
    p = size * ((u + 0x1.e6b692p+8f) * u + 0x1.191e6ep+14f);
    q = (0x1.095542p+5f * u + 0x1.f07fbep+11f) * u + 0x1.191e6ep+15f;
    twice = 2.0f * (p * q);
    gap = q - p;
    return cambrian_copysign(twice / (twice + gap * gap), x);
}

static float cambrian_sigmoid(float x)
{
    return 0.5f * cambrian_tanh(0.5f * x) + 0.5f;
}

/* The square root of a number from 1 on, rounded as IEEE 754 has it: a bit at a time, one more than is kept. */
static float cambrian_sqrt(float x)
{
    uint32_t bits = cambrian_bits(x), odd = ~(bits >> 23) & 1u, root = 0, bit;
    uint64_t square = (uint64_t)((bits & 0x007FFFFFu) | 0x00800000u) << (25 + odd);
    if (!(x <= 0x1.fffffep+127f)) return x;
    for (bit = 1u << 24; bit != 0; bit >>= 1) {
        uint32_t next = root | bit;
        if ((uint64_t)next * next <= square) root = next;
    }
    return cambrian_from_bits((((bits >> 23) - 127u - odd) / 2 + 126u) * 0x00800000u + ((root + 1) >> 1));
}

static float cambrian_activation_identity(float x)
{
    return cambrian_clip(x, -CAMBRIAN_LIMIT, CAMBRIAN_LIMIT);
}

static float cambrian_activation_tanh(float x)
{
    return cambrian_tanh(x);
}

static float cambrian_activation_sigmoid(float x)
{
    return cambrian_sigmoid(x);
}

static float cambrian_activation_steep_sigmoid(float x)
{
    return cambrian_sigmoid(0x1.3b274ap+2f * x);
}

static float cambrian_activation_relu(float x)
{
    return cambrian_clip(x, 0.0f, CAMBRIAN_LIMIT);
}

static float cambrian_activation_sin(float x)
{
    return cambrian_sin_ahead(x, 0.0f);
}

static float cambrian_activation_gaussian(float x)
{
    return cambrian_exp(-x * x);
}

static float cambrian_activation_step(float x)
{
    return x > 0.0f ? 1.0f : 0.0f;
}

static float cambrian_activation_leaky_relu(float x)
{
    return cambrian_clip(x, 0.0f, CAMBRIAN_LIMIT) + 0x1.47ae14p-7f * cambrian_clip(x, -CAMBRIAN_LIMIT, 0.0f);
}

static float cambrian_activation_elu(float x)
{
    return x > 0.0f ? cambrian_clip(x, 0.0f, CAMBRIAN_LIMIT) : cambrian_exp(x) - 1.0f;
}

static float cambrian_activation_selu(float x)
{
    float y = x > 0.0f ? x : 0x1.ac5afap+0f * cambrian_activation_elu(x);
    return cambrian_clip(0x1.0cfabep+0f * y, -0x1.c212cep+0f, CAMBRIAN_LIMIT);
}

static float cambrian_activation_gelu(float x)
{
    x = cambrian_clip(x, -CAMBRIAN_LIMIT, CAMBRIAN_LIMIT);
    return (0.5f * x) * (1.0f + cambrian_tanh(0x1.988454p-1f * (x + 0x1.6e4e26p-5f * (x * x) * x)));
}

static float cambrian_activation_swish(float x)
{
    x = cambrian_clip(x, -CAMBRIAN_LIMIT, CAMBRIAN_LIMIT);
    return x / (1.0f + cambrian_exp(-x));
}

static float cambrian_activation_softplus(float x)
{
    return cambrian_clip(x, 0.0f, CAMBRIAN_LIMIT) + cambrian_ln(1.0f + cambrian_exp(-cambrian_size(x)));
}

static float cambrian_activation_cos(float x)
{
    return cambrian_sin_ahead(x, 0.5f);
}

static float cambrian_activation_abs(float x)
{
    return cambrian_clip(cambrian_size(x), 0.0f, CAMBRIAN_LIMIT);
}

static float cambrian_activation_square(float x)
{
    return cambrian_clip(x * x, 0.0f, CAMBRIAN_LIMIT);
}

static float cambrian_activation_sign(float x)
{
    return x == 0.0f ? x : cambrian_copysign(1.0f, x);
}

static float cambrian_activation_clamp(float x)
{
    return cambrian_clip(x, -1.0f, 1.0f);
}

static float cambrian_activation_inverse_multiquadric(float x)
{
    return 1.0f / cambrian_sqrt(1.0f + x * x);
}

static float cambrian_activation_log(float x)
{
    return cambrian_ln(cambrian_clip(x, 0x1.ad7f2ap-24f, 0x1.fffffep+127f));
}

static float cambrian_activation_exp(float x)
{
    return cambrian_clip(cambrian_exp(x), 0.0f, CAMBRIAN_LIMIT);
}

/* Aggregations, of at least one weighted source. */
static float cambrian_sum(float *terms, uint32_t count)
{
    float sum = 0.0f;
    uint32_t n;
    for (n = 0; n < count; n++) sum = sum + terms[n];
    return sum;
}

static float cambrian_product(float *terms, uint32_t count)
{
    float product = 1.0f;
    uint32_t n;
    for (n = 0; n < count; n++) product = cambrian_clip(product * terms[n], -CAMBRIAN_LIMIT, CAMBRIAN_LIMIT);
    return product;
}

static float cambrian_mean(float *terms, uint32_t count)
{
    return cambrian_sum(terms, count) / (float)count;
}

/* Whether a comes before b, where -0 comes before +0. */
static int cambrian_precedes(float a, float b)
{
    uint32_t x = cambrian_bits(a), y = cambrian_bits(b);
    x = x >> 31 ? ~x : x | 0x80000000u;
    y = y >> 31 ? ~y : y | 0x80000000u;
    return x < y;
}

static float cambrian_max(float *terms, uint32_t count)
{
    float best = terms[0];
    uint32_t n;
    for (n = 1; n < count; n++) if (cambrian_precedes(best, terms[n])) best = terms[n];
    return best;
}

static float cambrian_min(float *terms, uint32_t count)
{
    float best = terms[0];
    uint32_t n;
    for (n = 1; n < count; n++) if (cambrian_precedes(terms[n], best)) best = terms[n];
    return best;
}

/* Sorts the terms by insertion. */
static float cambrian_median(float *terms, uint32_t count)
{
    uint32_t n, at;
    for (n = 1; n < count; n++) {
        float term = terms[n];
        for (at = n; at > 0 && cambrian_precedes(term, terms[at - 1]); at--) terms[at] = terms[at - 1];
        terms[at] = term;
    }
    at = count / 2;
    return count % 2 ? terms[at] : 0.5f * terms[at - 1] + 0.5f * terms[at];
}

static float cambrian_max_abs(float *terms, uint32_t count)
{
    float best = terms[0];
    uint32_t n;
    for (n = 1; n < count; n++) if (cambrian_size(terms[n]) > cambrian_size(best)) best = terms[n];
    return best;
}

/* A node: activation(gain * aggregate(weight * source, ...) + bias). */
struct cambrian_unit {
    float (*activation)(float net);
    float gain, bias;
    cambrian_index links;
};

/* The connections into a node. */
struct cambrian_links {
    const cambrian_index *sources;
    const float *weights;
    uint32_t count;
};

/* What a node has that does more: an aggregation other than the sum, dynamics, plasticity. */
struct cambrian_special {
    cambrian_index unit;
    /* where in the row the state of its dynamics begins, and how long that is; what it has learnt follows */
    cambrian_index state, length;
    float (*aggregate)(float *terms, uint32_t count);
    float (*tick)(const struct cambrian_special *special, float (*activation)(float), float net, float *state);
    void (*learn)(const struct cambrian_special *special, const struct cambrian_links *links, float y,
                  const float *row, float *learnt);
    /* time_constant is in ticks, leak is 1 - e^(-1/time_constant) */
    float time_constant, leak, rate, decay;
};

/* Dynamics: the output for a net input, one tick later than the state. */
static float cambrian_none(const struct cambrian_special *special, float (*activation)(float), float net,
                           float *state)
{
    (void)special;
    (void)state;
    return activation(net);
}

static float cambrian_leaky(const struct cambrian_special *special, float (*activation)(float), float net,
                            float *state)
{
    state[0] = cambrian_clip(state[0] + special->leak * (net - state[0]), -CAMBRIAN_LIMIT, CAMBRIAN_LIMIT);
    return activation(state[0]);
}

static float cambrian_cfc(const struct cambrian_special *special, float (*activation)(float), float net,
                          float *state)
{
    float keep = cambrian_sigmoid(-net / special->time_constant);
    float next = keep * state[0] + (1.0f - keep) * activation(net);
    state[0] = cambrian_clip(next, -CAMBRIAN_LIMIT, CAMBRIAN_LIMIT);
    return state[0];
}

static float cambrian_ltc(const struct cambrian_special *special, float (*activation)(float), float net,
                          float *state)
{
    float drive = activation(net);
    float step = 1.0f / 6.0f;
    float slope = 1.0f / special->time_constant + cambrian_size(drive);
    int n;
    for (n = 0; n < 6; n++) state[0] = (state[0] + step * drive) / (1.0f + step * slope);
    return state[0];
}

static float cambrian_delay(const struct cambrian_special *special, float (*activation)(float), float net,
                            float *state)
{
    uint32_t at = special->length - 1u;
    float delayed = state[at];
    for (; at > 0; at--) state[at] = state[at - 1];
    state[0] = activation(net);
    return delayed;
}

/* Within the limit, also where large numbers have cancelled to NaN. */
static float cambrian_bounded(float x, float limit)
{
    return x != x ? 0.0f : cambrian_clip(x, -limit, limit);
}

/* What a weight that changes has learnt in all: its difference from its gene. */
static float cambrian_taught(float gene, float weight, float change)
{
    return cambrian_bounded(weight + change, CAMBRIAN_MAX_WEIGHT) - gene;
}

/* Plasticity: what the weights learn from one tick. */
static void cambrian_hebbian(const struct cambrian_special *special, const struct cambrian_links *links, float y,
                             const float *row, float *learnt)
{
    uint32_t n;
    for (n = 0; n < links->count; n++) {
        float x = row[links->sources[n]], gene = links->weights[n], weight = gene + learnt[n];
        learnt[n] = cambrian_taught(gene, weight, special->rate * (x * y - special->decay * weight));
    }
}

static void cambrian_oja(const struct cambrian_special *special, const struct cambrian_links *links, float y,
                         const float *row, float *learnt)
{
    uint32_t n;
    for (n = 0; n < links->count; n++) {
        float x = row[links->sources[n]], gene = links->weights[n], weight = gene + learnt[n];
        learnt[n] = cambrian_taught(gene, weight, special->rate * y * (x - y * weight));
    }
}

static void cambrian_bcm(const struct cambrian_special *special, const struct cambrian_links *links, float y,
                         const float *row, float *learnt)
{
    float *threshold = learnt + links->count;
    uint32_t n;
    for (n = 0; n < links->count; n++) {
        float x = row[links->sources[n]], gene = links->weights[n], weight = gene + learnt[n];
        learnt[n] = cambrian_taught(gene, weight, special->rate * x * y * (y - *threshold));
    }
    *threshold = cambrian_bounded(*threshold + (1.0f - special->decay) * (y * y - *threshold), CAMBRIAN_LIMIT);
}

static void cambrian_rewarded(const struct cambrian_special *special, const struct cambrian_links *links, float y,
                              const float *row, float *learnt)
{
    float *traces = learnt + links->count;
    uint32_t n;
    for (n = 0; n < links->count; n++) {
        float x = row[links->sources[n]], gene = links->weights[n], weight = gene + learnt[n];
        traces[n] = cambrian_bounded(special->decay * traces[n] + x * y, CAMBRIAN_LIMIT);
        learnt[n] = cambrian_taught(gene, weight, special->rate * row[CAMBRIAN_REWARD] * traces[n]);
    }
}

/* The output of a node that sums and activates. */
static float cambrian_plain(const struct cambrian_unit *unit, const struct cambrian_links *links, const float *row)
{
    float sum = 0.0f;
    uint32_t n;
    for (n = 0; n < links->count; n++) sum = sum + row[links->sources[n]] * links->weights[n];
    return unit->activation(sum * unit->gain + unit->bias);
}

/* The output of a node that does more; its state goes on by a tick. */
static float cambrian_fire(const struct cambrian_unit *unit, const struct cambrian_special *special,
                           const struct cambrian_links *links, float *row)
{
    float terms[CAMBRIAN_MOST_TERMS], net = 0.0f, y;
    float *state = row + special->state, *learnt = state + special->length;
    uint32_t n;
    for (n = 0; n < links->count; n++) {
        float weight = special->learn ? links->weights[n] + learnt[n] : links->weights[n];
        terms[n] = row[links->sources[n]] * weight;
    }
    if (links->count > 0) net = special->aggregate(terms, links->count);
    y = special->tick(special, unit->activation, net * unit->gain + unit->bias, state);
    if (special->learn) special->learn(special, links, y, row, learnt);
    return y;
}
