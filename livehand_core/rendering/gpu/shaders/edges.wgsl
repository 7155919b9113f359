// Where one part of the hand passes in front of another, pixels at its edge take some colour from the neighbours that
// share the edge (docs/method.md 1.12).

struct Params {
    // Of the picture's pixels that its canvas has.
    camera: Camera,
    // Of the picture.
    width: u32,
    height: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
// Corners of the triangles: vertex, bits of u and v, the triangle across the side opposite.
@group(0) @binding(1) var<storage, read> corners: array<vec4<u32>>;
// ROW4 groups of four a vertex.
@group(0) @binding(2) var<storage, read> vertices: array<vec4<f32>>;
// Depths, triangles, see raster.wgsl.
@group(0) @binding(3) var<storage, read> surface: array<u32>;
// Premultiplied sRGB, which goes on above 1, and opacity.
@group(0) @binding(4) var<storage, read> shaded: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> answer: array<vec4<f32>>;

// In place of a part of the way from one pixel to the next: on it there is no edge.
const NOWHERE = 2.0;

fn corner_at(face: u32, number: u32) -> vec3<f32> {
    let vertex = corners[3u * face + number].x;
    return turned(params.camera.to_camera, vec4<f32>(vertices[ROW4 * vertex + POSITION4].xyz, 1.0));
}

// How the area that a side spans with a pixel's ray changes from pixel to pixel.
fn slope(a: vec3<f32>, b: vec3<f32>, weights: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(weights.y * a.y - weights.x * b.y, weights.x * b.x - weights.y * a.x) / params.camera.focal;
}

// How far it is from a pixel to where the surface that it sees turns away, in steps to a neighbour. NOWHERE where that
// is beyond the neighbour, or the edge runs more along the step than across it.
fn way_from(front: vec2<i32>, step: vec2<i32>) -> f32 {
    let upright = step.x == 0;
    let place = vec2<u32>(front);
    let camera = params.camera;
    var face = surface[camera.width * camera.height + place.y * camera.width + place.x];
    var before = face;
    var sign = 0.0;
    var way = 0.0;
    var across = 0.0;
    var along = 0.0;
    for (var number = 0u; number <= MOST_TRIANGLES; number++) {
        let a = corner_at(face, 0u);
        let b = corner_at(face, 1u);
        let c = corner_at(face, 2u);
        let weights = select(vec3<f32>(a.z, b.z, c.z), vec3<f32>(1.0), camera.orthographic != 0u);
        let parts = areas(camera, a, b, c, place);
        let facing = dot(weights, parts);
        if (number == 0u) {
            sign = select(-1.0, 1.0, facing > 0.0);
        } else if (sign * facing <= 0.0) {
            return select(NOWHERE, way, across > along || (across == along && !upright));
        }
        if (number == MOST_TRIANGLES) {
            break;
        }
        var slopes = array<vec2<f32>, 3>(
            slope(b, c, weights.yz), slope(c, a, weights.zx), slope(a, b, weights.xy),
        );
        // Through which side the way leaves the triangle.
        var nearest = 1.0;
        var next = F;
        for (var corner = 0u; corner < 3u; corner++) {
            let other = corners[3u * face + corner].w;
            let own = slopes[corner];
            let fall = -sign * dot(own, vec2<f32>(step));
            if ((number > 0u && other == before) || fall <= 0.0) {
                continue;
            }
            let there = sign * parts[corner] / fall;
            if (there < nearest) {
                nearest = there;
                next = other;
                across = fall;
                along = abs(select(own.y, own.x, upright));
            }
        }
        if (next == F) {
            return NOWHERE;
        }
        way = max(way, nearest);
        if (next == face) {
            return select(NOWHERE, way, across > along || (across == along && !upright));
        }
        before = face;
        face = next;
    }
    return NOWHERE;
}

// What a pixel takes of a neighbour.
fn share_of(place: vec2<i32>, step: vec2<i32>) -> f32 {
    let camera = params.camera;
    let other = place + step;
    let size = vec2<i32>(vec2<u32>(camera.width, camera.height));
    if (any(other < vec2<i32>(0)) || any(other >= size)) {
        return 0.0;
    }
    let one = u32(place.y) * camera.width + u32(place.x);
    let two = u32(other.y) * camera.width + u32(other.x);
    let plane = camera.width * camera.height;
    if (surface[plane + two] >= F || surface[plane + one] == surface[plane + two]) {
        return 0.0;
    }
    let depth = bitcast<f32>(surface[one]);
    let beyond = bitcast<f32>(surface[two]);
    let away = select(min(depth, beyond), 1.0, camera.orthographic != 0u);
    if (abs(depth - beyond) <= STEEP * 2.0 / (camera.focal.x + camera.focal.y) * away) {
        return 0.0;
    }
    if (depth < beyond) {
        return max(0.5 - way_from(place, step), 0.0);
    }
    let way = way_from(other, -step);
    return select(max(way - 0.5, 0.0), 0.0, way == NOWHERE);
}

@compute @workgroup_size(8, 8)
fn blend(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let camera = params.camera;
    let pixel = id.y * params.width + id.x;
    let own = shaded[pixel];
    answer[pixel] = own;
    if (id.x >= camera.width || id.y >= camera.height || own.w <= LEAST) {
        return;
    }
    if (surface[camera.width * camera.height + id.y * camera.width + id.x] >= F) {
        return;
    }
    var sum = 0.0;
    var change = vec3<f32>(0.0);
    for (var side = 0; side < 4; side++) {
        let step = (2 * (side % 2) - 1) * select(vec2<i32>(0, 1), vec2<i32>(1, 0), side < 2);
        let share = share_of(vec2<i32>(id.xy), step);
        if (share <= 0.0) {
            continue;
        }
        sum += share;
        let other = vec2<i32>(id.xy) + step;
        let its = shaded[u32(other.y) * params.width + u32(other.x)];
        if (its.w > LEAST) {
            // As much is exchanged as both are opaque.
            change += share * min(min(its.w, 1.0) / min(own.w, 1.0), 1.0) * (decoded(its) - decoded(own));
        }
    }
    if (any(change != vec3<f32>(0.0))) {
        let alpha = min(own.w, 1.0);
        answer[pixel] = vec4<f32>(encoded(alpha * (decoded(own) + change / max(sum, 1.0)), alpha), own.w);
    }
}
