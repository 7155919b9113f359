// A 3 x 3 convolution with its activation (docs/method.md 1.8) over a region of an image, beside which all is zero.
// With four PHASES each pixel answers for the four of an image twice the size (1.10).

struct Params {
    width: u32,
    height: u32,
    // Where the region begins in the source, and the source's pixels in a row.
    at: u32,
    pitch: u32,
    // The same of the feature image, GRID times smaller.
    feature_at: u32,
    feature_pitch: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> source: array<vec4<SOURCE>>;
// Taps, inputs, then COLUMNS groups of four outputs of all phases; the last row is the bias.
@group(0) @binding(2) var<storage, read> weights: array<vec4<real>>;
// The feature image, which says where rays are.
@group(0) @binding(3) var<storage, read> features: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> target_image: array<vec4<real>>;

const LIMIT = 256.0;
const COLUMNS = PHASES * OUT4;

var<workgroup> cells: array<vec4<real>, 100 * PART4>;

var<workgroup> found: atomic<u32>;
var<workgroup> wanted: u32;

// Whether the picture depends on the tile: whether there is a ray within REACH of it. The same for all threads.
fn is_wanted(thread: u32, corner: vec2<u32>) -> bool {
    let low = max(corner / GRID, vec2<u32>(REACH)) - REACH;
    let high = min((corner + 7u) / GRID + REACH + 1u, vec2<u32>(params.width, params.height) / GRID);
    let across = high.x - low.x;
    if (thread == 0u) {
        atomicStore(&found, 0u);
    }
    workgroupBarrier();
    for (var k = thread; k < across * (high.y - low.y); k += 8u * GROUP4) {
        let pixel = params.feature_at + (low.y + k / across) * params.feature_pitch + low.x + k % across;
        if (features[pixel * (C4 + 1u) + C4].z != 0.0) {
            atomicStore(&found, 1u);
        }
    }
    workgroupBarrier();
    if (thread == 0u) {
        wanted = atomicLoad(&found);
    }
    return workgroupUniformLoad(&wanted) != 0u;
}

// The groups of four inputs from `part` on, of the tile's pixels and those around them.
fn load(thread: u32, corner: vec2<u32>, part: u32) {
    for (var k = thread; k < 100u * PART4; k += 8u * GROUP4) {
        let place = k / PART4;
        let input = part + k % PART4;
        // One pixel up and to the left of the tile, by numbers that wrap around and are found to be outside.
        let pixel = corner + vec2<u32>(place % 10u, place / 10u) - 1u;
        var value = vec4<real>();
        if (pixel.x < params.width && pixel.y < params.height && input < IN4) {
            value = vec4<real>(source[(params.at + pixel.y * params.pitch + pixel.x) * STRIDE + input]);
        }
        cells[k] = value;
    }
}

@compute @workgroup_size(8 * GROUP4)
fn convolve(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let corner = 8u * group.xy;
    if (!is_wanted(thread, corner)) {
        return;
    }
    let column = min(group.z * GROUP4 + thread % GROUP4, COLUMNS - 1u);
    let row = thread / GROUP4;
    var sums: array<vec4<f32>, 8>;
    for (var part = 0u; part < IN4; part += PART4) {
        workgroupBarrier();
        load(thread, corner, part);
        workgroupBarrier();
        for (var tap = 0u; tap < 9u; tap++) {
            for (var k = 0u; k < min(PART4, IN4 - part); k++) {
                let at = ((tap * IN4 + part + k) * 4u) * COLUMNS + column;
                let w0 = vec4<f32>(weights[at]);
                let w1 = vec4<f32>(weights[at + COLUMNS]);
                let w2 = vec4<f32>(weights[at + 2u * COLUMNS]);
                let w3 = vec4<f32>(weights[at + 3u * COLUMNS]);
                let first = ((row + tap / 3u) * 10u + tap % 3u) * PART4 + k;
                for (var r = 0u; r < 8u; r++) {
                    let value = vec4<f32>(cells[first + r * PART4]);
                    sums[r] += value.x * w0 + value.y * w1 + value.z * w2 + value.w * w3;
                }
            }
        }
    }
    let y = corner.y + row;
    if (group.z * GROUP4 + thread % GROUP4 >= COLUMNS || y >= params.height) {
        return;
    }
    let bias = vec4<f32>(weights[36u * IN4 * COLUMNS + column]);
    let phase = column / OUT4;
    for (var r = 0u; r < 8u; r++) {
        let px = corner.x + r;
        if (px < params.width) {
            let sum = sums[r] + bias;
            let value = clamp(select(0.2 * sum, sum, sum >= vec4<f32>(0.0)) * sqrt(2.0), vec4<f32>(-LIMIT), vec4<f32>(LIMIT));
            var pixel = y * params.width + px;
            if (PHASES == 4u) {
                pixel = (2u * y + phase / 2u) * 2u * params.width + 2u * px + phase % 2u;
            }
            target_image[pixel * OUT4 + column % OUT4] = vec4<real>(value);
        }
    }
}
