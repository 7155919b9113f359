// Nearest point of the posed mesh, and the texture cube around it (docs/method.md 1.5).
// The kernel that this goes into declares `topology`, `face_uv` and `posed`.

// Square metres under the root of the distance, which therefore never falls below 0.1 mm.
const DISTANCE_EPSILON = 1e-8;

// Barycentric coordinate under which a nearest point counts as on an edge or a vertex.
const REGION_TOLERANCE = 1e-6;

struct Nearest {
    face: u32,
    shares: vec3<f32>,
}

struct Canonical {
    uvd: vec3<f32>,
    normal: vec3<f32>,
}

// a - b, 0 where it is no more than rounding of the products that a and b are.
fn difference(a: f32, b: f32) -> f32 {
    return select(0.0, a - b, abs(a - b) > 4.77e-7 * (abs(a) + abs(b)));
}

fn along_edge(one: f32, other: f32) -> f32 {
    let sum = one + other;
    return one / select(1.0, sum, sum > 0.0);
}

// Barycentric coordinates of the point of a triangle that is nearest to the origin (Ericson 2005, 5.1.5).
fn closest(a: vec3<f32>, b: vec3<f32>, c: vec3<f32>) -> vec3<f32> {
    let ab = b - a;
    let ac = c - a;
    let d1 = -dot(ab, a);
    let d2 = -dot(ac, a);
    let d3 = -dot(ab, b);
    let d4 = -dot(ac, b);
    let d5 = -dot(ab, c);
    let d6 = -dot(ac, c);
    if (d1 <= 0.0 && d2 <= 0.0) {
        return vec3<f32>(1.0, 0.0, 0.0);
    }
    if (d3 >= 0.0 && d4 <= d3) {
        return vec3<f32>(0.0, 1.0, 0.0);
    }
    if (d6 >= 0.0 && d5 <= d6) {
        return vec3<f32>(0.0, 0.0, 1.0);
    }
    let va = difference(d3 * d6, d5 * d4);
    let vb = difference(d5 * d2, d1 * d6);
    let vc = difference(d1 * d4, d3 * d2);
    if (vc <= 0.0 && d1 >= 0.0 && d3 <= 0.0) {
        let v = along_edge(d1, -d3);
        return vec3<f32>(1.0 - v, v, 0.0);
    }
    if (vb <= 0.0 && d2 >= 0.0 && d6 <= 0.0) {
        let w = along_edge(d2, -d6);
        return vec3<f32>(1.0 - w, 0.0, w);
    }
    if (va <= 0.0 && d4 - d3 >= 0.0 && d5 - d6 >= 0.0) {
        let w = along_edge(d4 - d3, d5 - d6);
        return vec3<f32>(0.0, 1.0 - w, w);
    }
    let total = va + vb + vc;
    let inverse = 1.0 / select(1.0, total, abs(total) > 0.0);
    return max(vec3<f32>(1.0 - (vb + vc) * inverse, vb * inverse, vc * inverse), vec3<f32>(0.0));
}

fn box_distance(at: u32, point: vec3<f32>) -> f32 {
    let beyond = max(max(posed[at].xyz - point, point - posed[at + 1u].xyz), vec3<f32>(0.0));
    return dot(beyond, beyond);
}

struct Best {
    square: f32,
    member: u32,
    shares: vec3<f32>,
}

// The better of what is known and the triangles of a group of the tree.
fn search(group: u32, point: vec3<f32>, known: Best) -> Best {
    var best = known;
    for (var leaf = 0u; leaf < 16u; leaf++) {
        if (box_distance(BOXES + 34u * group + 2u + 2u * leaf, point) >= best.square) {
            continue;
        }
        let first = 64u * group + 4u * leaf;
        for (var member = first; member < min(first + 4u, F); member++) {
            let at = TRIANGLES + 3u * member;
            let a = posed[at].xyz - point;
            let b = posed[at + 1u].xyz - point;
            let c = posed[at + 2u].xyz - point;
            let shares = closest(a, b, c);
            let offset = shares.x * a + shares.y * b + shares.z * c;
            let square = dot(offset, offset);
            if (square < best.square) {
                best = Best(square, member, shares);
            }
        }
    }
    return best;
}

