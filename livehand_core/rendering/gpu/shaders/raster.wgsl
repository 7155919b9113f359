// Depth of a mesh at every pixel of a camera: a workgroup a triangle, the nearest one wins. A second round finds
// which triangle that was, of several the first.

struct Params {
    camera: Camera,
    // Planes that are cleared: depths, triangles.
    planes: u32,
    // Whether the depths are there and the triangles are looked for.
    naming: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
// CORNER numbers a corner of the triangles, from FACES on, of which the first is its vertex.
@group(0) @binding(1) var<storage, read> topology: array<u32>;
// VERTEX4 groups of four a vertex, from VERTICES on, of which the first is its place.
@group(0) @binding(2) var<storage, read> posed: array<vec4<f32>>;
// Bits of the depths, for those of positive numbers have the numbers' order; then the triangles.
@group(0) @binding(3) var<storage, read_write> surface: array<atomic<u32>>;

// How far outside a triangle, in its own coordinates, still counts as inside: no cracks between neighbours.
const EDGE_TOLERANCE = 1e-5;

// How much farther than the nearest depth still counts as it.
const NEARLY = 1.000001;

@compute @workgroup_size(64)
fn clear(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let pixel = 64u * (group.x + ROW * group.y) + thread;
    if (pixel < params.planes * params.camera.width * params.camera.height) {
        // No triangle has so high a number.
        atomicStore(&surface[pixel], bitcast<u32>(NOTHING));
    }
}

fn seen(face: u32, number: u32) -> vec3<f32> {
    let vertex = topology[FACES + CORNER * (3u * face + number)];
    return turned(params.camera.to_camera, vec4<f32>(posed[VERTICES + VERTEX4 * vertex].xyz, 1.0));
}

fn pixel_of(corner: vec3<f32>) -> vec2<f32> {
    let plane = select(corner.xy / corner.z, corner.xy, params.camera.orthographic != 0u);
    return clamp(plane * params.camera.focal + params.camera.centre, vec2<f32>(-1e6), vec2<f32>(1e6));
}

@compute @workgroup_size(64)
fn draw(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let face = group.x + ROW * group.y;
    if (face >= F) {
        return;
    }
    let a = seen(face, 0u);
    let b = seen(face, 1u);
    let c = seen(face, 2u);
    let depths = vec3<f32>(a.z, b.z, c.z);
    let perspective = params.camera.orthographic == 0u;
    if (perspective && all(depths <= vec3<f32>(MIN_DEPTH))) {
        return;
    }
    var low = vec2<i32>(0, 0);
    var high = vec2<i32>(i32(params.camera.width) - 1, i32(params.camera.height) - 1);
    if (!perspective || all(depths > vec3<f32>(MIN_DEPTH))) {
        let p = pixel_of(a);
        let q = pixel_of(b);
        let r = pixel_of(c);
        low = max(low, vec2<i32>(ceil(min(min(p, q), r) - 0.01)));
        high = min(high, vec2<i32>(floor(max(max(p, q), r) + 0.01)));
    }
    if (any(high < low)) {
        return;
    }
    let across = u32(high.x - low.x + 1);
    let count = across * u32(high.y - low.y + 1);
    for (var k = thread; k < count; k += 64u) {
        let place = vec2<u32>(low) + vec2<u32>(k % across, k / across);
        let parts = areas(params.camera, a, b, c, place);
        let total = parts.x + parts.y + parts.z;
        if (total == 0.0) {
            continue;
        }
        let shares = parts / total;
        let here = dot(shares, depths);
        if (all(shares >= vec3<f32>(-EDGE_TOLERANCE)) && here > MIN_DEPTH) {
            let pixel = place.y * params.camera.width + place.x;
            if (params.naming == 0u) {
                atomicMin(&surface[pixel], bitcast<u32>(here));
            } else if (here <= NEARLY * bitcast<f32>(atomicLoad(&surface[pixel]))) {
                atomicMin(&surface[params.camera.width * params.camera.height + pixel], face);
            }
        }
    }
}
