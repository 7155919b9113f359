// The samples of a chunk of rays (docs/method.md 1.4) in the texture cube: u, v, d, and the normal where it is wanted.

struct Params {
    camera: Camera,
    start: u32,
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
    let share = f32(sample % SAMPLES) / f32(SAMPLES - 1u);
    let pixel = u32(ray.x);
    let line = ray_of(params.camera, pixel % params.camera.width, pixel / params.camera.width);
    let place = canonical(line.origin + line.direction * (ray.y * (1.0 - share) + ray.z * share));
    for (var k = 0u; k < 3u; k++) {
        positions[AXES * sample + k] = place.uvd[k];
        if (AXES == 6u) {
            positions[AXES * sample + 3u + k] = place.normal[k];
        }
    }
}