// The group whose box is nearest first: most others cannot hold anything nearer then.
fn nearest(point: vec3<f32>) -> Nearest {
    var first = 0u;
    var least = NOTHING;
    for (var group = 0u; group < GROUPS; group++) {
        let distance = box_distance(BOXES + 34u * group, point);
        if (distance < least) {
            least = distance;
            first = group;
        }
    }
    var best = search(first, point, Best(NOTHING, 0u, vec3<f32>(1.0, 0.0, 0.0)));
    for (var group = 0u; group < GROUPS; group++) {
        if (group != first && box_distance(BOXES + 34u * group, point) < best.square) {
            best = search(group, point, best);
        }
    }
    return Nearest(u32(posed[TRIANGLES + 3u * best.member].w), best.shares);
}

fn vertex_of(face: u32, number: u32) -> u32 {
    return topology[FACES + 3u * face + number];
}

fn greatest(shares: vec3<f32>) -> u32 {
    var answer = select(0u, 1u, shares.y > shares.x);
    if (shares.z > shares[answer]) {
        answer = 2u;
    }
    return answer;
}

// Texture coordinates as the lowest of the faces that hold the point gives them.
fn texture_of(found: Nearest, edge: bool, vertex: bool, opposite: u32, corner: u32) -> vec2<f32> {
    var speaker = found.face;
    if (edge) {
        speaker = min(found.face, topology[NEIGHBOURS + 3u * found.face + opposite]);
    }
    if (vertex) {
        speaker = topology[LOWEST + vertex_of(found.face, corner)];
    }
    var answer = vec2<f32>(0.0);
    for (var i = 0u; i < 3u; i++) {
        var share = found.shares[i];
        if (speaker != found.face) {
            share = 0.0;
            for (var k = 0u; k < 3u; k++) {
                share += select(0.0, found.shares[k], vertex_of(found.face, k) == vertex_of(speaker, i));
            }
        }
        answer += share * face_uv[3u * speaker + i];
    }
    return answer;
}

fn smooth_normal(found: Nearest) -> vec3<f32> {
    var sum = vec3<f32>(0.0);
    for (var k = 0u; k < 3u; k++) {
        sum += found.shares[k] * posed[VERTEX_NORMALS + vertex_of(found.face, k)].xyz;
    }
    return unit(sum);
}

// A number of the local pose, LOCAL of which the vertices tell in TOLD4 groups of four.
fn told(found: Nearest, number: u32) -> f32 {
    var sum = 0.0;
    for (var k = 0u; k < 3u; k++) {
        sum += found.shares[k] * posed[TOLD + TOLD4 * vertex_of(found.face, k) + number / 4u][number % 4u];
    }
    return sum;
}

fn canonical(point: vec3<f32>) -> Canonical {
    return canonical_of(point, nearest(point));
}

fn canonical_of(point: vec3<f32>, found: Nearest) -> Canonical {
    var offset = point;
    for (var k = 0u; k < 3u; k++) {
        offset -= found.shares[k] * posed[VERTICES + vertex_of(found.face, k)].xyz;
    }
    let outside = found.shares <= vec3<f32>(REGION_TOLERANCE);
    let count = select(0u, 1u, outside.x) + select(0u, 1u, outside.y) + select(0u, 1u, outside.z);
    let opposite = select(select(2u, 1u, outside.y), 0u, outside.x);
    let corner = greatest(found.shares);
    var normal = posed[FACE_NORMALS + found.face].xyz;
    if (PSEUDO_NORMAL && count == 1u) {
        normal += posed[FACE_NORMALS + topology[NEIGHBOURS + 3u * found.face + opposite]].xyz;
    }
    if (PSEUDO_NORMAL && count == 2u) {
        normal = posed[VERTEX_NORMALS + vertex_of(found.face, corner)].xyz;
    }
    let distance = sign(dot(offset, normal)) * sqrt(dot(offset, offset) + DISTANCE_EPSILON);
    let uv = texture_of(found, count == 1u, count == 2u, opposite, corner);
    return Canonical(vec3<f32>(uv, distance), smooth_normal(found));
}
