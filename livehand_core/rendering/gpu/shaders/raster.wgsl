// Depth of the proxy mesh at every pixel of a camera: a workgroup a triangle, the nearest one wins.
//
// With q a corner's offset from the pixel's ray at the corner's own depth, a point's coordinates in the triangle are
// the areas that the q span: small numbers, so that single precision suffices, and no clipping at the camera's plane.

struct Params {
    camera: Camera,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> topology: array<u32>;
@group(0) @binding(2) var<storage, read> posed: array<vec4<f32>>;
// Bits of the depths: those of positive numbers have the numbers' order.
@group(0) @binding(3) var<storage, read_write> depth: array<atomic<u32>>;

// How far outside a triangle, in its own coordinates, still counts as inside: no cracks between neighbours.
const EDGE_TOLERANCE = 1e-5;

@compute @workgroup_size(64)
fn clear(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let pixel = 64u * (group.x + ROW * group.y) + thread;
    if (pixel < params.camera.width * params.camera.height) {
        atomicStore(&depth[pixel], bitcast<u32>(NOTHING));
    }
}

fn seen(face: u32, number: u32) -> vec3<f32> {
    let vertex = posed[VERTICES + topology[FACES + 3u * face + number]].xyz;
    return turned(params.camera.to_camera, vec4<f32>(vertex, 1.0));
}

fn pixel_of(corner: vec3<f32>) -> vec2<f32> {
    let plane = select(corner.xy / corner.z, corner.xy, params.camera.orthographic != 0u);
    return clamp(plane * params.camera.focal + params.camera.centre, vec2<f32>(-1e6), vec2<f32>(1e6));
}

fn beside(corner: vec3<f32>, plane: vec2<f32>) -> vec2<f32> {
    return corner.xy - select(corner.z, 1.0, params.camera.orthographic != 0u) * plane;
}

fn area(a: vec2<f32>, b: vec2<f32>) -> f32 {
    return a.x * b.y - a.y * b.x;
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
        let plane = (vec2<f32>(place) - params.camera.centre) / params.camera.focal;
        let u = beside(a, plane);
        let v = beside(b, plane);
        let w = beside(c, plane);
        let areas = vec3<f32>(area(v, w), area(w, u), area(u, v));
        let total = areas.x + areas.y + areas.z;
        if (total == 0.0) {
            continue;
        }
        let shares = areas / total;
        let here = dot(shares, depths);
        if (all(shares >= vec3<f32>(-EDGE_TOLERANCE)) && here > MIN_DEPTH) {
            atomicMin(&depth[place.y * params.camera.width + place.x], bitcast<u32>(here));
        }
    }
}
