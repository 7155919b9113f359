// Materials in the light (docs/method.md 1.12): gains times features of the light at each pixel of a tile of the picture.

struct Params {
    // Of the picture's pixels that its canvas has.
    camera: Camera,
    // The tile: its size, its first pixel in the picture; the answer's pixels in a row.
    width: u32,
    height: u32,
    left: u32,
    top: u32,
    pitch: u32,
    // How far beside the proxy's silhouette a pixel takes the nearest surface there is.
    reach: u32,
    lamp_count: u32,
    map_side: u32,
    // Opacity up to which a pixel stays black, for nobody will see it.
    least: f32,
    unused: array<f32, 3>,
    // The sky's irradiance over pi by normal, then its two lobes by mirrored view.
    sky: array<vec4<f32>, 48>,
    lamps: array<Lamp, MOST_LAMPS>,
    // From here to a depth map: three rows of a transform; focal length, middle, whether in perspective.
    map_rows: array<array<vec4<f32>, 4>, MOST_LAMPS>,
}

@group(0) @binding(0) var<storage, read> params: Params;
// Corners of the triangles: vertex, bits of u and v, see edges.wgsl; then bits of the detail's head, four channels of the texture for
// each of sixteen of the material, and of its relief, texel by texel.
@group(0) @binding(1) var<storage, read> corners: array<vec4<u32>>;
// ROW4 groups of four a vertex, see `column`.
@group(0) @binding(2) var<storage, read> vertices: array<vec4<f32>>;
// Depths, triangles, columns to the nearest one, see raster.wgsl and beside.wgsl.
@group(0) @binding(3) var<storage, read> surface: array<u32>;
// Materials and opacity of the tile in four groups of four, or the feature image.
@group(0) @binding(4) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> maps: array<f32>;
@group(0) @binding(6) var<storage, read> texels: array<vec4<real>>;
@group(0) @binding(7) var<storage, read_write> answer: array<vec4<f32>>;

const NOWHERE = 0xffffffffu;
const INVERSE_PI = 0.31830989;

// Diffuse, scattered and back light (three each), two lobes, two of the normal's offset, opacity.
fn material_of(pixel: u32) -> array<f32, 16> {
    var groups: array<vec4<f32>, 4>;
    for (var g = 0u; g < 4u; g++) {
        groups[g] = source[pixel * select(4u, C4 + 1u, FROM_FEATURES) + g];
    }
    if (FROM_FEATURES) {
        groups[3].y = source[pixel * (C4 + 1u) + C4].x;
    }
    var answer: array<f32, 16>;
    for (var k = 0u; k < 16u; k++) {
        answer[k] = groups[k / 4u][k % 4u];
    }
    return answer;
}

// The pixel nearest to one that sees a triangle, NOWHERE where none is within reach; of equally near ones the upper left.
fn nearest_place(place: vec2<u32>) -> u32 {
    let width = params.camera.width;
    let height = params.camera.height;
    if (place.x >= width || place.y >= height) {
        return NOWHERE;
    }
    let reach = i32(params.reach);
    var best = reach * reach + 1;
    var answer = NOWHERE;
    for (var away = 0; away <= reach && away * away <= best; away++) {
        for (var side = 0; side < 2; side++) {
            // The upper line wins where it is as near, for it comes first.
            let line = i32(place.y) + select(away, -away, side == 1);
            if (line < 0 || line >= i32(height)) {
                continue;
            }
            let at = u32(line) * width + place.x;
            let step = bitcast<i32>(surface[2u * width * height + at]);
            let square = step * step + away * away;
            let wins = square < best || (square == best && side == 1 && answer != NOWHERE);
            if (abs(step) <= reach && wins) {
                best = square;
                answer = u32(i32(at) - step);
            }
        }
    }
    return answer;
}

// A point on the proxy: its triangle's vertices, their shares, where it is in the texture, and whether v runs to the left of u there
// seen from outside (1), or to its right (-1).
struct Spot {
    vertices: vec3<u32>,
    shares: vec3<f32>,
    uv: vec2<f32>,
    turn: f32,
}

