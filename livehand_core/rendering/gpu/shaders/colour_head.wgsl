// A block's colours added to the picture so far, which is doubled first where the block doubles (docs/method.md 1.8).
// Pictures have HEAD4 groups of four channels a pixel: COLOURS, then opacity.

struct Params {
    // Of the answer.
    width: u32,
    height: u32,
    // Of the picture so far: its size, where it begins, pixels in a row.
    base_width: u32,
    base_height: u32,
    base_at: u32,
    base_pitch: u32,
    // The part of the answer that is kept, and where it goes.
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
    target_at: u32,
    target_pitch: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> base: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> activations: array<vec4<real>>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<real>>;
@group(0) @binding(4) var<storage, read_write> target_image: array<vec4<f32>>;

const LIMIT = 256.0;

// Zero beside the picture.
fn base_at(x: i32, y: i32, group: u32) -> vec4<f32> {
    if (x < 0 || y < 0 || x >= i32(params.base_width) || y >= i32(params.base_height)) {
        return vec4<f32>(0.0);
    }
    let pixel = params.base_at + u32(y) * params.base_pitch + u32(x);
    if (!FROM_FEATURES) {
        return base[pixel * HEAD4 + group];
    }
    var value = base[pixel * (C4 + 1u) + group];
    if (group == COLOURS / 4u) {
        value[COLOURS % 4u] = base[pixel * (C4 + 1u) + C4].x;
    }
    return value;
}

// Zeros between the pixels, then the filter 1 3 3 1.
fn doubled(x: i32, y: i32, group: u32) -> vec4<f32> {
    let place = vec2<i32>(x / 2, y / 2);
    let other = place + select(vec2<i32>(-1), vec2<i32>(1), vec2<bool>(x % 2 == 1, y % 2 == 1));
    let near = 0.75 * base_at(place.x, place.y, group) + 0.25 * base_at(other.x, place.y, group);
    let far = 0.75 * base_at(place.x, other.y, group) + 0.25 * base_at(other.x, other.y, group);
    return 0.75 * near + 0.25 * far;
}

@compute @workgroup_size(8, 8)
fn add(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = params.left + id.x;
    let y = params.top + id.y;
    if (x >= params.right || y >= params.bottom) {
        return;
    }
    var sums: array<vec4<f32>, HEAD4>;
    for (var g = 0u; g < HEAD4; g++) {
        sums[g] = vec4<f32>(weights[4u * IN4 * HEAD4 + g]);
    }
    for (var k = 0u; k < IN4; k++) {
        let value = vec4<f32>(activations[(y * params.width + x) * IN4 + k]);
        for (var c = 0u; c < 4u; c++) {
            for (var g = 0u; g < HEAD4; g++) {
                sums[g] += value[c] * vec4<f32>(weights[(4u * k + c) * HEAD4 + g]);
            }
        }
    }
    let pixel = params.target_at + id.y * params.target_pitch + id.x;
    for (var g = 0u; g < HEAD4; g++) {
        var sum = clamp(sums[g], vec4<f32>(-LIMIT), vec4<f32>(LIMIT));
        if (DOUBLED) {
            sum += doubled(i32(x), i32(y), g);
        } else {
            sum += base_at(i32(x), i32(y), g);
        }
        target_image[pixel * HEAD4 + g] = sum;
    }
}
