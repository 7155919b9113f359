// What the view direction adds to the view layer: one row of VIEW4 groups of four a ray (docs/method.md 1.6, 1.10).

struct Params {
    camera: Camera,
    start: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> count: array<u32>;
@group(0) @binding(2) var<storage, read> rays: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<real>>;
@group(0) @binding(4) var<storage, read_write> view_terms: array<vec4<f32>>;

fn row(number: u32, column: u32) -> vec4<f32> {
    return vec4<f32>(weights[VIEW_AT + number * VIEW4 + column]);
}

@compute @workgroup_size(64)
fn find(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let place = 64u * (group.x + ROW * group.y) + thread;
    let number = params.start + place / VIEW4;
    let column = place % VIEW4;
    if (place / VIEW4 >= CHUNK || number >= count[0]) {
        return;
    }
    let pixel = u32(rays[number].x);
    let line = ray_of(params.camera, pixel % params.camera.width, pixel / params.camera.width);
    let direction = line.direction / line.stretch;
    // The last row is the bias.
    var sum = row(3u + 6u * VIEW_FREQUENCIES, column);
    for (var axis = 0u; axis < 3u; axis++) {
        sum += direction[axis] * row(axis, column);
        for (var k = 0u; k < VIEW_FREQUENCIES; k++) {
            let pair = sine_cosine(direction[axis] * f32(1u << k));
            sum += pair.x * row(3u + 6u * k + axis, column) + pair.y * row(6u + 6u * k + axis, column);
        }
    }
    view_terms[place] = sum;
}