fn spot_at(pixel: u32) -> Spot {
    let camera = params.camera;
    let face = 3u * surface[camera.width * camera.height + pixel];
    let own = vec3<u32>(corners[face].x, corners[face + 1u].x, corners[face + 2u].x);
    let at = ROW4 * own + POSITION4;
    let a = turned(camera.to_camera, vec4<f32>(vertices[at.x].xyz, 1.0));
    let b = turned(camera.to_camera, vec4<f32>(vertices[at.y].xyz, 1.0));
    let c = turned(camera.to_camera, vec4<f32>(vertices[at.z].xyz, 1.0));
    let parts = areas(camera, a, b, c, vec2<u32>(pixel % camera.width, pixel / camera.width));
    // Of a triangle that is seen almost edge on rounding is all there is.
    let total = parts.x + parts.y + parts.z;
    let inside = clamp(parts / select(1.0, total, total != 0.0), vec3<f32>(0.0), vec3<f32>(1.0)) + 1e-9;
    let shares = inside / (inside.x + inside.y + inside.z);
    var places: array<vec2<f32>, 3>;
    var uv = vec2<f32>(0.0);
    for (var k = 0u; k < 3u; k++) {
        places[k] = bitcast<vec2<f32>>(corners[face + k].yz);
        uv += shares[k] * places[k];
    }
    let one = places[1] - places[0];
    let two = places[2] - places[0];
    return Spot(own, shares, uv, sign(one.x * two.y - one.y * two.x));
}

fn relief_at(column: u32, row: u32) -> f32 {
    let at = row * RELIEF_SIDE + column;
    return bitcast<f32>(corners[RELIEF + at / 4u][at % 4u]);
}

// Millimetres that the skin stands above the proxy.
fn relief(uv: vec2<f32>) -> f32 {
    let last = RELIEF_SIDE - 1u;
    let place = clamp(uv * f32(RELIEF_SIDE) - 0.5, vec2<f32>(0.0), vec2<f32>(f32(last)));
    let low = vec2<u32>(place);
    let high = min(low + 1u, vec2<u32>(last));
    let share = place - vec2<f32>(low);
    let upper = mix(relief_at(low.x, low.y), relief_at(high.x, low.y), share.x);
    let lower = mix(relief_at(low.x, high.y), relief_at(high.x, high.y), share.x);
    return mix(upper, lower, share.y);
}

// What a pixel sees: one spot, or at an edge some that are near each other.
var<private> spots: array<Spot, 5>;
var<private> spot_count: u32;

fn column_of(spot: Spot, group: u32) -> vec4<f32> {
    let at = ROW4 * spot.vertices + group;
    return spot.shares.x * vertices[at.x] + spot.shares.y * vertices[at.y] + spot.shares.z * vertices[at.z];
}

// The pixel itself; beside nothing also its neighbours on the skin, for there that turns away faster than pixels follow.
fn look(pixel: u32) {
    let width = params.camera.width;
    let height = params.camera.height;
    spots[0] = spot_at(pixel);
    spot_count = 1u;
    let place = vec2<i32>(vec2<u32>(pixel % width, pixel / width));
    var edge = false;
    var beside: array<u32, 4>;
    for (var side = 0; side < 4; side++) {
        let step = (2 * (side % 2) - 1) * select(vec2<i32>(0, 1), vec2<i32>(1, 0), side < 2);
        let other = place + step;
        beside[side] = pixel;
        if (all(other >= vec2<i32>(0)) && all(other < vec2<i32>(vec2<u32>(width, height)))) {
            beside[side] = u32(other.y) * width + u32(other.x);
        }
        edge = edge || surface[width * height + beside[side]] >= F;
    }
    if (!edge) {
        return;
    }
    let own = column_of(spots[0], POSITION4).xyz;
    for (var side = 0; side < 4; side++) {
        if (beside[side] == pixel || surface[width * height + beside[side]] >= F) {
            continue;
        }
        let spot = spot_at(beside[side]);
        if (distance(column_of(spot, POSITION4).xyz, own) < EDGE_RADIUS) {
            spots[spot_count] = spot;
            spot_count++;
        }
    }
}

// Four columns of the vertices' rows, the mean of the spots: normal and tangent, what share of the sky arrives, scattered
// light, light from behind, (one free), visibility of the lamps, position.
fn column(group: u32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k < spot_count; k++) {
        sum += column_of(spots[k], group);
    }
    return sum / f32(spot_count);
}

fn sky(first: u32, count: u32, terms: array<f32, TERMS>) -> vec3<f32> {
    var values = terms;
    var sum = vec3<f32>(0.0);
    for (var k = 0u; k < count; k++) {
        sum += values[k] * params.sky[first + k].xyz;
    }
    return max(sum, vec3<f32>(0.0));
}

