// The samples of a chunk of rays (docs/method.md 1.4) in the texture cube: u, v, d, where they are wanted the normal and the local pose;
// then depth, and the length that a sample stands for.

struct Params {
    camera: Camera,
    start: u32,
    last_interval: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> topology: array<u32>;
@group(0) @binding(2) var<storage, read> face_uv: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> posed: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> count: array<u32>;
@group(0) @binding(5) var<storage, read> rays: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> positions: array<f32>;

@compute @workgroup_size(64)
fn find(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let sample = 64u * (group.x + ROW * group.y) + thread;
    let number = params.start + sample / SAMPLES;
    if (sample / SAMPLES >= CHUNK || number >= count[0]) {
        return;
    }
    let ray = rays[number];
    let step = sample % SAMPLES;
    let pixel = u32(ray.x);
    let line = ray_of(params.camera, pixel % params.camera.width, pixel / params.camera.width);
    let here = sample_depth(ray, step);
    let point = line.origin + line.direction * here;
    let found = nearest(point);
    let place = canonical_of(point, found);
    for (var k = 0u; k < 3u; k++) {
        positions[STRIDE * sample + k] = place.uvd[k];
        if (AXES >= 6u) {
            positions[STRIDE * sample + 3u + k] = place.normal[k];
        }
    }
    for (var k = 0u; k < LOCAL; k++) {
        positions[STRIDE * sample + 6u + k] = told(found, k);
    }
    positions[STRIDE * sample + AXES] = here;
    positions[STRIDE * sample + AXES + 1u] =
        select(params.last_interval, sample_depth(ray, step + 1u) - here, step + 1u < SAMPLES);
}

fn sample_depth(ray: vec4<f32>, step: u32) -> f32 {
    let share = f32(step) / f32(SAMPLES - 1u);
    return ray.y * (1.0 - share) + ray.z * share;
}
