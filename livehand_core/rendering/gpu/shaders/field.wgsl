// The radiance field along a tile of TILE rays, sample after sample from front to back, and its integration
// (docs/method.md 1.6, 1.7). A tile ends when all of its rays have; colours are found where there is density.

struct Params {
    start: u32,
    threshold: f32,
    distance_scale: f32,
    density_scale: f32,
    density_bias: f32,
    unused: array<f32, 3>,
    // Those of the hidden layers, HIDDEN4 groups of four each, then C4 groups of the colour layer.
    biases: array<vec4<f32>>,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> count: array<u32>;
@group(0) @binding(2) var<storage, read> rays: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> positions: array<f32>;
@group(0) @binding(4) var<storage, read> view_terms: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> weights: array<vec4<real>>;
@group(0) @binding(6) var<storage, read_write> image: array<vec4<f32>>;

var<workgroup> x: array<vec4<real>, TILE * PITCH4>;
var<workgroup> wanted: array<u32, TILE>;
var<workgroup> weight: array<f32, TILE>;
var<workgroup> vote: u32;

// Whether any ray of the tile wants to go on; the same for all threads. Waits for what they wrote.
fn any_wanted(thread: u32) -> bool {
    workgroupBarrier();
    if (thread == 0u) {
        var answer = 0u;
        for (var k = 0u; k < TILE; k++) {
            answer |= wanted[k];
        }
        vote = answer;
    }
    return workgroupUniformLoad(&vote) != 0u;
}

// A channel of the encodings: of u, v, d first, then of the normal; each begins with its three axes themselves. Then the
// local pose as it is.
fn encoded(sample: u32, channel: u32) -> f32 {
    let of_normal = channel >= PLACE_ENCODED;
    let part = channel - select(0u, PLACE_ENCODED, of_normal);
    let axis = part % 3u + select(0u, 3u, of_normal);
    if (channel >= ENCODED) {
        return 0.0;
    }
    if (channel >= LOCAL_AT) {
        return positions[STRIDE * sample + 6u + channel - LOCAL_AT];
    }
    var value = positions[STRIDE * sample + axis];
    if (axis == 2u) {
        value *= params.distance_scale;
    }
    if (part < 3u) {
        return value;
    }
    let both = sine_cosine(value * f32(1u << ((part - 3u) / 6u)));
    return select(both.x, both.y, (part - 3u) % 6u >= 3u);
}

// Bilinear, clamped at the outermost texels' centres.
fn texel(at: u32, size: u32, group: u32, uv: vec2<f32>) -> vec4<f32> {
    let place = clamp(uv * f32(size) - 0.5, vec2<f32>(0.0), vec2<f32>(f32(size) - 1.0));
    let low = vec2<u32>(place);
    let high = min(low + 1u, vec2<u32>(size - 1u));
    let share = place - vec2<f32>(low);
    let top = mix(
        vec4<f32>(weights[at + (low.y * size + low.x) * TEXEL4 + group]),
        vec4<f32>(weights[at + (low.y * size + high.x) * TEXEL4 + group]), share.x);
    let bottom = mix(
        vec4<f32>(weights[at + (high.y * size + low.x) * TEXEL4 + group]),
        vec4<f32>(weights[at + (high.y * size + high.x) * TEXEL4 + group]), share.x);
    return mix(top, bottom, share.y);
}

fn texels(sample: u32, number: u32) -> vec4<f32> {
    let uv = vec2<f32>(positions[STRIDE * sample], positions[STRIDE * sample + 1u]);
    let texture = number / TEXEL4;
    return texel(TEXTURE_AT[texture], TEXTURE_SIZE[texture], number % TEXEL4, uv);
}

// Encodings and texels of one sample of each ray.
fn encode(thread: u32, step: u32) {
    for (var item = thread; item < TILE * INPUTS4; item += THREADS) {
        let sample = row_sample(item / INPUTS4, step);
        let part = item % INPUTS4;
        var value = vec4<f32>(0.0);
        if (part < ENCODED4) {
            let c = 4u * part;
            value = vec4<f32>(encoded(sample, c), encoded(sample, c + 1u), encoded(sample, c + 2u), encoded(sample, c + 3u));
        } else {
            value = texels(sample, part - ENCODED4);
        }
        x[item / INPUTS4 * PITCH4 + part] = vec4<real>(value);
    }
}

var<private> first_row: u32;
var<private> rows: u32;

// Of the chunk; rows beyond the last ray repeat it, and are not wanted.
fn row_sample(row: u32, step: u32) -> u32 {
    return (first_row + min(row, rows - 1u)) * SAMPLES + step;
}

fn hidden_layer(thread: u32, number: u32, fours: u32, weights_at: u32) {
    let sums = hidden_product(thread, fours, weights_at);
    workgroupBarrier();
    let row = hidden_row(thread);
    let column = thread % HIDDEN4;
    let bias = params.biases[number * HIDDEN4 + column];
    if (row < TILE) {
        for (var r = 0u; r < hidden_ROWS; r++) {
            x[(row + r) * PITCH4 + column] = vec4<real>(max(sums[r] + bias, vec4<f32>(0.0)));
        }
    }
    workgroupBarrier();
}

fn view_layer(thread: u32) {
    let sums = view_product(thread, HIDDEN4, VIEW_LAYER_AT);
    workgroupBarrier();
    let row = view_row(thread);
    let column = thread % VIEW4;
    if (row < TILE) {
        for (var r = 0u; r < view_ROWS; r++) {
            let term = view_terms[(first_row + min(row + r, rows - 1u)) * VIEW4 + column];
            x[(row + r) * PITCH4 + column] = vec4<real>(max(sums[r] + term, vec4<f32>(0.0)));
        }
    }
    workgroupBarrier();
}

fn density(row: u32) -> f32 {
    var sum = 0.0;
    for (var k = 0u; k < HIDDEN4; k++) {
        sum += dot(vec4<f32>(x[row * PITCH4 + k]), vec4<f32>(weights[DENSITY_AT + k]));
    }
    return (sum + params.density_bias) * params.density_scale;
}

@compute @workgroup_size(THREADS)
fn march(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    first_row = TILE * (group.x + ROW * group.y);
    let total = min(max(count[0], params.start) - params.start, CHUNK);
    if (first_row >= total) {
        return;
    }
    rows = min(total - first_row, TILE);
    let mine = thread < rows;
    var ray = vec4<f32>(0.0);
    if (mine) {
        ray = rays[params.start + first_row + thread];
    }
    var transmittance = 1.0;
    var opacity = 0.0;
    var depth = 0.0;
    var features: array<vec4<f32>, colour_ROWS>;
    for (var step = 0u; step < SAMPLES; step++) {
        // Behind its last sample a ray has intervals of 0.
        let at = STRIDE * row_sample(thread, step) + AXES;
        let interval = positions[at + 1u];
        let alive = mine && transmittance > params.threshold && interval > 0.0;
        if (thread < TILE) {
            wanted[thread] = select(0u, 1u, alive);
        }
        if (!any_wanted(thread)) {
            break;
        }
        encode(thread, step);
        workgroupBarrier();
        hidden_layer(thread, 0u, INPUTS4, 0u);
        for (var layer = 1u; layer < LAYERS; layer++) {
            hidden_layer(thread, layer, HIDDEN4, 4u * (INPUTS4 + (layer - 1u) * HIDDEN4) * HIDDEN4);
        }
        if (thread < TILE) {
            var share = 0.0;
            if (alive) {
                let alpha = 1.0 - exp(-min(max(density(thread), 0.0) * interval * ray.w, 80.0));
                share = transmittance * alpha;
                transmittance *= 1.0 - alpha + 1e-10;
                opacity += share;
                depth += share * positions[at];
            }
            weight[thread] = share;
            wanted[thread] = select(0u, 1u, share > 0.0);
        }
        if (any_wanted(thread)) {
            view_layer(thread);
            let sums = colour_product(thread, VIEW4, COLOUR_AT);
            let row = colour_row(thread);
            if (row < TILE) {
                let bias = params.biases[LAYERS * HIDDEN4 + thread % C4];
                for (var r = 0u; r < colour_ROWS; r++) {
                    features[r] += weight[row + r] / (1.0 + exp(-clamp(sums[r] + bias, vec4<f32>(-80.0), vec4<f32>(80.0))));
                }
            }
        }
        workgroupBarrier();
    }
    let row = colour_row(thread);
    for (var r = 0u; r < colour_ROWS; r++) {
        if (row + r < rows) {
            let pixel = u32(rays[params.start + first_row + row + r].x);
            image[pixel * (C4 + 1u) + thread % C4] = features[r];
        }
    }
    if (mine) {
        let expected = select(0.5 * (ray.y + ray.z), depth / max(opacity, LEAST_OPACITY), opacity > LEAST_OPACITY);
        image[u32(ray.x) * (C4 + 1u) + C4] = vec4<f32>(opacity, expected, 1.0, 0.0);
    }
}
