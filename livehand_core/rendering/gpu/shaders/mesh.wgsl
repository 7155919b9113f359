// The proxy mesh of a frame: skinning (docs/method.md 1.1), normals, triangles in the tree's order, boxes of the tree.

struct Params {
    // Arrays need an element.
    betas: array<f32, max(BETAS, 1u)>,
    correctives: array<f32, max(FEATURES, 1u)>,
    transforms: array<f32, 12 * JOINTS>,
}

@group(0) @binding(0) var<storage, read> params: Params;
// Template, shape directions, pose correctives: x, y and z of all vertices each; then the joints' weights.
@group(0) @binding(1) var<storage, read> model: array<f32>;
@group(0) @binding(2) var<storage, read> topology: array<u32>;
@group(0) @binding(3) var<storage, read_write> posed: array<vec4<f32>>;

const WEIGHTS = (3u + 3u * BETAS + 3u * FEATURES) * V;

fn direction(number: u32, vertex: u32) -> vec3<f32> {
    let at = 3u * number * V + vertex;
    return vec3<f32>(model[at], model[at + V], model[at + 2u * V]);
}

@compute @workgroup_size(64)
fn skin(@builtin(global_invocation_id) id: vec3<u32>) {
    let vertex = id.x;
    if (vertex >= V) {
        return;
    }
    var rest = direction(0u, vertex);
    for (var k = 0u; k < BETAS; k++) {
        rest += params.betas[k] * direction(1u + k, vertex);
    }
    for (var k = 0u; k < FEATURES; k++) {
        rest += params.correctives[k] * direction(1u + BETAS + k, vertex);
    }
    var place = vec3<f32>(0.0);
    for (var joint = 0u; joint < JOINTS; joint++) {
        let weight = model[WEIGHTS + joint * V + vertex];
        for (var axis = 0u; axis < 3u; axis++) {
            let at = 12u * joint + 4u * axis;
            let row = vec3<f32>(params.transforms[at], params.transforms[at + 1u], params.transforms[at + 2u]);
            place[axis] += weight * (dot(row, rest) + params.transforms[at + 3u]);
        }
    }
    posed[VERTICES + vertex] = vec4<f32>(place, 0.0);
}

fn corner(face: u32, number: u32) -> vec3<f32> {
    return posed[VERTICES + topology[FACES + 3u * face + number]].xyz;
}

fn angle(at: vec3<f32>, one: vec3<f32>, other: vec3<f32>) -> f32 {
    return acos(clamp(dot(unit(one - at), unit(other - at)), -1.0, 1.0));
}

// Normals of the faces and their angles; and the triangles in the tree's order, the first corner with the face's number.
@compute @workgroup_size(64)
fn faces(@builtin(global_invocation_id) id: vec3<u32>) {
    let face = id.x;
    if (face >= F) {
        return;
    }
    let a = corner(face, 0u);
    let b = corner(face, 1u);
    let c = corner(face, 2u);
    posed[FACE_NORMALS + face] = vec4<f32>(unit(cross(b - a, c - a)), 0.0);
    posed[ANGLES + face] = vec4<f32>(angle(a, b, c), angle(b, c, a), angle(c, a, b), 0.0);
    let member = topology[ORDER + face];
    let at = TRIANGLES + 3u * face;
    posed[at] = vec4<f32>(corner(member, 0u), f32(member));
    posed[at + 1u] = vec4<f32>(corner(member, 1u), 0.0);
    posed[at + 2u] = vec4<f32>(corner(member, 2u), 0.0);
}

// Normals of the vertices, each face weighted by its angle.
@compute @workgroup_size(64)
fn vertex_normals(@builtin(global_invocation_id) id: vec3<u32>) {
    let vertex = id.x;
    if (vertex >= V) {
        return;
    }
    var sum = vec3<f32>(0.0);
    for (var k = topology[STARTS + vertex]; k < topology[STARTS + vertex + 1u]; k++) {
        let place = topology[INCIDENT + k];
        sum += posed[ANGLES + place / 3u][place % 3u] * posed[FACE_NORMALS + place / 3u].xyz;
    }
    posed[VERTEX_NORMALS + vertex] = vec4<f32>(unit(sum), 0.0);
}

// A thread a group of sixteen leaves of four triangles: its box, then the leaves'; lowest corners, then highest.
@compute @workgroup_size(64)
fn boxes(@builtin(global_invocation_id) id: vec3<u32>) {
    let group = id.x;
    if (group >= GROUPS) {
        return;
    }
    let at = BOXES + 34u * group;
    var lowest = vec3<f32>(FAR_AWAY);
    var highest = vec3<f32>(-FAR_AWAY);
    for (var leaf = 0u; leaf < 16u; leaf++) {
        var low = vec3<f32>(FAR_AWAY);
        var high = vec3<f32>(-FAR_AWAY);
        let first = 64u * group + 4u * leaf;
        for (var k = 3u * first; k < 3u * min(first + 4u, F); k++) {
            low = min(low, posed[TRIANGLES + k].xyz);
            high = max(high, posed[TRIANGLES + k].xyz);
        }
        posed[at + 2u + 2u * leaf] = vec4<f32>(low, 0.0);
        posed[at + 3u + 2u * leaf] = vec4<f32>(high, 0.0);
        lowest = min(lowest, low);
        highest = max(highest, high);
    }
    posed[at] = vec4<f32>(lowest, 0.0);
    posed[at + 1u] = vec4<f32>(highest, 0.0);
}