@compute @workgroup_size(8, 8)
fn shade(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    var material = material_of(id.y * params.width + id.x);
    let place = vec2<u32>(params.left, params.top) + id.xy;
    let pixel = place.y * params.pitch + place.x;
    answer[pixel] = vec4<f32>(0.0, 0.0, 0.0, material[13]);
    if (material[13] <= params.least) {
        return;
    }
    let seen = nearest_place(place);
    if (seen == NOWHERE) {
        return;
    }
    let alpha = clamp(material[13], 0.0, 1.0);
    look(seen);
    let first = column(0u);
    let second = column(1u);
    let third = column(2u);
    let behind = column(3u).xyz;
    let point = column(POSITION4).xyz;
    let arriving = vec3<f32>(second.zw, third.x);
    // From the camera, and the metres that a pixel spans.
    let axis = turned(params.camera.to_world, vec4<f32>(0.0, 0.0, 1.0, 0.0));
    var view = axis;
    var size = 2.0 / (params.camera.focal.x + params.camera.focal.y);
    if (params.camera.orthographic == 0u) {
        let offset = point - turned(params.camera.to_world, vec4<f32>(0.0, 0.0, 0.0, 1.0));
        size *= max(dot(offset, axis), 1e-3);
        view = unit(offset);
    }
    // Turned towards the camera where the skin would turn away within the pixel.
    let least = min(sqrt(size * 8.0 / (9.0 * EDGE_RADIUS)), STEEPEST);
    let raised = unit(first.xyz);
    let normal = unit(raised - max(dot(raised, view) + least, 0.0) * view);
    let along = vec3<f32>(first.w, second.xy);
    let tangent = unit(along - dot(along, normal) * normal);
    if (DETAILED) {
        let facing = max(abs(dot(normal, view)), LEAST_FACING);
        var uv = spots[0].uv;
        if (RAISED) {
            // Where the ray meets skin above the proxy.
            let lean = vec2<f32>(dot(tangent, view), spots[0].turn * dot(cross(normal, tangent), view));
            uv -= relief(uv) * MILLIMETRE * SPAN / facing * lean;
        }
        for (var group = 0u; group < TEXEL4; group++) {
            let values = alpha * detail(uv, SPAN * size / facing, group);
            for (var k = 0u; k < 13u; k++) {
                material[k] += dot(values, bitcast<vec4<f32>>(corners[HEAD + 16u * group + k]));
            }
        }
    }
    let offset = BEND * (vec2<f32>(material[11], material[12]) - 0.5 * alpha) / max(alpha, LEAST_ALPHA);
    let bent = unit(normal + offset.x * tangent + offset.y * cross(normal, tangent));
    let mirrored = view - 2.0 * dot(view, bent) * bent;
    let reflected = basis(mirrored);
    var diffuse = arriving * sky(0u, DIFFUSE_TERMS, basis(bent));
    var rough = arriving * sky(TERMS, TERMS, reflected);
    var oily = arriving * sky(2u * TERMS, TERMS, reflected);
    for (var number = 0u; number < params.lamp_count; number++) {
        let lamp = params.lamps[number];
        let there = lamp_at(lamp, point);
        var visible = column(LAMPS4 + number / 4u)[number % 4u];
        if (lamp.shadow.x >= 0.0) {
            visible = mix(visible, unshadowed(u32(lamp.shadow.x), point, normal), lamp.oily.w);
        }
        let light = there.w * visible * lamp.colour.xyz;
        let cosine = dot(there.xyz, mirrored);
        diffuse += INVERSE_PI * wrapped_cosine(dot(there.xyz, bent), lamp.border.w) * light;
        rough += lamp.rough.x * lobe(cosine, lamp.rough.yzw) * light;
        oily += lamp.rough.x * lobe(cosine, lamp.oily.xyz) * light;
    }
    var gains: array<f32, 11>;
    for (var k = 0u; k < 11u; k++) {
        gains[k] = clamp(material[k], 0.0, alpha);
    }
    let colour = vec3<f32>(gains[0], gains[1], gains[2]) * diffuse
        + vec3<f32>(gains[3], gains[4], gains[5]) * third.yzw
        + vec3<f32>(gains[6], gains[7], gains[8]) * behind
        + LOBE_GAIN * (gains[9] * rough + gains[10] * oily);
    answer[pixel] = vec4<f32>(encoded(colour, alpha), material[13]);
}
