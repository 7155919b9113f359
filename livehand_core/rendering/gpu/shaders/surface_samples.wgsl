// The samples of a chunk of rays where the surface is (docs/method.md 1.4): as samples.wgsl leaves them. A thread traces
// one ray; behind its last sample intervals are 0.

struct Params {
    camera: Camera,
    start: u32,
    unused: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> topology: array<u32>;
// Behind the faces' the levels of the vertices: where the layer around the skin begins, and how thick it is.
@group(0) @binding(2) var<storage, read> face_uv: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> posed: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> count: array<u32>;
@group(0) @binding(5) var<storage, read> rays: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> positions: array<f32>;

fn level(found: Nearest) -> vec2<f32> {
    var sum = vec2<f32>(0.0);
    for (var k = 0u; k < 3u; k++) {
        sum += found.shares[k] * face_uv[LEVELS + vertex_of(found.face, k)];
    }
    return sum;
}

@compute @workgroup_size(64)
fn find(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let own = 64u * (group.x + ROW * group.y) + thread;
    if (own >= CHUNK || params.start + own >= count[0]) {
        return;
    }
    let ray = rays[params.start + own];
    let pixel = u32(ray.x);
    let line = ray_of(params.camera, pixel % params.camera.width, pixel / params.camera.width);
    var start = ray.y;
    var ahead = 0.0;
    var step = 0u;
    for (var query = 0u; query < MOST_QUERIES && step < SAMPLES && start <= ray.z; query++) {
        let here = start + 0.5 * ahead;
        let point = line.origin + line.direction * here;
        let found = nearest(point);
        let place = canonical_of(point, found);
        let layer = level(found);
        let facing = abs(dot(place.normal, line.direction)) / line.stretch;
        let gap = place.uvd.z - layer.x;
        if (gap < TOLERANCE && ahead > 0.0) {
            let at = STRIDE * (own * SAMPLES + step);
            for (var k = 0u; k < 3u; k++) {
                positions[at + k] = place.uvd[k];
                if (AXES >= 6u) {
                    positions[at + 3u + k] = place.normal[k];
                }
            }
            for (var k = 0u; k < LOCAL; k++) {
                positions[at + 6u + k] = told(found, k);
            }
            positions[at + AXES] = here;
            positions[at + AXES + 1u] = ahead;
            step += 1u;
            start += ahead;
        } else {
            let slope = select(1.0, max(facing, RELAXED), gap < NEARBY * layer.y);
            start = here + max(gap, 0.0) / (slope * line.stretch);
        }
        ahead = 0.0;
        if (gap < TOLERANCE || gap < ENTRY * layer.y) {
            ahead = layer.y * PART / (max(facing, STEEPEST) * line.stretch);
        }
    }
    for (; step < SAMPLES; step++) {
        let at = STRIDE * (own * SAMPLES + step);
        for (var k = 0u; k < STRIDE; k++) {
            positions[at + k] = 0.0;
        }
    }
}
