// Bounds of the rays (docs/method.md 1.2), the list of those that are evaluated, and how much work it makes.

struct Params {
    camera: Camera,
    margin: f32,
    radius: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> depth: array<u32>;
@group(0) @binding(2) var<storage, read_write> count: array<atomic<u32>>;
// Pixel, near, far, length of the direction.
@group(0) @binding(3) var<storage, read_write> rays: array<vec4<f32>>;
// The feature image: C4 groups of four channels a pixel, then opacity, expected depth, whether it has a ray.
@group(0) @binding(4) var<storage, read_write> image: array<vec4<f32>>;
// Workgroups of the kernels behind this one, three numbers each, chunk after chunk of the rays.
@group(0) @binding(5) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(1)
fn reset() {
    atomicStore(&count[0], 0u);
}

var<workgroup> members: atomic<u32>;
var<workgroup> start: u32;

// A workgroup of 8 x 8 pixels keeps its rays together: neighbours see the same.
@compute @workgroup_size(8, 8)
fn find(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let width = params.camera.width;
    let height = params.camera.height;
    let inside = id.x < width && id.y < height;
    let pixel = id.y * width + id.x;
    var near = NOTHING;
    var far = -NOTHING;
    if (inside) {
        let top = max(id.y, params.radius) - params.radius;
        let left = max(id.x, params.radius) - params.radius;
        for (var y = top; y <= min(id.y + params.radius, height - 1u); y++) {
            for (var x = left; x <= min(id.x + params.radius, width - 1u); x++) {
                let here = bitcast<f32>(depth[y * width + x]);
                if (here < NOTHING) {
                    near = min(near, here);
                    far = max(far, here);
                }
            }
        }
    }
    let valid = near <= far;
    if (thread == 0u) {
        atomicStore(&members, 0u);
    }
    workgroupBarrier();
    var place = 0u;
    if (valid) {
        place = atomicAdd(&members, 1u);
    }
    workgroupBarrier();
    if (thread == 0u) {
        start = atomicAdd(&count[0], atomicLoad(&members));
    }
    workgroupBarrier();
    if (inside) {
        for (var k = 0u; k <= C4; k++) {
            image[pixel * (C4 + 1u) + k] = vec4<f32>(0.0, select(0.0, NOTHING, k == C4), 0.0, 0.0);
        }
    }
    if (valid) {
        let stretch = ray_of(params.camera, id.x, id.y).stretch;
        rays[start + place] = vec4<f32>(f32(pixel), max(near - params.margin, 0.0), far + params.margin, stretch);
    }
}

fn plan(at: u32, groups: u32) {
    work[at] = min(groups, ROW);
    work[at + 1u] = (groups + ROW - 1u) / ROW;
    work[at + 2u] = 1u;
}

@compute @workgroup_size(1)
fn prepare(@builtin(workgroup_id) chunk: vec3<u32>) {
    let total = atomicLoad(&count[0]);
    let some = min(total - min(total, chunk.x * CHUNK), CHUNK);
    plan(9u * chunk.x, (some * PLACED_AT_ONCE + 63u) / 64u);
    plan(9u * chunk.x + 3u, (some * VIEW4 + 63u) / 64u);
    plan(9u * chunk.x + 6u, (some + TILE - 1u) / TILE);
}
